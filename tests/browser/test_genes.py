"""Heat maps and samples in a real browser: what is drawn equals pandas and scipy, and the pages are accessible."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from scipy.cluster.hierarchy import average, leaves_list, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from tests.browser.pages import visit
from tests.conftest import import_matrix, read_source
from tests.pages.test_queries_run import blocks

LABELS = ["plain", "<b>bold</b>", "<script>alert(1)</script>", "x" * 300, "x" * 299 + "y"]
DRAWN = ".heatmaplayer image"


@pytest.fixture(scope="module")
def root(tcga_catalog: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server of TCGA, and of a matrix with strange labels."""
    folder = tmp_path_factory.mktemp("genes")
    data = Path(shutil.copytree(tcga_catalog, folder / "data"))
    lines = ["\t".join(["id", *LABELS])]
    lines += ["\t".join([name, *map(str, row)]) for name, row in zip(LABELS, np.arange(25).reshape(5, 5), strict=True)]
    (folder / "m.tsv").write_text("\n".join(lines) + "\n")
    import_matrix(data, folder / "m.tsv", "--id", "odd", "--units", "TPM")
    return serve(data)


@pytest.fixture(scope="module")
def genes(shared_data: Path) -> pd.DataFrame:
    return read_source(shared_data / "tcga" / "expression-matrix-all-samples.tsv.gz").T


@pytest.fixture(scope="module")
def medians(shared_data: Path, genes: pd.DataFrame) -> pd.DataFrame:
    """Genes × acronyms."""
    table = pd.read_csv(shared_data / "tcga" / "samples.tsv.gz", sep="\t", index_col=0, dtype=str)
    return genes.astype(np.float64).T.groupby(table["acronym"].loc[genes.columns], sort=False).median().T


def drawn(page: Page) -> dict[str, Any]:
    """The axes and cells of the heat map as Plotly has them."""
    page.wait_for_selector(DRAWN)
    found: dict[str, Any] = page.evaluate(
        "() => { const {x, y, z} = document.getElementById('heat-map').data[0]; return {x, y, z}; }"
    )
    return found


def test_drawn_order_and_cells_are_those_of_scipy_and_pandas(
    browser: Browser, root: str, medians: pd.DataFrame
) -> None:
    def leaves(values: np.ndarray) -> np.ndarray:
        distances = pdist(values)
        return leaves_list(optimal_leaf_ordering(average(distances), distances))

    shown = medians.astype(np.float32).astype(np.float64).to_numpy()
    rows, columns = leaves(shown), leaves(shown.T)
    ids = ",".join(map(str, medians.index))
    with visit(browser, root) as seen:
        seen.page.goto(f"/genes?ids={ids}&group_by=acronym&scale=linear")
        found = drawn(seen.page)
        assert found["y"] == [str(medians.index[row]) for row in rows]
        assert found["x"] == [medians.columns[column] for column in columns]
        np.testing.assert_allclose(found["z"], shown[np.ix_(rows, columns)], rtol=1e-6)
        box = seen.page.locator("#heat-map .nsewdrag").bounding_box()
        assert box is not None
        # The middle of the first cell.
        seen.page.mouse.move(box["x"] + box["width"] / len(columns) / 2, box["y"] + box["height"] / len(rows) / 2)
        text = seen.page.locator(".hoverlayer .hovertext").text_content() or ""
        assert str(medians.index[rows[0]]) in text and medians.columns[columns[0]] in text
        value = medians.to_numpy()[rows[0], columns[0]]
        assert f"{float(f'{value:.5g}'):g} log2" in text
        seen.check()


def test_copied_commands_return_what_is_drawn(root: str) -> None:
    query = "ids=1634,5757,83401,730013&matrix=tcga&group_by=acronym&summary=mean&scale=linear"
    data = requests.get(f"{root}/genes.json?{query}", timeout=60).json()
    shown = pd.DataFrame(
        data["values"], [int(gene["id"]) for gene in data["genes"]], [group["name"] for group in data["groups"]]
    )
    page = requests.get(f"{root}/genes?{query}", timeout=60).text
    (command,), (program,) = blocks(page, "curl"), blocks(page, "Python (pandas)")
    printed = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True, timeout=60).stdout
    by_curl = pd.read_csv(io.StringIO(printed), sep="\t", index_col=0)
    names: dict[str, Any] = {}
    exec(program, names)
    for table in (by_curl, names["table"]):
        assert table.shape == shown.shape
        np.testing.assert_array_equal(table.loc[shown.index, shown.columns].to_numpy(), shown.to_numpy())


def test_strange_labels_are_drawn_as_they_are(browser: Browser, root: str) -> None:
    with visit(browser, root) as seen:
        seen.page.goto("/genes?matrix=odd&cluster=none&ids=" + "%0A".join(LABELS))
        found = drawn(seen.page)
        assert found["x"] == found["y"]
        assert found["x"][:3] == ["plain", "&lt;b&gt;bold&lt;/b&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"]
        assert len(set(found["x"])) == 5 and max(map(len, found["x"])) < 60
        ticks = seen.page.locator("#heat-map .xaxislayer-above text").all_text_contents()
        assert "<b>bold</b>" in ticks
        seen.check()


def test_a_failure_of_the_server_is_said(browser: Browser, root: str) -> None:
    with visit(browser, root) as seen:
        seen.page.route("**/genes.json*", lambda route: route.fulfill(status=503, json={"message": "come back later"}))
        seen.page.goto("/genes?matrix=odd&ids=plain")
        seen.page.get_by_text("The heat map cannot be drawn: come back later").wait_for()
        assert seen.page.locator("table.cells td").count() == 5


def test_bars_of_a_sample_are_those_of_its_table(browser: Browser, root: str, genes: pd.DataFrame) -> None:
    id = genes.columns[7]
    with visit(browser, root) as seen:
        seen.page.goto(f"/samples/tcga/{id}")
        seen.page.wait_for_selector(".barlayer path")
        bars = seen.page.evaluate("() => (({x, text}) => ({x, text}))(document.getElementById('bars').data[0])")
        values = genes[id][genes[id] != 0].sort_values(ascending=False, kind="stable")
        assert bars["text"] == [str(gene) for gene in values.index]
        np.testing.assert_allclose(bars["x"], values.to_numpy(), rtol=1e-7)
        seen.check()


@pytest.mark.long
@pytest.mark.parametrize(("width", "colours"), [(1400, "light"), (1400, "dark"), (390, "light")])
@pytest.mark.parametrize(
    ("path", "ready"),
    [
        ("/genes?ids=1634,nothing&group_by=acronym", DRAWN),
        ("/genes", "form"),
        ("/samples/tcga/TCGA-02-0047-01", ".barlayer path"),
    ],
)
def test_pages_are_accessible(
    browser: Browser, root: str, path: str, ready: str, width: int, colours: Literal["light", "dark"]
) -> None:
    with visit(browser, root, width, colours) as seen:
        seen.page.goto(path)
        seen.page.wait_for_selector(ready)
        found = Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()
        scrolls = seen.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
        assert not scrolls
        seen.check()


@pytest.mark.parametrize(
    ("path", "ready"),
    [("/genes?ids=1634&group_by=acronym&embed=1", DRAWN), ("/samples/tcga/TCGA-02-0047-01?embed=1", ".barlayer path")],
)
def test_views_without_their_pages_are_accessible(browser: Browser, root: str, path: str, ready: str) -> None:
    with visit(browser, root, 390, "dark") as seen:
        seen.page.goto(path)
        seen.page.wait_for_selector(ready)
        found = Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()
        seen.check()


def test_bars_of_a_sample_are_in_the_rows_of_the_table_next_to_them(browser: Browser, demo_root: str) -> None:
    with visit(browser, demo_root) as seen:
        seen.page.goto("/samples/uhlen_tissues/Liver")
        bars = seen.page.locator("#bars .barlayer .point path")
        bars.last.wait_for(state="attached")
        middles = "all => all.map(one => one.getBoundingClientRect()).map(({ top, bottom }) => (top + bottom) / 2)"
        of_rows = seen.page.locator(".ranks tbody tr").evaluate_all(middles)
        assert len(of_rows) == 50
        np.testing.assert_allclose(bars.evaluate_all(middles), of_rows, atol=2)
        seen.check()
