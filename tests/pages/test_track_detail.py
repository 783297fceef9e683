"""Signal tracks on the page of a study: what it says of them, and queries that run as they stand."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pybigtools
import pytest
import requests
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings

ER = """
  - id: er
    name: ER binding
    units: signal
    license: MIT
    filters: {Target: {attribute: Target, description: what was precipitated}}
    tracks:
      - {sample: ER1, file: Chr18_MCF7_ER_1.bw, attributes: {Target: ER}}
      - {sample: ER2, file: Chr18_MCF7_ER_2.bw, attributes: {Target: ER}}
      - {sample: input, file: Chr18_MCF7_input.bw, attributes: {Target: none}}
"""
LOOM = "  - {id: positions, units: count, file: continuous.loom, default_format: loom}\n"
BROKEN = "  - {id: broken, units: x, tracks: [{sample: a, file: cut.bw}]}\n  - {id: gone, units: x, file: no.loom}\n"
MANY = "  - {id: many, units: x, tracks: [{sample: a, file: many.bw}]}\n"


@pytest.fixture
def data(shared_data: Path, tmp_path: Path) -> Path:
    """A catalogue of one study with tracks alone: three bigWig files, a loom file, and two sets that cannot be read."""
    study = tmp_path / "data" / "p" / "s"
    shutil.copytree(shared_data / "tracks" / "mcf7_er", study)
    shutil.copy(shared_data / "compliance" / "continuous.loom", study)
    (study / "cut.bw").write_bytes((study / "Chr18_MCF7_ER_1.bw").read_bytes()[:3000])
    written(tmp_path / "data", ER + LOOM + BROKEN)
    return tmp_path / "data"


def written(data: Path, continuous: str) -> None:
    for name, text in {
        "catalog.yaml": "id: t\nname: Tracks\n",
        "p/project.yaml": "id: p\n",
        "p/s/study.yaml": f"id: mcf7\ngenome: hg18\ncontinuous:\n{continuous}",
    }.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text, encoding="utf-8")


def page_of_study(data: Path, **settings: Any) -> str:
    with TestClient(create_app(Settings(data=data, **settings))) as client:
        page = client.get("/studies/mcf7", headers={"Accept": "text/html"})
    assert page.status_code == 200
    return page.text


def section(page: str, id: str) -> str:
    found = re.search(rf'<section class="matrix" aria-labelledby="tracks-{id}">(.*?)\n</section>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def blocks(page: str, label: str) -> list[str]:
    found = re.findall(rf"<figcaption>{re.escape(label)}</figcaption>\s*<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    return [html.unescape(text) for text in found]


def test_page_says_what_the_files_hold(data: Path) -> None:
    page = page_of_study(data)
    assert "4 sets of signal tracks" in page
    assert "No data yet" not in page
    tracks = section(page, "er")
    for text in ("ER binding", "<code>er</code>", "3 tracks", "chr18", "signal", "MIT"):
        assert text in tracks
    assert "<code>Target</code> – what was precipitated: ER, none" in tracks
    assert "tsv (default), loom, arrow, bedgraph, bigwig, h5ad, json, parquet, tsv.gz, tsv.zst" in tracks
    assert "loom (default)" in section(page, "positions")
    assert "4 tracks" in section(page, "positions")


def test_sets_that_cannot_be_read_are_unavailable_and_the_others_are_not(data: Path) -> None:
    page = page_of_study(data)
    assert page.count("Temporarily unavailable") == 2
    assert "Temporarily unavailable" in section(page, "broken")
    assert "Temporarily unavailable" in section(page, "gone")
    assert str(data) not in page


def test_page_needs_no_file_but_the_first_of_each_set_on_it(tmp_path: Path) -> None:
    entry = """
  - id: set{n:02}
    units: x
    filters: {{Sex: {{attribute: Sex}}, Name: {{attribute: tracks}}}}
    tracks:
      - {{sample: "a,b", file: {n}.bw, attributes: {{Sex: male}}}}
      - {{sample: c, file: gone1.bw, attributes: {{Sex: female}}}}
      - {{sample: d, file: gone2.bw}}
"""
    written(tmp_path, "".join(entry.format(n=number) for number in range(60)))
    for number in range(50):
        pybigtools.open(str(tmp_path / f"p/s/{number}.bw"), "w").write({"chr1": 900}, iter([("chr1", 70, 80, 1.0)]))
    page = page_of_study(tmp_path)
    assert "60 sets of signal tracks" in page
    assert "Temporarily unavailable" not in page
    for number in range(50):
        tracks = section(page, f"set{number:02}")
        assert "3 tracks" in tracks
        assert "Sex of the sample: female, male\n" in re.sub("</li>", "\n", tracks)
        assert "tracks of the sample: a,b, c, d\n" in re.sub("</li>", "\n", tracks)
        assert f"set{number:02}/bytes?chr=chr1&start=70&end=90&format=tsv" in tracks
        assert "c as a track in a genome browser" in tracks


def test_a_filter_on_what_no_track_has_makes_a_set_unavailable(tmp_path: Path) -> None:
    written(tmp_path, MANY.replace("units: x", "units: x, filters: {Sex: {attribute: Sex}}"))
    pybigtools.open(str(tmp_path / "p/s/many.bw"), "w").write({"chr1": 900}, iter([("chr1", 70, 80, 1.0)]))
    assert "Temporarily unavailable" in section(page_of_study(tmp_path), "many")


def test_of_many_chromosomes_a_few_are_named(tmp_path: Path) -> None:
    sizes = {f"chr{number}": 5000 for number in range(1, 61)}
    written(tmp_path, MANY)
    values = iter([(name, 4321, 4400, 2.5) for name in sorted(sizes)])
    pybigtools.open(str(tmp_path / "p/s/many.bw"), "w").write(sizes, values)
    tracks = section(page_of_study(tmp_path), "many")
    assert re.search(r"chr\d+, chr\d+, chr\d+, chr\d+, chr\d+ and 55 more", tracks)
    assert re.search(r"chr=chr\d+&start=4321&end=4341", tracks)


@pytest.mark.parametrize("start", [0, 999, 61_234, 199_999_990])
def test_queries_start_where_the_data_does(tmp_path: Path, start: int) -> None:
    written(tmp_path, MANY)
    values = iter([("chr1", start, start + 7, 1.5)])
    pybigtools.open(str(tmp_path / "p/s/many.bw"), "w").write({"chr1": 200_000_000}, values)
    tracks = section(page_of_study(tmp_path), "many")
    assert f"chr=chr1&start={start}&end={min(start + 20, 200_000_000)}&" in tracks


def test_no_query_is_offered_that_would_be_refused(data: Path) -> None:
    assert "Commands to copy" not in page_of_study(data, switched_off=("continuous",))
    few = section(page_of_study(data, max_positions=50), "er")
    assert "A few bases of all tracks" in few
    assert "bins=" not in few
    cells = section(page_of_study(data, max_cells=40), "er")
    assert "A few bases of all tracks" not in cells
    assert "start=76799700&end=76799740&format=bigwig" in cells


def test_queries_work(data: Path, serve: Callable[..., str]) -> None:
    root = serve(data)
    page = requests.get(f"{root}/studies/mcf7", timeout=30).text
    programs = {command: None for command in blocks(page, "curl")}
    assert len(programs) == 6
    for command in programs:
        reply = requests.get(shlex.split(command)[-1], timeout=30)
        assert reply.status_code == 200, reply.text
        assert "RNAget-Missing" not in reply.headers
    tables = blocks(page, "Python (pandas)")
    assert len(tables) == len(blocks(page, "R")) == 4
    for program in tables:
        names: dict[str, Any] = {}
        exec(program, names)
        table: pd.DataFrame = names["table"]
        assert table.notna().to_numpy().any()
        assert {dtype.kind for dtype in table.dtypes} == {"f"}
        assert len(table) == (3 if "/er/" in program else 4)


def test_tracks_for_browsers_are_what_those_read(data: Path, serve: Callable[..., str]) -> None:
    page = requests.get(f"{serve(data)}/studies/mcf7", timeout=30).text
    search, load = blocks(page, "igv.js")[0].split("\n", 1)
    assert search == 'browser.search("chr18:76799701-76899700");'
    track = json.loads(load.removeprefix("browser.loadTrack(").removesuffix(");"))
    assert (track["name"], track["format"]) == ("ER1", "bigwig")
    assert requests.get(track["url"], timeout=30).content[:4] == bytes.fromhex("26fc8f88")
    intervals = requests.get(blocks(page, "UCSC genome browser, as a custom track")[0], timeout=30)
    assert intervals.headers["Content-Type"].startswith("text/x-bedgraph")
    assert 'track type=bedGraph name="ER1"\nchr18\t76799700\t' in intervals.text


def test_sets_count_for_the_pages(tmp_path: Path) -> None:
    written(tmp_path, "".join(f"  - {{id: set{n:02}, units: x, file: no.loom}}\n" for n in range(60)))
    with TestClient(create_app(Settings(data=tmp_path))) as client:
        pages = [client.get(f"/studies/mcf7?page={number}").text for number in (1, 2)]
    assert [len(re.findall('aria-labelledby="tracks-', page)) for page in pages] == [50, 10]
    assert all('<h1 id="study">mcf7</h1>' in page for page in pages)
