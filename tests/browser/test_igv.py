"""The genome browser igv.js, in a real browser, draws the tracks of a real server."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pandas as pd
import pytest
import requests
from playwright.sync_api import Browser

from tests.browser.conftest import Colour, drawn, site_of

pytestmark = pytest.mark.long

COLOURS: dict[str, Colour] = {"bedgraph": (0, 0, 255), "bigwig": (200, 0, 200)}
RANGE = ("chr18", 76_940_000, 76_990_000)
WITHOUT_DATA = ("chr18", 1_000_000, 1_050_000)
SAMPLE = "ER1"
STUDY = """
id: mcf7
continuous:
  - id: er
    units: signal
    tracks:
      - {sample: ER1, file: Chr18_MCF7_ER_1.bw}
      - {sample: ER2, file: Chr18_MCF7_ER_2.bw}
"""


@pytest.fixture(scope="module")
def tracks(shared_data: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a set of tracks of a real server."""
    data = tmp_path_factory.mktemp("tracks")
    study = data / "p" / "s"
    shutil.copytree(shared_data / "tracks" / "mcf7_er", study)
    (data / "catalog.yaml").write_text("id: t\nname: Tracks\n", encoding="utf-8")
    (data / "p" / "project.yaml").write_text("id: p\n", encoding="utf-8")
    (study / "study.yaml").write_text(STUDY, encoding="utf-8")
    return f"{serve(data)}/rnaget/continuous/er"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page with the genome browser: another origin than the server's."""
    files = tmp_path_factory.mktemp("site")
    (files / "chrom.sizes").write_text("chr18\t78077248\n", encoding="utf-8")
    with site_of(files, "igv.html") as address:
        yield address


def page(site: str, tracks: str, shown: tuple[str, int, int]) -> str:
    chromosome, start, end = RANGE
    asked = {
        "data": tracks,
        "sample": SAMPLE,
        "range": f"{chromosome}:{start}-{end}",
        "locus": f"{shown[0]}:{shown[1] + 1}-{shown[2]}",
    }
    return f"{site}?{urlencode(asked)}"


def largest(tracks: str, columns: int) -> np.ndarray:
    """Return the largest value of the track in each of so many equal parts of the range."""
    chromosome, start, end = RANGE
    asked: dict[str, str | int] = {"format": "tsv", "sampleIDList": SAMPLE, "chr": chromosome, "start": start}
    reply = requests.get(f"{tracks}/bytes", {**asked, "end": end, "bins": columns, "summary": "max"}, timeout=30)
    assert reply.ok, reply.text
    table = pd.read_csv(io.StringIO(reply.text), sep="\t", comment="#", index_col=0)
    return table.loc[SAMPLE].fillna(0).to_numpy()


def test_igv_draws_the_signal_and_nothing_where_there_is_none(browser: Browser, site: str, tracks: str) -> None:
    signal, nothing = (drawn(browser, page(site, tracks, shown), COLOURS) for shown in (RANGE, WITHOUT_DATA))
    for shown in (signal, nothing):
        assert shown.state == "drawn"
        assert shown.visit.errors == []
        assert {urlsplit(address).netloc for address in shown.visit.foreign} == {urlsplit(tracks).netloc}
    left, width = signal.left, signal.width
    expected = largest(tracks, width)
    for format in COLOURS:
        bars = signal.columns[format]
        assert bars[:left].sum() == bars[left + width :].sum() == 0
        heights = bars[left : left + width]
        assert heights.max() > 100, "the highest bar fills the track"
        apart = np.abs(heights - expected / expected.max() * heights.max())
        assert np.mean(apart <= 3) > 0.9, f"{format}: the bars are as high as the values"
        assert nothing.columns[format].sum() == 0
