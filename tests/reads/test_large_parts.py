"""Records that fill hundreds of blocks, and indexes that would fill the memory."""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, Blocks, compressed
from rnaget_server.reads.bins import Chunk
from rnaget_server.reads.crai import MOST_SLICES, parse_crai
from rnaget_server.reads.cram import end_marker, read_cram_header
from rnaget_server.reads.index import MOST_BYTES, parse_bin_index
from rnaget_server.reads.pieces import Header
from rnaget_server.reads.records import BamLayout, BcfLayout, Layout, Scanner, VcfLayout
from rnaget_server.storage.local import LocalFile

LONG = 4 << 20


def vcf(reference: int, start: int, more: int) -> bytes:
    return f"c{reference}\t{start + 1}\t.\t".encode() + b"A" * more + b"\tT\t.\t.\t.\n"


def bam(reference: int, start: int, more: int) -> bytes:
    fixed = struct.pack("<iiBBHHHiiii", reference, start, 2, 9, 0, 0, 4, more, -1, -1, 0)
    body = fixed + b"r\0" + bytes((more + 1) // 2) + bytes(more)
    return struct.pack("<i", len(body)) + body


def bcf(reference: int, start: int, more: int) -> bytes:
    shared = struct.pack("<iiifII", reference, start, 1, 0.0, 0, 0) + bytes(more)
    return struct.pack("<II", len(shared), 3) + shared + b"end"


Record = Callable[[int, int, int], bytes]
KINDS = [(vcf, VcfLayout({"c0": 0, "c1": 1})), (bam, BamLayout()), (bcf, BcfLayout())]


@pytest.mark.parametrize("record, layout", KINDS)
@pytest.mark.parametrize("before", [0, 1, 3, 5, 7])
def test_a_record_of_many_blocks_is_put_together_once(
    record: Record, layout: Layout, before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first bytes of the long record end a block, `before` of them."""
    wanted = [(0, 5, 10), (0, 7, LONG), (1, 9, 20), (1, 11, 0)]
    records = [record(*each) for each in wanted]
    text = b"".join(records)
    cut = len(records[0]) + before
    path = tmp_path / "records"
    path.write_bytes(compressed(text[:cut]) + compressed(text[cut:]) + END_MARKER)
    looked_at = 0
    split = layout.split

    def counted(data: bytes) -> tuple[list[int], int]:
        nonlocal looked_at
        looked_at += len(data)
        return split(data)

    monkeypatch.setattr(layout, "split", counted)
    file = LocalFile.open(path)
    batches = list(Scanner(Blocks(file), layout).scan(Chunk(0, file.size - len(END_MARKER) << 16), LONG * 4))
    found = [
        (int(number), int(start), batch.data[place : place + 40])
        for batch in batches
        for number, start, place in zip(batch.reference, batch.start, batch.places.tolist(), strict=True)
    ]
    assert [(number, start) for number, start, _ in found] == [(number, start) for number, start, _ in wanted]
    assert all(each.startswith(start[: len(each)]) for each, (_, _, start) in zip(records, found, strict=True))
    assert looked_at < 2 * len(text)


def test_a_record_that_does_not_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(compressed(bam(0, 5, LONG)[:-9]) + END_MARKER)
    file = LocalFile.open(path)
    with pytest.raises(DamagedFile, match="cut off"):
        list(Scanner(Blocks(file), BamLayout()).scan(Chunk(0, file.size - len(END_MARKER) << 16), LONG * 4))


def test_an_index_that_expands_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csi"
    path.write_bytes(
        compressed(b"CSI\1" + struct.pack("<3i", 14, 5, 0)) + compressed(bytes(1 << 20)) * (MOST_BYTES >> 20)
    )
    with pytest.raises(DamagedFile, match="larger than any index"):
        parse_bin_index(LocalFile.open(path))


@pytest.mark.parametrize("line", [b"0\t1\t2\t3\t4\t5\n", b"0\t1\t2\t3\t4\t" + b"5" * 70 + b"\n"])
def test_a_cram_index_of_more_slices_than_any_file_is_refused(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.crai"
    path.write_bytes(gzip.compress(line * (MOST_SLICES + 1), 1))
    with pytest.raises(DamagedFile, match="larger than any"):
        parse_crai(LocalFile.open(path))


def test_a_header_that_asks_for_a_huge_dictionary_is_refused(tmp_path: Path) -> None:
    text = struct.pack("<i", 4) + b"@HD\n"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(text, lzma.FORMAT_XZ, filters=filters))
    assert cram_header(tmp_path, bytes(data)).format == "CRAM"
    data[16] = 37  # 1.5 GiB
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    assert lzma.decompress(data) == text
    with pytest.raises(DamagedFile, match="Memory usage limit"):
        cram_header(tmp_path, bytes(data))


def cram_header(directory: Path, data: bytes) -> Header:
    """Read the header of a file of CRAM 2.1 whose first block has these bytes, compressed by LZMA."""
    assert len(data) < 128  # longer ones have numbers of several bytes
    block = bytes([3, 0, 0, len(data), 8]) + data
    head = struct.pack("<i", len(block)) + bytes([0, 0, 0, 0, 0, 0, 1, 0])
    path = directory / "a.cram"
    content = b"CRAM\2\1" + bytes(20) + head + block
    path.write_bytes(content)
    path.write_bytes(content + end_marker(LocalFile.open(path)))
    return read_cram_header(LocalFile.open(path))
