"""The genome browser igv.js, in a real browser, reads alignments of a real server by htsget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.apis.htsget.conftest import imported
from tests.browser.conftest import Colour, drawn, site_of
from tests.reads.files import Region, run, text_of

pytestmark = pytest.mark.long

FILES = {"na12878": "na12878/htsnexus_test_NA12878.bam", "chrM": "hts_specs_chrM/level-9.bam"}
REGIONS = [
    ("na12878", Region("11", 5_000_200, 5_001_200)),
    ("na12878", Region("20", 6_010_000, 6_012_000)),
    ("na12878", Region("20", 40_000_000, 40_001_000)),
    ("chrM", Region("chrM", 0, 12)),
]
COLOURS: dict[str, Colour] = {"reads": (200, 0, 200)}


@pytest.fixture(scope="module")
def server(shared_data: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a real server, which sends most by URLs."""
    data = tmp_path_factory.mktemp("reads")
    for id, name in FILES.items():
        imported(shared_data / "reads" / name, data, "--id", id)
    return serve(data, RNAGET_MAX_INLINE_BYTES="1000")


@pytest.fixture(scope="module")
def site(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    files = tmp_path_factory.mktemp("site")
    for id, name in FILES.items():
        lines = run("samtools", "idxstats", shared_data / "reads" / name).decode().splitlines()
        sizes = [line.split("\t")[:2] for line in lines if not line.startswith("*")]
        (files / f"{id}.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in sizes), encoding="utf-8")
    with site_of(files, "reads.html") as address:
        yield address


def page(site: str, server: str, id: str, region: Region) -> str:
    asked = {"reads": f"{server}/reads/{id}", "sizes": f"{id}.sizes", "chr": region.reference}
    return f"{site}?{urlencode({**asked, 'start': region.start, 'end': region.end})}"


@pytest.mark.parametrize(("id", "region"), REGIONS)
def test_igv_reads_what_samtools_reads(
    browser: Browser, site: str, server: str, shared_data: Path, id: str, region: Region
) -> None:
    shown = drawn(browser, page(site, server, id, region), COLOURS)
    assert shown.state == "drawn"
    # The genome has names and sizes alone.
    assert [text for text in shown.visit.errors if not text.startswith("No sequence for")] == []
    assert {urlsplit(address).netloc for address in shown.visit.foreign} == {urlsplit(server).netloc}
    # Reads that have a place but are not aligned are never drawn.
    lines = run("samtools", "view", "-F", "4", shared_data / "reads" / FILES[id], text_of(region)).splitlines()
    fields = [line.decode().split("\t", 6) for line in lines]
    expected = [f"{name} {flag} {int(start) - 1} {cigar}" for name, flag, _, start, _, cigar, _ in fields]
    assert sorted(shown.found) == sorted(expected)
    assert bool(shown.columns["reads"].sum()) == bool(expected)
