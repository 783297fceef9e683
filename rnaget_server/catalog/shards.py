"""The files of a matrix of one file or of several, out of the names and patterns in ``study.yaml``."""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path

from rnaget_server.catalog.models import ExpressionEntry


def data_files(entry: ExpressionEntry, directory: Path) -> tuple[Path, ...]:
    """Return the files of a matrix in the order of its samples, each once; at least one.

    A pattern stands for the files that it matches, by name; one that matches none stands for itself, as in a shell, so
    that a matrix whose files are gone answers like one whose file is gone.

    Parameters
    ----------
    entry
        The matrix.
    directory
        The directory of the study.
    """
    if entry.file is not None:
        return (directory / entry.file,)
    # As paths, in which a.h5 and ./a.h5 are the same.
    paths: dict[Path, None] = {}
    for name in entry.files:
        paths |= dict.fromkeys(directory / found for found in _matching(name, directory) or [name])
    return tuple(paths)


def _matching(name: str, directory: Path) -> list[str]:
    """Return the names of files that a pattern matches; none if it is no pattern."""
    if not is_pattern(name) or (directory / name).exists():
        return []
    return sorted(found for found in glob(name, root_dir=directory) if not os.path.isdir(directory / found))


def is_pattern(name: str) -> bool:
    """Return whether a name of a file is a pattern: has ``*``, ``?`` or ``[``."""
    return any(sign in name for sign in "*?[")
