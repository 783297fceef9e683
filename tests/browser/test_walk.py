"""A newcomer's way, on real data: a gene typed into the search box, chosen, and drawn; a track set looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.browser.pages import visit
from tests.conftest import import_matrix, read_source

pytestmark = pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
BODYMAP = "bodymap/ibm.htseq.fpkm.tsv.gz"
CANCERS = "tcga/samples.tsv.gz"
TCGA = "expression-matrix-all-samples.tsv.gz"


@dataclass(frozen=True)
class Walk:
    """One gene of a matrix: what is typed, the page that it leads to, and the medians of its groups by pandas."""

    matrix: str
    typed: str
    found: str
    medians: Callable[[Path], pd.Series[float]]


def _of_tissues(path: str, gene: str) -> Callable[[Path], pd.Series[float]]:
    return lambda shared: read_source(shared / path).loc[gene].astype(np.float64)


def _of_cancers(shared: Path) -> pd.Series[float]:
    cells = read_source(shared / "tcga" / TCGA)
    kinds = pd.read_csv(shared / CANCERS, sep="\t", index_col=0, dtype=str)["acronym"]
    return cells[7748 if 7748 in cells.columns else "7748"].astype(np.float64).groupby(kinds.loc[cells.index]).median()


def _of_cells(shared: Path) -> pd.Series[float]:
    cells = anndata.read_h5ad(shared / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad")
    values = pd.Series(cells[:, "GFAP"].X.toarray().ravel().astype(np.float32).astype(np.float64))
    return values.groupby(cells.obs["cell_type"].astype(str).to_numpy()).median()


WALKS = [
    Walk("uhlen", "TP53", "TP53", _of_tissues("uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "ENSG00000141510")),
    Walk(
        "bodymap", "ENSG00000139618", "ENSG00000139618", _of_tissues("bodymap/ibm.htseq.fpkm.tsv.gz", "ENSG00000139618")
    ),
    Walk("tcga", "7748", "7748", _of_cancers),
    Walk("glioma", "GFAP", "GFAP", _of_cells),
]


@pytest.fixture(scope="module")
def root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., str]) -> str:
    data = tmp_path_factory.mktemp("walk")
    genes = ("--features", str(shared_data / "genes" / "geneInfoEns76.tsv.gz"), "--feature-name", "gene_name")
    sources = {
        "uhlen": ("uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "--units", "TPM", *genes),
        "bodymap": (BODYMAP, "--units", "FPKM"),
        "tcga": (
            f"tcga/{TCGA}",
            "--units",
            "log2",
            "--transpose",
            "--samples",
            str(shared_data / "tcga" / "samples.tsv.gz"),
        ),
        "glioma": ("singlecell/infercnvpy/oligodendroglioma.h5ad", "--units", "log2"),
    }
    for id, (path, *options) in sources.items():
        import_matrix(data, shared_data / path, "--id", id, *options, study=id)
    bigwigs = sorted((shared_data / "tracks" / "mcf7_er").glob("*.bw"))
    import_matrix(data, bigwigs[0], *map(str, bigwigs[1:]), "--id", "er", "--units", "coverage", study="mcf7")
    address = serve(data)
    while not requests.get(f"{address}/search/suggestions?q=x", timeout=60).json()["complete"]:
        pass  # each waits for the index of names
    return address


def drawn(page: Page, matrix: str) -> pd.Series[float]:
    """The medians that are drawn for a matrix, by what stands at the axis."""
    section = page.locator(".of-matrix").filter(has=page.get_by_role("heading", name=matrix, exact=True))
    plot = section.locator(".plot[data-drawn]")
    plot.wait_for()
    found = plot.evaluate("""plot => {
      const drawn = plot.matches(".js-plotly-plot") ? plot : plot.querySelector(".js-plotly-plot");
      return [drawn.layout.yaxis.ticktext, drawn.data.find(trace => trace.name === "medians").x, drawn.data[0].type];
    }""")
    labels, medians, kind = found
    assert kind == ("bar" if matrix in ("uhlen", "bodymap") else "box")
    return pd.Series(medians, labels)


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.matrix)
def test_from_a_typed_gene_to_its_plot(browser: Browser, root: str, shared_data: Path, walk: Walk) -> None:
    with visit(browser, root) as seen:
        page = seen.page
        page.goto("/")
        page.get_by_role("combobox", name="Find a gene").press_sequentially(walk.typed)
        page.wait_for_selector(f"[role=option].all:has-text('“{walk.typed}”')")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/genes/{walk.found}**")
        shown = drawn(page, walk.matrix)
        expected = walk.medians(shared_data).sort_values(ascending=False, kind="stable")
        np.testing.assert_allclose(shown.to_numpy(), expected.to_numpy(), rtol=1e-6)
        whole = [label for label in shown.index if not label.endswith("…")]
        assert len(whole) >= 5
        np.testing.assert_allclose(shown[whole], expected[whole], rtol=1e-6)
        seen.check()


def test_from_a_track_set_to_its_signal(browser: Browser, root: str) -> None:
    with visit(browser, root) as seen:
        page = seen.page
        page.goto("/studies/mcf7")
        page.get_by_role("link", name="er").first.click()
        page.wait_for_url("**/tracks/er**")
        page.wait_for_selector("#browse[data-state=drawn]")
        assert page.locator(".igv-track-label").count() >= 4
        seen.check()
