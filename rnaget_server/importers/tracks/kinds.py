"""The kinds of signal tracks, recognised by content as far as possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Literal

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, SUFFIX_PATTERN, compression_of, unpacked
from rnaget_server.importers.detect import HDF5, HEAD_BYTES, is_hdf5, read_head, refuse_no_file, unreadable
from rnaget_server.importers.foreign import BIGBED, BIGWIG, NO_SIGNAL, foreign_binary
from rnaget_server.importers.foreign_text import refuse_foreign_text
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.tables import listed
from rnaget_server.stores.loom import LoomStore

TrackKind = Literal["bigwig", "bedgraph", "positions"]

_POSITION = "position"
_BEDGRAPH_NAME = re.compile(rf".*\.(bedgraph|bdg|bg){SUFFIX_PATTERN}", re.IGNORECASE | re.DOTALL)
_STEPS = (b"fixedStep", b"variableStep")
_LOOKED_AT = 100


def kinds_of(sources: Sequence[Path], position: str | None) -> tuple[TrackKind, ...]:
    """Return the kind of each source; nothing if there is one source, and that is an expression matrix.

    Parameters
    ----------
    sources
        The files, at least one.
    position
        The column attribute of a loom file that holds positions, if the provider names it.

    Raises
    ------
    ImportFailure
        If a file cannot be read, or the sources do not go together.
    """
    kinds = [_kind(path, position) for path in sources]
    if position is not None and kinds != ["positions"]:
        raise ImportFailure("--position names a column attribute of a loom file: import one such file by itself")
    if kinds == [None]:
        return ()
    tracks = tuple(kind for kind in kinds if kind is not None)
    if len(tracks) < len(kinds):
        others = [path for path, kind in zip(sources, kinds, strict=True) if kind is None]
        raise ImportFailure(
            "several sources make one set of signal tracks, and some are neither bigWig nor bedGraph "
            f"({listed([path.name for path in others])}): import each expression matrix by itself",
            others[0],
        )
    if "positions" in tracks and len(tracks) > 1:
        raise ImportFailure(
            "a loom file with positions as columns stands for a whole set: import it by itself",
            sources[tracks.index("positions")],
        )
    return tracks


def _kind(path: Path, position: str | None) -> TrackKind | None:
    try:
        refuse_no_file(path)
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise unreadable(path, error) from None
    if start.startswith(BIGWIG):
        return "bigwig"
    if start.startswith(BIGBED):
        raise ImportFailure(NO_SIGNAL, path)
    if compression_of(start):
        _refuse_packed(path)
    if path.suffix.lower() in (".bw", ".bigwig"):
        raise ImportFailure(_of_no_bigwig(path), path)
    head = read_head(path)
    if is_hdf5(head):
        return "positions" if head.startswith(HDF5) and _has_positions(path, position) else None
    if not _BEDGRAPH_NAME.fullmatch(path.name):
        refuse_foreign_text(path, head)
    return "bedgraph" if _is_bedgraph(path, head) else None


def _of_no_bigwig(path: Path) -> str:
    """Return what a file is that is called a bigWig file and is none, unless another refusal says so."""
    start = "and no bigWig file, despite its name"
    with path.open("rb") as file:
        first = file.read(HEAD_BYTES)
    if (
        not compression_of(first)
        and not first.startswith(HDF5)
        and b"\0" in first
        and foreign_binary(first, path) is None
    ):
        return f"this is binary data {start}: it does not begin as one does; download the file again"
    head = read_head(path)
    if is_hdf5(head):
        return f"this is an HDF5 file {start}: give it the name that it should have, as FILE.h5ad, FILE.h5 or FILE.loom"
    refuse_foreign_text(path, head)
    if _is_bedgraph(path, head):
        return "this is bedGraph: give it a name that ends in .bedGraph"
    line = next(filter(None, map(bytes.strip, head.removeprefix(b"\xef\xbb\xbf").splitlines())))
    return (
        f"this is text {start}, and begins with {shortened(line)}: download the file again; if it is a table, give it "
        "a name that ends in .tsv"
    )


def _refuse_packed(path: Path) -> None:
    """Refuse a compressed bigWig or bigBed file, which cannot be read in parts."""
    try:
        start = unpacked(path, 4)
    except ERRORS:
        return  # the import of text says what is wrong
    if start.startswith(BIGWIG):
        raise ImportFailure("this is a compressed bigWig file: unpack it, as by `gunzip FILE`, and import that", path)
    if start.startswith(BIGBED):
        raise ImportFailure(NO_SIGNAL, path)


def _has_positions(path: Path, position: str | None) -> bool:
    """Return whether the columns of a loom file are positions; what else is HDF5 is no set of tracks."""
    try:
        if not LoomStore.recognises(path):
            return False
        columns = LoomStore(path).samples
    except (OSError, KeyError, ValueError):
        return False  # the import of matrices says what is wrong
    if position is not None:
        if position not in columns.attributes:
            raise ImportFailure(
                f"--position: there is no column attribute {position!r}; there are {', '.join(columns.attributes)}",
                path,
            )
        return True
    return (
        _POSITION in columns.attributes
        and columns.size > 0
        and re.fullmatch(r".+:\d+", str(columns.column(_POSITION)[0])) is not None
    )


def _is_bedgraph(path: Path, head: bytes) -> bool:
    lines = re.split(rb"\r\n|\n|\r", head.removeprefix(b"\xef\xbb\xbf"))
    lines = lines[:-1] if len(head) >= HEAD_BYTES and len(lines) > 1 else lines
    split = [fields for line in lines if (fields := line.split()) and not fields[0].startswith(b"#")]
    # Before the data come lines for the browser, of which there may be any number.
    start = list(takewhile(lambda fields: fields[0] in (b"browser", b"track"), split))
    rows = split[len(start) : len(start) + _LOOKED_AT]
    if any(fields[0] in _STEPS and any(field.startswith(b"chrom=") for field in fields) for fields in split):
        raise ImportFailure("this is a wiggle file: convert it, as by `wigToBigWig`, and import that", path)
    if _BEDGRAPH_NAME.fullmatch(path.name) or any(fields[0] == b"track" for fields in start):
        return True
    # The ids of a matrix differ from row to row; the chromosome of a bedGraph file repeats.
    first = rows[0] if rows else []
    return (
        len(first) == 4
        and first[1].isdigit()
        and first[2].isdigit()
        and any(len(row) == len(next_row) == 4 and row[0] == next_row[0] for row, next_row in pairwise(rows))
    )
