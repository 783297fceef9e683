"""The commands for whole studies, tracks and reads, against the real server's files and its htsget."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyBigWig
import pysam
import pytest

from tests.client.faulty import Site

COMMAND = str(Path(sys.executable).with_name("rnaget"))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(full: str, tmp_path: Path) -> Run:
    def run(*arguments: str, server: str = full) -> subprocess.CompletedProcess[str]:
        command = [COMMAND, "-s", server, "--no-cache", "--retries", "0", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def relay(full: str, site: Callable[..., Site]) -> Site:
    """A way to the server that ends after some bytes."""
    return site(upstream=full)


@pytest.fixture(scope="session")
def sources(shared_data: Path) -> dict[str, Path]:
    """The files of the study by the names that the server gives them."""
    reads = shared_data / "reads"
    return {
        "na12878.bam": reads / "na12878" / "htsnexus_test_NA12878.bam",
        "na12878.cram": reads / "na12878" / "htsnexus_test_NA12878.cram",
        "run_chrM.bam": reads / "hts_specs_chrM" / "level-9.bam",
        "Chr18_MCF7_ER_1.bw": shared_data / "tracks" / "mcf7_er" / "Chr18_MCF7_ER_1.bw",
    }


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_lists_of_tracks_and_reads(run: Run, shared_data: Path) -> None:
    assert run("tracks").stdout.split() == ["er", "s", "Chr18_MCF7_ER_1"]
    rows = [line.split() for line in run("reads").stdout.splitlines()]
    assert [row[:3] for row in rows] == [["na12878", "reads", "s"], ["run/chrM", "reads", "s"]]
    tracks, reads = (json.loads(run(name, "--json").stdout) for name in ("tracks", "reads"))
    assert [(one["id"], one["samples"]) for one in tracks] == [("er", ["Chr18_MCF7_ER_1"])]
    assert [(one["id"], one["formats"]) for one in reads] == [("na12878", ["BAM", "CRAM"]), ("run/chrM", ["BAM"])]
    folder = shared_data / "reads" / "na12878"
    sizes = [(folder / f"htsnexus_test_NA12878.{ending}").stat().st_size for ending in ("bam", "cram")]
    assert reads[0]["bytes"] == sum(sizes)


def test_a_whole_study(run: Run, sources: dict[str, Path], tmp_path: Path) -> None:
    found = run("download", "s", "out")
    assert found.returncode == 0, found.stderr
    out = tmp_path / "out"
    assert {name: md5(out / name) for name in sources} == {name: md5(path) for name, path in sources.items()}
    names = {*sources, "na12878.bam.bai", "na12878.cram.crai", "run_chrM.bam.bai"}
    assert {path.name for path in out.iterdir()} == {*names, "md5sums.txt"}
    subprocess.run(["md5sum", "--check", "--strict", "md5sums.txt"], cwd=out, capture_output=True, check=True)
    with pysam.AlignmentFile(str(out / "na12878.bam")) as file:  # with the index that came along
        assert file.count("11") > 0
    again = run("download", "s", "out", "--json")
    assert {row["state"] for row in json.loads(again.stdout)} == {"kept"}
    found = run("download", "nothing", "none")
    assert (found.returncode, found.stdout) == (1, "") and "there is no study 'nothing'" in found.stderr
    assert not (tmp_path / "none").exists()


def test_a_study_over_a_connection_that_ends(run: Run, relay: Site, sources: dict[str, Path], tmp_path: Path) -> None:
    relay.left = 1_500_000
    found = run("download", "s", "out", server=relay.address)
    assert found.returncode == 1 and "failed" in found.stderr
    kept = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*"))
    assert kept > 1_000_000
    relay.left, before = None, relay.sent
    assert run("download", "s", "out", server=relay.address).returncode == 0
    total = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*"))
    assert relay.sent - before < total - kept + 100_000
    assert {name: md5(tmp_path / "out" / name) for name in sources} == {
        name: md5(path) for name, path in sources.items()
    }


@pytest.mark.parametrize("is_part", [False, True], ids=["whole", "region"])
def test_reads_over_a_connection_that_ends(
    run: Run, relay: Site, sources: dict[str, Path], tmp_path: Path, is_part: bool
) -> None:
    """The next call goes on with the blocks of a ticket that have arrived, of all reads and of a region."""
    region = ("--region", "11") if is_part else ()
    assert run("get", "na12878", "-o", "expected.bam", *region).returncode == 0
    expected = (tmp_path / "expected.bam").read_bytes()
    relay.left = 500_000
    get = ("get", "na12878", "-o", "a.bam", "--kind", "reads", "--workers", "1", "--resume", *region)
    found = run(*get, server=relay.address)
    assert found.returncode == 1, found.stderr
    kept = (tmp_path / "a.bam.part").stat().st_size
    assert 200_000 < kept < 500_000 and expected.startswith((tmp_path / "a.bam.part").read_bytes())
    relay.left, before = None, relay.sent
    found = run(*get, server=relay.address)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "a.bam").read_bytes() == expected
    most = len(expected) - kept + (400_000 if is_part else 50_000)
    assert relay.sent - before < most
    if not is_part:
        assert md5(tmp_path / "a.bam") == md5(sources["na12878.bam"])
    assert sorted(os.listdir(tmp_path)) == ["a.bam", "expected.bam"]


def test_reads_and_tracks_by_id(run: Run, full: str, sources: dict[str, Path], tmp_path: Path) -> None:
    assert run("get", "na12878", "-o", "a.cram").returncode == 0
    assert md5(tmp_path / "a.cram") == md5(sources["na12878.cram"])
    assert run("get", f"{full}/reads/run/chrM", "-o", "b.bam").returncode == 0
    assert md5(tmp_path / "b.bam") == md5(sources["run_chrM.bam"])
    found = run("get", "na12878", "-o", "c.bam", "-r", "11:5,000,001-5,001,000", "--notags", "RG")
    assert (found.returncode, found.stderr.count("\n")) == (0, 1), found.stderr
    with pysam.AlignmentFile(str(sources["na12878.bam"])) as file:
        expected = {(read.query_name, read.flag) for read in file.fetch("11", 5_000_000, 5_001_000)}
    with pysam.AlignmentFile(str(tmp_path / "c.bam")) as file:
        reads = list(file.fetch(until_eof=True))
    assert expected and expected <= {(read.query_name, read.flag) for read in reads}
    assert not any(read.has_tag("RG") for read in reads)
    found = run("get", "nothing", "-o", "d.bam")
    assert (found.returncode, found.stdout) == (1, "")
    assert "Not Found" not in found.stderr and "nothing" in found.stderr  # what the server says of it
    found = run("get", "run/chrM", "-o", "d.cram")
    assert found.returncode == 1 and "CRAM" in found.stderr
    assert run("get", "er", "-o", "e.bw", "-r", "chr18:76,800,001-76,900,000").returncode == 0
    with pyBigWig.open(str(sources["Chr18_MCF7_ER_1.bw"])) as stored, pyBigWig.open(str(tmp_path / "e.bw")) as part:
        place = ("chr18", 76_800_300, 76_800_400)
        assert part.values(*place) == pytest.approx(stored.values(*place), rel=1e-5, nan_ok=True)
