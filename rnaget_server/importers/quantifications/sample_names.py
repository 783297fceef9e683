"""The names of samples that are columns of a file: those of their alignments, without directories and endings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.fields import shortened

_ALIGNMENTS = re.compile(r"(?P<sample>.+)\.(?:bam|sam|cram)", re.IGNORECASE | re.DOTALL)


def names_in_files(named: Sequence[tuple[str, Path]]) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of samples, which must differ, and remarks; each is given with the file that it is of.

    Raises
    ------
    ImportFailure
        If one is repeated.
    """
    full = [name for name, _ in named]
    paths = [match["sample"] if (match := _ALIGNMENTS.fullmatch(name)) else None for name in full]
    short = [full[at] if path is None else path.rpartition("/")[2] for at, path in enumerate(paths)]
    if len(set(short)) < len(short):  # all are called the same, in directories of their own
        short = _directories([path or name for path, name in zip(paths, full, strict=True)]) or short
    first: dict[str, Path] = {}
    for name, (_, path) in zip(short, named, strict=True):
        if name in first:
            other = "in two columns" if first[name] == path else f"here and in {first[name]}"
            raise ImportFailure(
                f"the sample {shortened(name)} is repeated, {other}: leave one out, or rename it",
                path,
            )
        first[name] = path
    if short == full:
        return short, ()
    example = next(at for at, name in enumerate(short) if name != full[at])
    return short, (f"samples are called as their alignments: {full[example]} is {short[example]}",)


def _directories(paths: Sequence[str]) -> list[str] | None:
    """Return the part of each path, counted from its end, by which all differ."""
    parts = [path.split("/") for path in paths]
    for at in range(2, min(map(len, parts)) + 1):
        names = [part[-at] for part in parts]
        if len(set(names)) == len(names) and all(names):
            return names
    return None
