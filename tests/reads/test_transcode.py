"""Reads without some fields and tags are what samtools gives with these columns blanked."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from rnaget_server.errors import DamagedFile, GroupSwitchedOff, InvalidQuery
from rnaget_server.reads.files import Piece, Region, find_pieces
from rnaget_server.reads.transcode import FIELDS, transcode
from tests.reads.files import Opened, make_bam, run

pytest.importorskip("pysam")
MISSING = dict(zip(FIELDS, ["*", "0", "*", "0", "255", "*", "*", "0", "0", "*", "*"], strict=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Opened]:
    directory = tmp_path_factory.mktemp("transcode")
    bam = make_bam(directory / "reads.bam", 8, 1_500)
    cram = directory / "reads.cram"
    run("samtools", "view", "-O", "cram,no_ref", "-o", cram, bam)
    run("samtools", "index", cram)
    return {
        "BAM": Opened(bam, directory / "reads.bam.bai"),
        "CRAM": Opened(cram, directory / "reads.cram.crai"),
    }


def columns(line: str) -> list[str]:
    return line.split("\t")


def view(path: Path, data: Iterable[bytes]) -> list[str]:
    path.write_bytes(b"".join(data))
    run("samtools", "quickcheck", path)
    return run("samtools", "view", path).decode().splitlines()


def blanked(line: str, fields: set[str], tags: set[str] | None, notags: set[str]) -> str:
    fixed = [
        value if name in fields else MISSING[name]
        for name, value in zip(FIELDS, columns(line)[: len(FIELDS)], strict=True)
    ]
    kept = [tag for tag in columns(line)[len(FIELDS) :] if (tags is None or tag[:2] in tags) and tag[:2] not in notags]
    return "\t".join([*fixed, *kept])


def test_bam_without_columns(files: dict[str, Opened], tmp_path: Path) -> None:
    opened = files["BAM"]
    pieces = find_pieces(opened.file, opened.index, opened.header, [Region("chr1", 0, 1_500_000), Region("*")])
    stored = view(tmp_path / "stored.bam", [opened.bytes_of(pieces)])
    assert len(stored) > 800
    draw = random.Random(1)
    for number in range(12):
        fields = set(draw.sample(FIELDS, draw.randrange(12)))
        if "QUAL" in fields:
            fields.add("SEQ")
        tags = draw.choice([None, set(), {"NM"}, {"RG", "XX"}])
        notags = draw.choice([set(), {"RG"} - (tags or set())])
        made = transcode(opened.file, pieces, opened.header, fields, tags, sorted(notags))
        expected = [blanked(line, fields, tags, notags) for line in stored]
        assert view(tmp_path / f"{number}.bam", made) == expected, (fields, tags, notags)


def test_cram_without_columns(files: dict[str, Opened], tmp_path: Path) -> None:
    """The same, but for what CRAM cannot hold: see `transcode`."""
    opened = files["CRAM"]
    pieces = find_pieces(opened.file, None, opened.header, None)
    stored = view(tmp_path / "stored.cram", [opened.bytes_of(pieces)])
    draw = random.Random(2)
    for number in range(24):
        fields = set(draw.sample(FIELDS, draw.randrange(12)))
        tags = draw.choice([None, set(), {"RG"}])
        made = view(tmp_path / f"{number}.cram", transcode(opened.file, pieces, opened.header, fields, tags, []))
        kept = fields | ({"SEQ"} if "QUAL" in fields else set())
        if kept & {"FLAG", "MAPQ", "CIGAR"}:
            kept |= {"POS", "CIGAR"} if "SEQ" in kept else {"POS"}
        assert len(made) == len(stored)
        for line, before in zip(made, stored, strict=True):
            got, expected = columns(line), columns(blanked(before, kept, tags, set()))
            if "FLAG" not in kept and got[1] == "4":
                assert expected[3] == "0" or (expected[5] == "*" and expected[9] != "*")
                got[1] = "0"
            if int(columns(line)[1]) & 4:  # CRAM has no mapping quality for these
                got[4] = expected[4]
            assert got == expected, fields


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_the_header_is_kept(format: str, files: dict[str, Opened], tmp_path: Path) -> None:
    opened = files[format]
    pieces = find_pieces(opened.file, opened.index, opened.header, [])
    path = tmp_path / "made"
    assert view(path, transcode(opened.file, pieces, opened.header, ["QNAME"], None, [])) == []
    text = run("samtools", "view", "-H", "--no-PG", path).decode()
    assert text == run("samtools", "view", "-H", "--no-PG", opened.path).decode()


@pytest.mark.parametrize(
    "fields, tags, notags, message",
    [
        (["QNAM"], None, [], "did you mean 'QNAME'"),
        (None, ["NMX"], [], "'NMX'"),
        (None, None, ["N,"], "'N,'"),
        (None, ["NM"], ["NM"], "in tags and in notags"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_sent(
    fields: list[str] | None, tags: list[str] | None, notags: list[str], message: str, files: dict[str, Opened]
) -> None:
    opened = files["BAM"]
    with pytest.raises(InvalidQuery, match=message):
        transcode(opened.file, [], opened.header, fields, tags, notags)


def test_without_pysam_it_says_how_to_get_it(files: dict[str, Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysam", None)
    opened = files["BAM"]
    with pytest.raises(GroupSwitchedOff, match=r"rnaget-server\[reads\]"):
        transcode(opened.file, [], opened.header, ["POS"], None, [])


class Failing:
    """A file whose reads fail from some place on."""

    def __init__(self, opened: Opened, place: int) -> None:
        self._file, self._place = opened.file, place
        self.size, self.version = opened.file.size, opened.file.version

    def read(self, offset: int, size: int) -> bytes:
        if offset + size > self._place:
            raise OSError("the disk is gone")
        return self._file.read(offset, size)

    read_kept = read

    def read_many(self, ranges: Iterable[tuple[int, int]], keep: bool = False) -> Iterator[bytes]:
        return (self.read(*part) for part in ranges)


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_a_failure_does_not_end_the_file_properly(format: str, files: dict[str, Opened]) -> None:
    opened = files[format]
    size = opened.file.size
    pieces = [Piece("body", start, min(10_000, size - start)) for start in range(0, size, 10_000)]
    sent = b""
    with pytest.raises(OSError, match="the disk is gone"):
        for data in transcode(Failing(opened, size // 2), pieces, opened.header, ["POS"], None, []):
            sent += data
    end = opened.file.read(size - 28, 28)
    assert not sent.endswith(end)
    damaged = bytearray(opened.file.read(0, size))
    damaged[size // 2 : size // 2 + 90] = bytes(90)
    sent = b""
    with pytest.raises(DamagedFile, match="cannot be decoded"):
        for data in transcode(opened.file, [Piece("body", 0, size, bytes(damaged))], opened.header, ["POS"], None, []):
            sent += data
    assert not sent.endswith(end)


def test_a_reader_that_leaves_ends_the_program(files: dict[str, Opened]) -> None:
    opened = files["BAM"]
    pieces = find_pieces(opened.file, None, opened.header, None)
    threads = threading.active_count()
    made = transcode(opened.file, pieces * 1, opened.header, None, None, ["NM"])
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= threads
