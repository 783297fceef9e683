from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.ranges import ByteRange, OpenedRange, Place, cut
from tests.importers.test_bgzip import bgzip


def read(path: Path, within: ByteRange) -> bytes:
    with closing(OpenedRange(path, within)) as opened:
        return b"".join(iter(lambda: opened.read(1_000), b""))


def lines_of(draw: random.Random) -> bytes:
    ends = [b"\n", b"\r\n", b"\n\n"]
    lines = (
        b"%x" % draw.getrandbits(8 * draw.randrange(1, 60)) + draw.choice(ends) for _ in range(draw.randrange(300))
    )
    return b"".join(lines) + draw.choice([b"", b"the last"])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("packed", [False, True])
def test_ranges_are_the_file_together_and_end_with_lines(seed: int, packed: bool, tmp_path: Path) -> None:
    draw = random.Random(seed)
    text = lines_of(draw)
    path = tmp_path / "text"
    path.write_bytes(b"".join(bgzip(text, size=draw.randrange(1, 400))) if packed else text)
    ranges = cut(path, draw.randrange(1, 2_000))
    assert ranges is not None
    parts = [read(path, within) for within in ranges]
    assert b"".join(parts) == text
    assert all(part.endswith(b"\n") for part in parts[:-1])
    found = [line for within in ranges for _, block in TextLines(path, within).blocks() for line in block]
    assert found == [line for line in text.replace(b"\r", b"").split(b"\n") if line]


def test_a_range_is_about_as_large_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"123456789\n" * 1_000)
    assert [len(read(path, within)) for within in cut(path, 3_000) or ()] == [3_010, 3_010, 3_010, 970]


def test_a_line_is_the_same_where_a_range_begins_with_it(tmp_path: Path) -> None:
    """The mark of UTF-8 is left out at the beginning of the file, and only there."""
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfid\t1\n" * 3)
    ranges = cut(path, 5)
    assert ranges is not None and len(ranges) == 3
    found = [line for within in ranges for _, block in TextLines(path, within).blocks() for line in block]
    assert found == [line for _, block in TextLines(path).blocks() for line in block]


def test_members_are_read_together(tmp_path: Path) -> None:
    """So that a line in many of them is no longer than in a plain file."""
    path = tmp_path / "text"
    path.write_bytes(b"".join(bgzip(b"123456789\n" * 1_000, size=70)))
    with closing(OpenedRange(path, ByteRange(Place(0), None))) as opened:
        assert [len(opened.read(4_000)) for _ in range(4)] == [4_000, 4_000, 2_000, 0]


def test_what_cannot_be_cut_is_left_whole(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\x1f\x8b\x08\0" + bytes(100))
    assert cut(path, 10) is None
    path.write_bytes(b"1\r2\r" * 100)
    assert len(cut(path, 10) or ()) == 1


def test_damaged_bgzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    blocks = bgzip(b"1\t2\n" * 1_000, size=300)
    path.write_bytes(b"".join(blocks[:-1]))
    with pytest.raises(ImportFailure, match="the bgzip data are cut off"):
        cut(path, 100)
    path.write_bytes(b"".join([*blocks[:3], b"other", *blocks[3:]]))
    with pytest.raises(EOFError, match="followed by something else"):
        cut(path, 100)
    blocks[5] = blocks[5][:-6] + bytes([blocks[5][-6] ^ 1]) + blocks[5][-5:]
    path.write_bytes(b"".join(blocks))
    with pytest.raises(ERRORS):
        read(path, ByteRange(Place(0), None))
