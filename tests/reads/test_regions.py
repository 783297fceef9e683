"""The records of regions are those that samtools and bcftools find, each once, in files that they find whole."""

from __future__ import annotations

import gzip
import random
import statistics
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.errors import DamagedFile, UnknownId
from rnaget_server.reads.files import Region, find_pieces, read_header, reference_names
from rnaget_server.storage.local import LocalFile
from tests.reads.files import (
    LENGTHS,
    Opened,
    cut_anew,
    make_bam,
    overlaps,
    run,
    sam_interval,
    sam_text,
    text_of,
    vcf_interval,
    vcf_text,
)

NA12878 = {"11": (4_995_000, 5_072_000), "20": (5_995_000, 6_080_000)}
MADE = {name: (0, length + 2_000) for name, length in LENGTHS.items()}
KINDS = [
    "bam",
    "bam.csi",
    "bam.fine.csi",
    "bam.cut",
    "cram",
    "cram.21",
    "cram.many",
    "cram.multi",
    "vcf.gz",
    "vcf.csi",
    "vcf.cut",
    "bcf",
    "bcf.cut",
]


CRAM_OPTIONS = {
    "cram.21": ",version=2.1",
    "cram.many": ",seqs_per_slice=150,slices_per_container=3",
    "cram.multi": ",seqs_per_slice=150,slices_per_container=2,multi_seq_per_slice=1",
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Opened]:
    """Files of each kind, made when they are asked for."""
    directory = tmp_path_factory.mktemp("reads")
    kept: dict[str, Opened] = {}

    def open_made(kind: str) -> Opened:
        if kind not in kept:
            kept[kind] = make(directory, kind)
        return kept[kind]

    return open_made


def make(directory: Path, kind: str) -> Opened:
    path = directory / kind.replace(".", "_")
    if kind.startswith(("bam", "cram")):
        plain = directory / "plain.bam"
        if not plain.exists():
            make_bam(plain, 1)
        if kind == "bam":
            return Opened(plain, directory / "plain.bam.bai")
        if kind == "bam.cut":
            cut_anew(plain, path)
        elif kind.startswith("bam"):
            path.write_bytes(plain.read_bytes())
        else:
            options = CRAM_OPTIONS.get(kind, "")
            run("samtools", "view", "-O", f"cram,no_ref{options}", "-o", path, plain)
        run("samtools", "index", *{"bam.csi": ["-c"], "bam.fine.csi": ["-c", "-m", "9"]}.get(kind, []), path)
        return Opened(path, next(directory.glob(f"{path.name}.[bc]*i")))
    text = directory / "plain.vcf"
    text.write_text(vcf_text(2))
    if kind.startswith("bcf"):
        run("bcftools", "view", "-Ob", "-o", directory / "plain.bcf", text)
    else:
        path.write_bytes(run("bgzip", "-c", text))
    if kind == "bcf":
        path.write_bytes((directory / "plain.bcf").read_bytes())
    elif kind.endswith("cut"):
        cut_anew(directory / "plain.bcf" if kind == "bcf.cut" else path, path)
    if kind == "vcf.gz":
        run("tabix", "-p", "vcf", path)
        return Opened(path, path.with_name(f"{path.name}.tbi"))
    run("bcftools", "index", "-f", path)
    return Opened(path, path.with_name(f"{path.name}.csi"))


def lines_of(opened: Opened, data: bytes) -> list[bytes]:
    """Return the records of a file as text, after samtools found it whole."""
    if opened.header.format == "VCF":
        return [line for line in gzip.decompress(data).split(b"\n") if line and line[:1] != b"#"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        if opened.header.format == "BCF":
            return run("bcftools", "view", "-H", file.name).splitlines()
        run("samtools", "quickcheck", file.name)
        return run("samtools", "view", file.name).splitlines()


@cache
def every_line(opened: Opened) -> list[bytes]:
    return lines_of(opened, opened.path.read_bytes())


def expected(opened: Opened, region: Region) -> list[bytes]:
    if opened.header.format in ("VCF", "BCF"):
        return run("bcftools", "view", "-H", "-r", text_of(region), opened.path).splitlines()
    return run("samtools", "view", opened.path, text_of(region)).splitlines()


def wanted(opened: Opened, data: bytes, *regions: Region) -> list[bytes]:
    """Return what a client keeps of a file that it got."""
    interval = vcf_interval if opened.header.format in ("VCF", "BCF") else sam_interval
    return [line for line in lines_of(opened, data) if any(overlaps(interval(line), region) for region in regions)]


def draw_regions(bounds: dict[str, tuple[int, int]], number: int) -> list[Region]:
    draw = random.Random(number)
    regions = []
    for _ in range(number):
        name = draw.choice(list(bounds))
        start = draw.randrange(*bounds[name])
        regions.append(Region(name, start, start + draw.choice([1, 100, 1_000, 1_000, 20_000, 500_000])))
    return regions


@pytest.mark.parametrize("number", [8, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
def test_random_regions_are_those_of_other_programs(kind: str, number: int, made: Callable[[str], Opened]) -> None:
    opened = made(kind)
    for region in draw_regions(MADE, number):
        assert wanted(opened, opened.slice([region]), region) == expected(opened, region), region


@pytest.mark.parametrize("number", [6, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["bam", "cram"])
def test_random_regions_of_real_reads(kind: str, number: int, shared_data: Path) -> None:
    path = shared_data / "reads" / "na12878" / f"htsnexus_test_NA12878.{kind}"
    opened = Opened(path, path.with_name(path.name + {"bam": ".bai", "cram": ".crai"}[kind]))
    for region in draw_regions(NA12878, number):
        assert wanted(opened, opened.slice([region]), region) == expected(opened, region), region


def test_little_is_sent_beyond_what_was_asked_for(shared_data: Path, made: Callable[[str], Opened]) -> None:
    path = shared_data / "reads" / "na12878" / "htsnexus_test_NA12878.bam"
    opened = Opened(path, path.with_name(path.name + ".bai"))
    for each, bounds in ((opened, NA12878), (made("bam"), MADE)):
        ratios = []
        for region in draw_regions(bounds, 200)[:60]:
            region = Region(region.reference, region.start, (region.start or 0) + 1_000)
            exact = len(run("samtools", "view", "-b", each.path, text_of(region)))
            ratios.append(len(each.slice([region])) / exact)
        assert statistics.median(ratios) < 1.1
        assert max(ratios) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_whole_references_and_ends(kind: str, made: Callable[[str], Opened]) -> None:
    opened = made(kind)
    for region in (
        Region("chr1"),
        Region("chr2"),
        Region("chr2", 5_000),
        Region("chr1", None, 9_000),
        Region("chrEmpty"),
    ):
        assert wanted(opened, opened.slice([region]), region) == expected(opened, region), region
    for region in (Region("chr2", 90_000_000), Region("chr2", 900_000_000, 2_000_000_000), Region("chr2", 7, 7)):
        assert lines_of(opened, opened.slice([region])) == []
    assert lines_of(opened, opened.slice([])) == []
    assert opened.slice(None) == opened.path.read_bytes()


@pytest.mark.parametrize("kind", ["bam", "bam.csi", "bam.cut", "cram", "cram.many", "cram.multi"])
def test_reads_without_a_place(kind: str, made: Callable[[str], Opened]) -> None:
    opened = made(kind)
    lines = lines_of(opened, opened.slice([Region("*")]))
    unplaced = run("samtools", "view", opened.path, "*").splitlines()
    assert len(unplaced) == 700
    assert [line for line in lines if sam_interval(line)[0] == "*"] == unplaced
    assert "bam" not in kind or lines == unplaced


@pytest.mark.parametrize("kind", ["bam", "bam.cut", "cram.many", "vcf.gz", "bcf"])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_union_of_regions_has_each_record_once(kind: str, made: Callable[[str], Opened], data: st.DataObject) -> None:
    opened = made(kind)
    starts = st.integers(0, 500_000)
    interval = st.tuples(starts, st.one_of(st.none(), st.integers(0, 60_000)))
    regions = [
        Region(name, start, None if length is None else start + length)
        for name, (start, length) in data.draw(
            st.lists(st.tuples(st.sampled_from(list(LENGTHS)), interval), max_size=6)
        )
    ]
    interval_of = vcf_interval if kind in ("vcf.gz", "bcf") else sam_interval
    every = [(line, interval_of(line)) for line in every_line(opened)]
    # Nothing overlaps what has no width.
    wide = [region for region in regions if region.end != region.start]
    expected_lines = [line for line, interval in every if any(overlaps(interval, region) for region in wide)]
    assert wanted(opened, opened.slice(regions), *wide) == expected_lines


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_alone_is_a_whole_file(kind: str, made: Callable[[str], Opened]) -> None:
    opened = made(kind)
    pieces = find_pieces(opened.file, None, opened.header, None, "header")
    data = opened.bytes_of(pieces)
    assert {piece.kind for piece in pieces} == {"header"}
    assert lines_of(opened, data) == []
    again = opened.path.with_name("header")
    again.write_bytes(data)
    header = read_header(LocalFile.open(again))
    assert (header.references, header.samples) == (opened.header.references, opened.header.samples)
    assert header.samples == ("liver", "kidney")
    assert {reference.name: reference.length for reference in header.references} == LENGTHS
    if header.format in ("BAM", "CRAM"):
        assert [reference.md5 for reference in header.references] == [f"{number:032x}" for number in range(3)]


def test_a_header_beside_records_is_told_apart(made: Callable[[str], Opened]) -> None:
    for kind in ("bam.cut", "vcf.cut", "bcf.cut"):
        opened = made(kind)
        assert opened.header.tail
        assert [piece.kind for piece in find_pieces(opened.file, None, opened.header, None)] == ["body"]
    assert [piece.kind for piece in find_pieces(made("bam").file, None, made("bam").header, None)] == ["header", "body"]


@pytest.mark.parametrize("kind", ["bam", "cram", "vcf.gz", "bcf"])
def test_unknown_references(kind: str, made: Callable[[str], Opened]) -> None:
    opened = made(kind)
    with pytest.raises(UnknownId, match="'chrNone'"):
        opened.slice([Region("chrNone", 1, 2)])
    with pytest.raises(DamagedFile, match="index"):
        find_pieces(opened.file, None, opened.header, [Region("chr1")])


def test_references_that_only_the_index_of_vcf_names(tmp_path: Path) -> None:
    path = tmp_path / "bare.vcf.gz"
    text = tmp_path / "bare.vcf"
    text.write_text("".join(line for line in vcf_text(4, 50).splitlines(True) if "##contig" not in line))
    path.write_bytes(run("bgzip", "-c", text))
    run("tabix", "-p", "vcf", path)
    opened = Opened(path, tmp_path / "bare.vcf.gz.tbi")
    assert opened.header.references == ()
    assert reference_names(opened.header, opened.index) == ("chr1", "chr2")
    assert len(lines_of(opened, opened.slice([Region("chr2")]))) == 50


def test_reads_and_windows_beyond_what_is_decoded_at_once(
    made: Callable[[str], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_MOST_IN_CHUNK", "MOST_DECODED"):
        monkeypatch.setattr(f"rnaget_server.reads.trim.{limit}", 1)
        for kind in ("bam", "bam.cut", "vcf.gz", "bcf"):
            opened = made(kind)
            for region in draw_regions(MADE, 8):
                assert wanted(opened, opened.slice([region]), region) == expected(opened, region), region


@pytest.mark.parametrize("kind", ["bam", "cram", "vcf.gz", "bcf"])
def test_files_without_records(kind: str, tmp_path: Path) -> None:
    source, path = tmp_path / "text", tmp_path / f"empty.{kind}"
    if kind in ("bam", "cram"):
        source.write_text("".join(line for line in sam_text(1, 1).splitlines(True) if line.startswith("@")))
        run("samtools", "view", "-O", kind, "-o", path, source)
        run("samtools", "index", path)
    else:
        source.write_text("".join(line for line in vcf_text(1, 1).splitlines(True) if line.startswith("#")))
        run("bcftools", "view", "-Oz" if kind == "vcf.gz" else "-Ob", "-o", path, source)
        run("bcftools", "index", path)
    opened = Opened(path, next(tmp_path.glob("*i")))
    for regions in (
        [Region("chr1")],
        [Region("chr2", 5, 9)],
        [],
        *([[Region("*")]] if kind in ("bam", "cram") else []),
    ):
        assert lines_of(opened, opened.slice(regions)) == []
    assert opened.slice(None) == path.read_bytes()


@pytest.mark.parametrize("kind", ["bam", "cram", "vcf.gz", "bcf"])
def test_long_headers_and_long_references(kind: str, tmp_path: Path) -> None:
    """A header of many blocks, and positions beyond what BAI and TBI can hold."""
    names = [f"contig_{number}" for number in range(9_000)]
    far = 1_400_000_000
    places = [(names[7], 100), (names[7], far), (names[8_000], far - 5), (names[8_000], far + 4), (names[8_999], 1)]
    source, path = tmp_path / "text", tmp_path / f"long.{kind}"
    if kind in ("bam", "cram"):
        lines = ["@HD\tVN:1.6\tSO:coordinate", *(f"@SQ\tSN:{name}\tLN:1500000000" for name in names)]
        for number, (name, start) in enumerate(places):
            lines.append(f"r{number}\t0\t{name}\t{start}\t9\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII")
        source.write_text("\n".join(lines) + "\n")
        run("samtools", "view", "-O", "cram,no_ref" if kind == "cram" else kind, "-o", path, source)
        run("samtools", "index", *(["-c"] if kind == "bam" else []), path)
    else:
        lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length=1500000000>" for name in names)]
        lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        lines += [f"{name}\t{start}\tr{number}\tACGTACGTAC\tA\t.\t.\t." for number, (name, start) in enumerate(places)]
        source.write_text("\n".join(lines) + "\n")
        run("bcftools", "view", "-Oz" if kind == "vcf.gz" else "-Ob", "-o", path, source)
        run("bcftools", "index", path)
    opened = Opened(path, next(tmp_path.glob("*i")))
    assert len(opened.header.references) == 9_000
    for region, number in (
        (Region(names[7], far, far + 5), 1),
        (Region(names[7], 0, far - 1), 1),
        (Region(names[8_000], far), 2),
        (Region(names[8_000], far + 4), 1),
        (Region(names[8_999]), 1),
        (Region(names[3]), 0),
    ):
        found = wanted(opened, opened.slice([region]), region)
        assert len(found) == number and found == expected(opened, region), region
