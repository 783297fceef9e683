"""Clients that everybody uses read what they ask for, unmodified, from a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.apis.htsget.conftest import READS_ID, imported
from tests.reads.files import Region, overlaps, run, sam_interval, text_of, vcf_interval

HTSGET = str(Path(sys.executable).with_name("htsget"))
REGION = Region("chr1", 400_000, 900_000)
QUERY = f"referenceName={REGION.reference}&start={REGION.start}&end={REGION.end}"


@pytest.fixture(scope="module")
def server(catalog: Path, serve: Callable[..., str]) -> str:
    return serve(catalog, workers=2, RNAGET_MAX_BLOCK_BYTES="100000")


@pytest.mark.parametrize(
    "format, kind", [("BAM", "reads"), ("CRAM", "reads"), ("VCF", "variants"), ("BCF", "variants")]
)
def test_htsget(server: str, files: dict[str, Path], format: str, kind: str, tmp_path: Path) -> None:
    pytest.importorskip("htsget")
    out = tmp_path / "out"
    command = [HTSGET, f"{server}/{kind}/{READS_ID}", "-f", format, "-O", str(out)]
    subprocess.run(command, check=True)
    assert out.read_bytes() == files[format].read_bytes()
    subprocess.run([*command, "-r", REGION.reference, "-s", str(REGION.start), "-e", str(REGION.end)], check=True)
    if kind == "reads":
        run("samtools", "quickcheck", out)
        expected = run("samtools", "view", files[format], text_of(REGION)).splitlines()
        found = [line for line in run("samtools", "view", out).splitlines() if overlaps(sam_interval(line), REGION)]
    else:
        expected = run("bcftools", "view", "-H", files[format], text_of(REGION)).splitlines()
        records = run("bcftools", "view", "-H", out).splitlines()
        found = [line for line in records if overlaps(vcf_interval(line), REGION)]
    assert found == expected and found


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_samtools(server: str, files: dict[str, Path], format: str) -> None:
    address = f"{server}/reads/{READS_ID}?format={format}"
    assert run("samtools", "view", address) == run("samtools", "view", files[format])
    found = run("samtools", "view", f"{address}&{QUERY}").splitlines()
    expected = run("samtools", "view", files[format], text_of(REGION)).splitlines()
    assert [line for line in found if overlaps(sam_interval(line), REGION)] == expected


def test_bcftools(server: str, files: dict[str, Path]) -> None:
    for format in ("VCF", "BCF"):
        address = f"{server}/variants/{READS_ID}?format={format}"
        assert run("bcftools", "view", "-H", address) == run("bcftools", "view", "-H", files[format])
        found = run("bcftools", "view", "-H", f"{address}&{QUERY}").splitlines()
        expected = run("bcftools", "view", "-H", files[format], text_of(REGION)).splitlines()
        assert [line for line in found if overlaps(vcf_interval(line), REGION)] == expected


def test_pysam(server: str, files: dict[str, Path]) -> None:
    pysam = pytest.importorskip("pysam")
    with pysam.AlignmentFile(f"{server}/reads/{READS_ID}?{QUERY}", check_sq=False) as reads:
        found = [read.query_name for read in reads]
    with pysam.AlignmentFile(files["BAM"]) as reads:
        expected = [read.query_name for read in reads.fetch("chr1", 400_000, 900_000) if not read.is_unmapped]
    assert [name for name in found if name in set(expected)] == expected
    with pysam.VariantFile(f"{server}/variants/{READS_ID}?{QUERY}") as variants:
        assert list(variants.header.samples) == ["liver", "kidney"]
        assert sum(1 for _ in variants) > 0


def test_public_reads(shared_data: Path, serve: Callable[..., str], tmp_path: Path) -> None:
    pytest.importorskip("htsget")
    sources = {
        "na12878": shared_data / "reads/na12878/htsnexus_test_NA12878.bam",
        "chrM": shared_data / "reads/hts_specs_chrM/level-9.bam",
    }
    for id, source in sources.items():
        imported(source, tmp_path / "data", "--id", id)
    server = serve(tmp_path / "data")
    for id, source in sources.items():
        out = tmp_path / id
        subprocess.run([HTSGET, f"{server}/reads/{id}", "-O", str(out)], check=True)
        assert out.read_bytes() == source.read_bytes()


def test_a_file_that_is_cut_off_breaks_the_connection(
    files: dict[str, Path], serve: Callable[..., str], tmp_path: Path
) -> None:
    """More is sent than sockets hold, so that the server has not read all of it when the file becomes shorter."""
    data, study = files["BAM"].read_bytes(), tmp_path / "p/s"
    study.mkdir(parents=True)
    large = study / "large.bam"
    with large.open("wb") as file:
        file.write(data[:-28])
        while file.tell() < 80 << 20:
            # A block of records as it is stored; whole ones, which begin so.
            file.write(data[data.index(b"\x1f\x8b\x08\x04", 1) : -28])
        file.write(data[-28:])
    (tmp_path / "catalog.yaml").write_text("id: x\nname: X\n")
    (tmp_path / "p/project.yaml").write_text("id: p\n")
    (study / "study.yaml").write_text("id: s\nreads:\n  - {id: r, files: [{format: BAM, file: large.bam}]}\n")
    server = serve(tmp_path)
    url = requests.get(f"{server}/reads/r").json()["htsget"]["urls"][-1]["url"]
    with requests.get(url, stream=True) as reply:
        assert reply.status_code == 200
        chunks = reply.iter_content(1 << 16)
        next(chunks)
        os.truncate(large, 1 << 20)
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
            for _ in chunks:
                pass
