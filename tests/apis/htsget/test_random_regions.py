"""Random regions of public alignments, read by clients that everybody uses, are what samtools reads in the file."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.apis.htsget.conftest import imported
from tests.reads.files import Region, overlaps, run, sam_interval, text_of

MANY = 200
FEW = 6
FILES = {"na12878": "na12878/htsnexus_test_NA12878.bam", "chrM": "hts_specs_chrM/level-9.bam"}
PLACES = {
    "na12878": [("11", 4_999_000, 5_011_000), ("20", 5_999_000, 6_101_000), ("20", 0, 63_000_000)],
    "chrM": [("chrM", 0, 240)],
}


@dataclass(frozen=True)
class Served:
    """A real server of alignments, and the files that it has."""

    address: str
    files: dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def served(shared_data: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Served:
    directory, data = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("data")
    files = {}
    for id, name in FILES.items():
        bam = shared_data / "reads" / name
        cram = bam.with_suffix(".cram")
        if not cram.is_file():
            cram = directory / f"{id}.cram"
            run("samtools", "view", "-C", "--output-fmt-option", "no_ref=1", "-o", cram, bam)
            run("samtools", "index", cram)
        for format, file in (("BAM", bam), ("CRAM", cram)):
            imported(file, data, "--id", id)
            files[id, format] = file
    # Small enough that most results have several URLs, and some are within their tickets.
    return Served(serve(data, RNAGET_MAX_BLOCK_BYTES="100000", RNAGET_MAX_INLINE_BYTES="8000"), files)


def regions_of(id: str, number: int) -> Iterator[Region]:
    draw = random.Random(f"{id} {number}")
    for _ in range(number):
        name, low, high = draw.choice(PLACES[id])
        start = draw.randrange(low, high)
        yield Region(name, start, start + draw.choice([1, 10, 200, 1_000, 16_000]))


def query_of(format: str, region: Region) -> str:
    return f"format={format}&referenceName={region.reference}&start={region.start}&end={region.end}"


def by_samtools(address: str, format: str, region: Region, out: Path) -> list[bytes]:
    return run("samtools", "view", f"{address}?{query_of(format, region)}").splitlines()


def by_htsget(address: str, format: str, region: Region, out: Path) -> list[bytes]:
    htsget = pytest.importorskip("htsget")
    with out.open("wb") as file:
        htsget.get(
            address, file, data_format=format, reference_name=region.reference, start=region.start, end=region.end
        )
    run("samtools", "quickcheck", out)
    return run("samtools", "view", out).splitlines()


def by_pysam(address: str, format: str, region: Region, out: Path) -> list[bytes]:
    pysam = pytest.importorskip("pysam")
    with pysam.AlignmentFile(f"{address}?{query_of(format, region)}", check_sq=False) as reads:
        return [read.to_string().encode() for read in reads.fetch(until_eof=True)]


def compare(served: Served, client: Callable[..., list[bytes]], id: str, format: str, number: int, out: Path) -> None:
    records = 0
    for region in regions_of(id, number):
        expected = run("samtools", "view", served.files[id, format], text_of(region)).splitlines()
        lines = client(f"{served.address}/reads/{id}", format, region, out)
        assert [line for line in lines if overlaps(sam_interval(line), region)] == expected, text_of(region)
        records += len(expected)
    assert records > 0


CLIENTS = pytest.mark.parametrize("client", [by_samtools, by_htsget, by_pysam])
KINDS = pytest.mark.parametrize("id, format", [(id, format) for id in FILES for format in ("BAM", "CRAM")])


@CLIENTS
@KINDS
def test_some(served: Served, client: Callable[..., list[bytes]], id: str, format: str, tmp_path: Path) -> None:
    compare(served, client, id, format, FEW, tmp_path / "out")


@pytest.mark.long
@CLIENTS
@KINDS
def test_many(served: Served, client: Callable[..., list[bytes]], id: str, format: str, tmp_path: Path) -> None:
    compare(served, client, id, format, MANY, tmp_path / "out")
