"""The check that an index in bins is that of a file."""

from __future__ import annotations

import numpy as np

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, Blocks
from rnaget_server.reads.bins import Chunk, ReferenceIndex, References
from rnaget_server.reads.index import BinIndex
from rnaget_server.reads.pieces import Header
from rnaget_server.reads.records import OTHER, Scanner, layout_of
from rnaget_server.storage.source import ByteSource

_WRONG = "the index is not that of the file"
_MOST_LOOKED_AT = 400


def check_bins(file: ByteSource, index: BinIndex, header: Header) -> None:
    """Refuse an index in bins that is not that of the file.

    All offsets are compared with the size of the file, and the records that some of the bins begin with are looked at.

    Raises
    ------
    DamagedFile
        If it is.
    """
    most = max(header.ids, default=-1) + 1
    if header.format != "VCF" and len(index.references) > most:
        raise DamagedFile(f"{_WRONG}: it has {len(index.references):,} references, and the file {most:,}")
    scanner = Scanner(Blocks(file), layout_of(header, index.names))
    end = file.size - len(END_MARKER) << 16
    _check_offsets(index.references, header.body, end)
    first = min(index.references.bounds[0], end)
    if scanner.blocks.normal(first) > scanner.blocks.normal(header.body) and index.last:
        raise DamagedFile(f"{_WRONG}: it lacks the first records")
    last = scanner.first(Chunk(index.last or header.body, end))
    if last is not None and (last.reference[0] != OTHER or header.format != "BAM"):
        raise DamagedFile(f"{_WRONG}, or older than the file: it lacks the last records")
    bins_before = index.references.bins_before
    for bin in np.unique(np.linspace(0, max(0, bins_before[-1] - 1), _MOST_LOOKED_AT).astype(np.int64)).tolist():
        if bin < bins_before[-1]:
            number = int(bins_before.searchsorted(bin, "right")) - 1
            _check_record(scanner, index.references[number], number, bin - int(bins_before[number]))


def _check_offsets(references: References, body: int, end: int) -> None:
    wrong = (references.windows > end).any()
    for chunks in references.chunks():
        begins, ends = chunks[:, 0], chunks[:, 1]
        wrong |= (begins >= ends).any() or (begins < body).any() or (ends > end).any()
    if wrong:
        raise DamagedFile(f"{_WRONG}: it points to places outside of the records")
    if not references.is_in_order:
        raise DamagedFile("the index is damaged: its windows are not in the order of the file")


def _check_record(scanner: Scanner, reference: ReferenceIndex, number: int, place: int) -> None:
    begin = int(reference.firsts[place])
    batch = scanner.first(Chunk(begin, int(reference.chunks[:, 1].max())))
    start, end = int(reference.begins[place]), int(reference.ends[place])
    if batch is None or batch.reference[0] != number or not start <= max(batch.start[0], 0) < end:
        raise DamagedFile(f"{_WRONG}: a record that it points to is elsewhere")
