"""The parts that files are made of: blocks, lines of CRAI, numbers of CRAM."""

from __future__ import annotations

import gzip
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, Blocks, compressed
from rnaget_server.reads.bins import Chunk, union
from rnaget_server.reads.crai import parse_crai
from rnaget_server.reads.files import Region
from rnaget_server.reads.trim import merged
from rnaget_server.storage.local import LocalFile

LINE = b"1\t20\t30\t400\t5\t60\n"


@pytest.mark.parametrize("size", [0, 1, 0xFF00, 0xFF01, 200_000])
@pytest.mark.parametrize("kind", ["random", "zeros"])
def test_blocks_hold_what_was_put_in(size: int, kind: str, tmp_path: Path) -> None:
    data = random.Random(size).randbytes(size) if kind == "random" else bytes(size)
    packed = compressed(data) + END_MARKER
    assert gzip.decompress(packed) == data
    path = tmp_path / "blocks"
    path.write_bytes(packed)
    blocks = Blocks(LocalFile.open(path))
    assert b"".join(block.data for _, block in blocks.each(0)) == data


@pytest.mark.parametrize("data", [b"", b"\n", LINE, LINE.strip(), LINE * 3, gzip.compress(LINE) + gzip.compress(LINE)])
def test_lines_of_crai(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(data)
    index = parse_crai(LocalFile.open(path))
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    assert len(index.reference) == len(plain.split()) // 6
    assert set(index.start) <= {19} and set(index.end) <= {49} and set(index.container) <= {400}


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"1\t2\t3\t4\t5\n",
            b"1 2 3 4 5 6\n",
            LINE + b"1\t2\n",
            b"1\t2\t3\t\t5\t6\n",
            b"1\t2\t3\t-4\t5\t6\n",
            b"text",
        ),
        *(b"1\t2\t3\t4\t5\t99999999999999999999\n", b"1\t9223372036854775807\t9\t4\t5\t6\n", b"-3\t2\t3\t4\t5\t6\n"),
        *(gzip.compress(LINE)[:-3], gzip.compress(LINE)[:15], gzip.compress(LINE) + b"more", b"1\t2\t3\t4\t5\t6.5\n"),
    ],
)
def test_lines_that_are_no_crai(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match="CRAI"):
        parse_crai(LocalFile.open(path))


INTERVAL = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(st.lists(INTERVAL))
def test_a_union_has_the_same_places_and_no_two_that_meet(intervals: list[tuple[int, int]]) -> None:
    joined = union(Chunk(*interval) for interval in intervals)
    assert {place for begin, end in joined for place in range(begin, end)} == {
        place for begin, end in intervals for place in range(begin, end)
    }
    assert all(first.end < second.begin for first, second in itertools.pairwise(joined))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60)))))
def test_merged_regions_have_the_same_places(drawn: list[tuple[str, int, int | None]]) -> None:
    def places(start: int, end: int | None) -> set[int]:
        return set(range(start, 99 if end is None else end))

    for name in "ab":
        expected = [places(start, end) for reference, start, end in drawn if reference == name]
        intervals = merged(Region(*region) for region in drawn).get(name, [])
        assert set().union(*expected) == set().union(*(places(start, end) for start, end in intervals))
        assert sum(len(places(start, end)) for start, end in intervals) == len(set().union(*expected))
