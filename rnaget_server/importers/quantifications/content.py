"""The kind of a file of any name, by its first line, or by the counters at its end."""

from __future__ import annotations

import re
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import HEAD_BYTES, is_hdf5, read_head
from rnaget_server.importers.quantifications.kallisto_h5 import is_kallisto_h5
from rnaget_server.importers.quantifications.kinds import HTSEQ, KALLISTO_H5, STAR, Kind, kind_of_header
from rnaget_server.importers.text.lines import TextLines

_STAR = re.compile(rb"N_unmapped(?:\t\d+){3}\r?")
_HTSEQ = re.compile(rb"[^\t]+(?:\t[^\t]*)?\t\d+\r?")
# With names of genes, as by --additional-attr, the counters have none; a number there is that of another sample.
_HTSEQ_END = re.compile(rb"(?:__alignment_not_unique|alignment_not_unique)\t{1,2}\d+\r?")


def kind_of_content(path: Path) -> Kind | None:
    """Return the kind of results a file holds; None if it holds none, or cannot be read."""
    try:
        head = read_head(path)
        if is_hdf5(head):
            return KALLISTO_H5 if is_kallisto_h5(path) else None
        lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if len(head) < HEAD_BYTES or len(lines) > 1:
            return _kind_of_lines(path, lines)
    except (ImportFailure, OSError, UnicodeDecodeError):
        pass  # the import says what is wrong with it, if it is meant
    return None


def _kind_of_lines(path: Path, lines: list[bytes]) -> Kind | None:
    if _STAR.fullmatch(lines[0]):
        return STAR
    if _HTSEQ.fullmatch(lines[0]):
        return HTSEQ if _ends_with_counters(path) else None
    commented = lines[0].startswith(b"# Program:featureCounts")
    header = next((line for line in lines if not (commented and line.startswith(b"#"))), b"")
    return kind_of_header(header.decode().rstrip("\r").split("\t"))


def _ends_with_counters(path: Path) -> bool:
    last = b""
    with TextLines(path) as lines:
        for _, block in lines.blocks():
            last = block[-1]
    return _HTSEQ_END.fullmatch(last) is not None
