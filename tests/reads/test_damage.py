"""Damaged files and indexes, and those that do not belong together, are refused in words and never make wrong bytes."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct
from pathlib import Path

import pytest

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, compressed
from rnaget_server.reads.files import Region, check_index, find_pieces, read_header, read_index
from rnaget_server.storage.local import LocalFile
from tests.reads.files import Opened, make_bam, overlaps, run, sam_interval, vcf_text

REGIONS = [Region("chr1", 900_000, 930_000), Region("chr2", 100, 300_000), Region("*")]


@pytest.fixture(scope="module")
def bam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bam(tmp_path_factory.mktemp("damage") / "reads.bam", 5, 3_000)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BAM of the same references, with other reads."""
    return make_bam(tmp_path_factory.mktemp("damage") / "other.bam", 6, 3_000)


def written(path: Path, data: bytes) -> LocalFile:
    path.write_bytes(data)
    return LocalFile.open(path)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "empty"),
        (b"nonsense and more of it", "none of BAM, CRAM, BCF and VCF"),
        (b"@HD\tVN:1.6\n", "samtools sort"),
        (b"##fileformat=VCFv4.2\n", "bgzip FILE"),
        (gzip.compress(b"##fileformat=VCFv4.2\n"), "gzip -dc FILE | bgzip"),
        (compressed(b"nonsense") + END_MARKER, "something else"),
        (compressed(b"# a table\n") + END_MARKER, "no VCF"),
        (compressed(b"##fileformat=VCFv4.2\n") + END_MARKER, "#CHROM"),
        (compressed(b"BCF\x01 and more") + END_MARKER, "version 1"),
        (compressed(b"BAM\x01\xff\xff\xff\xff") + END_MARKER, "-1"),
        (compressed(b"BAM\x01\xff\xff\xff\x7f") + END_MARKER, "2,147,483,647"),
        (compressed(b"BAM\x01\x10\0\0\0short") + END_MARKER, "cut off"),
        (compressed(b"BAM\x01" + bytes(8)), "block that ends it is missing"),
        (END_MARKER, "something else"),
        (b"CRAM", "cut off"),
        (b"CRAM\x04\x00" + bytes(40), "CRAM 4.0"),
        (b"CRAM\x03\x00" + bytes(40), "container"),
        (b"CRAM\x03\x00" + bytes(20) + b"\xff" * 200, "container"),
    ],
)
def test_files_of_no_format_say_so(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile) as caught:
        read_header(written(tmp_path / "file", data))
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["bam", "cram", "vcf", "bcf"])
def test_files_that_are_cut_off_anywhere_are_refused(kind: str, bam: Path, tmp_path: Path) -> None:
    path = bam
    if kind == "cram":
        path = tmp_path / "reads.cram"
        run("samtools", "view", "-O", "cram,no_ref", "-o", path, bam)
    elif kind != "bam":
        text = tmp_path / "text.vcf"
        text.write_text(vcf_text(1, 200))
        path = tmp_path / f"variants.{kind}"
        path.write_bytes(run("bgzip", "-c", text) if kind == "vcf" else run("bcftools", "view", "-Ob", text))
    data = path.read_bytes()
    assert read_header(LocalFile.open(path)).samples
    draw = random.Random(kind)
    for size in [*(draw.randrange(len(data)) for _ in range(40)), len(data) - 1, len(data) - 28, 30]:
        with pytest.raises(DamagedFile):
            read_header(written(tmp_path / "cut", data[:size]))


def test_a_damaged_byte_of_the_header_is_refused_or_harmless(bam: Path, tmp_path: Path) -> None:
    data = bytearray(bam.read_bytes())
    header = read_header(LocalFile.open(bam))
    for place in range(header.body >> 16):
        changed = bytearray(data)
        changed[place] ^= 0xFF
        with contextlib.suppress(DamagedFile):
            assert read_header(written(tmp_path / "changed", bytes(changed))) == header


@pytest.mark.parametrize("suffix", [".bai", ".csi"])
def test_indexes_that_are_cut_off_are_refused(suffix: str, bam: Path, tmp_path: Path) -> None:
    index = bam.with_name(bam.name + suffix)
    if suffix == ".csi":
        run("samtools", "index", "-c", "-o", index, bam)
    data = index.read_bytes()
    file = LocalFile.open(bam)
    header = read_header(file)
    check_index(file, LocalFile.open(index), header)
    for size in range(0, len(data) - 28, 7):
        try:
            check_index(file, written(tmp_path / "index", data[:size]), header)
        except DamagedFile:
            continue
        raise AssertionError(size)


def test_the_index_of_another_file_is_refused(bam: Path, other: Path, tmp_path: Path) -> None:
    for path, foreign in ((bam, other), (other, bam)):
        file = LocalFile.open(path)
        header = read_header(file)
        with pytest.raises(DamagedFile, match="index is not that of the file"):
            check_index(file, LocalFile.open(foreign.with_name(foreign.name + ".bai")), header)
    text = bam.with_suffix(".sam").read_text().splitlines(True)
    head = [line for line in text if line.startswith("@")]
    more = tmp_path / "more.sam"
    more.write_text("".join([*head, *(line for line in text[len(head) :] if "chr2" in line)]))
    run("samtools", "view", "-b", "-o", tmp_path / "more.bam", more)
    file = LocalFile.open(tmp_path / "more.bam")
    with pytest.raises(DamagedFile):
        check_index(file, LocalFile.open(bam.with_name(bam.name + ".bai")), read_header(file))


def test_an_index_older_than_its_file_is_refused(bam: Path, tmp_path: Path) -> None:
    """Those that end before or begin behind the records of the file."""
    text = bam.with_suffix(".sam").read_text().splitlines(True)
    head = [line for line in text if line.startswith("@")]
    body = [line for line in text[len(head) :] if "\t*\t0\t0\t*" not in line or not line.startswith("u")]
    (tmp_path / "short.sam").write_text("".join([*head, *body[:-900]]))
    run("samtools", "view", "-b", "-o", tmp_path / "short.bam", tmp_path / "short.sam")
    run("samtools", "index", tmp_path / "short.bam")
    blocks = (tmp_path / "short.bam").read_bytes()[: -len(END_MARKER)]
    (tmp_path / "rest.sam").write_text("".join([*head, *body[-900:]]))
    run("samtools", "view", "-b", "-o", tmp_path / "rest.bam", tmp_path / "rest.sam")
    rest = LocalFile.open(tmp_path / "rest.bam")
    after = read_header(rest).body >> 16
    file = written(tmp_path / "long.bam", blocks + rest.read(after, rest.size - after))
    assert run("samtools", "view", "-c", tmp_path / "long.bam").strip() == str(len(body)).encode()
    with pytest.raises(DamagedFile, match="lacks the last records"):
        check_index(file, LocalFile.open(tmp_path / "short.bam.bai"), read_header(file))


@pytest.mark.parametrize("suffix", [".bai", ".csi", ".crai"])
def test_a_changed_index_makes_no_wrong_records(suffix: str, bam: Path, tmp_path: Path) -> None:
    """Whatever is changed: either the index is refused, or every record that is sent is one of the file, sent once."""
    path = bam
    if suffix == ".crai":
        path = tmp_path / "reads.cram"
        run("samtools", "view", "-O", "cram,no_ref,seqs_per_slice=500", "-o", path, bam)
        run("samtools", "index", path)
    index = path.with_name(path.name + suffix)
    if suffix == ".csi":
        run("samtools", "index", "-c", "-o", index, path)
    file = LocalFile.open(path)
    header = read_header(file)
    data = index.read_bytes() if suffix == ".bai" else gzip.decompress(index.read_bytes())
    every = run("samtools", "view", path).splitlines()
    draw = random.Random(suffix)
    refused = 0
    for _ in range(120):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        packed = bytes(changed) if suffix == ".bai" else compressed(bytes(changed)) + END_MARKER
        source = written(tmp_path / "index", packed)
        try:
            check_index(file, source, header)
        except DamagedFile:
            refused += 1
        try:
            pieces = find_pieces(file, source, header, [draw.choice(REGIONS)])
        except DamagedFile:
            continue
        parts = [file.read(piece.offset, piece.length) if piece.data is None else piece.data for piece in pieces]
        (tmp_path / "out").write_bytes(b"".join(parts))
        lines = run("samtools", "view", tmp_path / "out").splitlines()
        assert len(lines) == len(set(lines)) and set(lines) <= set(every)
    assert refused > 20


def test_a_damaged_block_among_records_is_refused(bam: Path, tmp_path: Path) -> None:
    opened = Opened(bam, bam.with_name(bam.name + ".bai"))
    data = bytearray(bam.read_bytes())
    draw = random.Random(3)
    found = 0
    for _ in range(60):
        changed = bytearray(data)
        changed[draw.randrange(opened.header.body >> 16, len(data) - 28)] ^= 0x55
        file = written(tmp_path / "changed.bam", bytes(changed))
        region = Region("chr1", 900_000, 905_000)
        try:
            pieces = find_pieces(file, opened.index, opened.header, [region])
        except DamagedFile:
            found += 1
            continue
        parts = [file.read(piece.offset, piece.length) if piece.data is None else piece.data for piece in pieces]
        (tmp_path / "out.bam").write_bytes(b"".join(parts))
        lines = run("samtools", "view", tmp_path / "out.bam").splitlines()
        kept = [line for line in lines if overlaps(sam_interval(line), region)]
        assert kept == run("samtools", "view", bam, "chr1:900001-905000").splitlines()
    assert found


def test_an_index_of_another_kind_says_which_to_make(bam: Path, tmp_path: Path) -> None:
    text = tmp_path / "v.vcf"
    text.write_text(vcf_text(1, 20))
    (tmp_path / "v.vcf.gz").write_bytes(run("bgzip", "-c", text))
    run("tabix", "-p", "vcf", tmp_path / "v.vcf.gz")
    header = read_header(LocalFile.open(bam))
    with pytest.raises(DamagedFile, match="TBI is no index of a BAM file: make one with samtools index"):
        read_index(LocalFile.open(tmp_path / "v.vcf.gz.tbi"), header)
    variants = read_header(LocalFile.open(tmp_path / "v.vcf.gz"))
    with pytest.raises(DamagedFile, match="BAI is no index of a VCF file: make one with tabix -p vcf"):
        read_index(LocalFile.open(bam.with_name(bam.name + ".bai")), variants)


def test_counts_beyond_the_bytes_make_no_large_lists(bam: Path, tmp_path: Path) -> None:
    header = read_header(LocalFile.open(bam))
    for data in (
        struct.pack("<4si", b"BAI\x01", 2_000_000_000),
        struct.pack("<4sii", b"BAI\x01", 1, 2_000_000_000),
        struct.pack("<4siiIi", b"BAI\x01", 1, 1, 4681, 2_000_000_000),
        struct.pack("<4siii", b"BAI\x01", 1, 0, 2_000_000_000),
        struct.pack("<4siiii", b"CSI\x01", 60, 60, 0, 0),
        struct.pack("<4siiii", b"CSI\x01", 14, 5, -4, 0),
    ):
        with pytest.raises(DamagedFile):
            read_index(written(tmp_path / "index", data), header)
