"""The commands of docs/tutorial-cells.md, run one after the other as they are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import anndata
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.importers.test_tutorial import HOME, run

PAGE = (ROOT / "docs" / "tutorial-cells.md").read_text(encoding="utf-8")
GENES = ["gene7", "gene8"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def python(code: str, directory: Path) -> str:
    return run(f"python -c {shlex.quote(code)}", directory)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., str]) -> tuple[str, Path]:
    """The address of the server that the last command starts, and the directory of the file."""
    directory = tmp_path_factory.mktemp("cells")
    python(blocks("python")[0], directory)
    imported, started, _ = blocks("sh")
    assert "filters: cell_type" in run(imported, directory)
    return serve(directory / started.split()[-1]), directory


@pytest.fixture(scope="module")
def source(served: tuple[str, Path]) -> pd.DataFrame:
    """The counts of both genes, and the types of all cells, as anndata reads them."""
    cells = anndata.read_h5ad(served[1] / "cells.h5ad")
    return cells[:, GENES].to_df().assign(cell_type=cells.obs["cell_type"].astype(str))


def test_curl_gets_what_is_in_the_file(served: tuple[str, Path], source: pd.DataFrame) -> None:
    root, directory = served
    gene, means = (
        [line.split("\t") for line in run(line.replace(HOME, root), directory).splitlines()]
        for line in blocks("sh")[2].splitlines()
    )
    expected = source.loc[source["cell_type"] == "T cell", "gene7"]
    assert dict(zip(gene[0][1:], map(float, gene[1][1:]), strict=True)) == expected.to_dict()
    for row in means[1:]:
        found = dict(zip(means[0][1:], map(float, row[1:]), strict=True))
        for name, values in source.groupby("cell_type")[row[0]]:
            assert found[f"{name} mean"] == pytest.approx(values.mean(), rel=1e-6)
            assert found[f"{name} fraction"] == pytest.approx((values > 0).mean())
            assert found[f"{name} n"] == len(values)
    assert [row[0] for row in means[1:]] == GENES


def test_python_gets_what_is_in_the_file(served: tuple[str, Path], source: pd.DataFrame) -> None:
    root, directory = served
    notebook, posted = (block.replace(HOME, root) for block in blocks("python")[1:])
    python(f"{notebook}\ncells.write_h5ad('t.h5ad')\nmeans.to_csv('means.csv')", directory)
    python(f"{posted}\ncluster.write_h5ad('cluster.h5ad')", directory)
    found = anndata.read_h5ad(directory / "t.h5ad")
    expected = source[source["cell_type"] == "T cell"]
    pd.testing.assert_frame_equal(found.to_df(), expected[GENES], check_names=False)
    assert set(found.obs["cell_type"]) == {"T cell"}
    means = pd.read_csv(directory / "means.csv", index_col=0)
    expected = source.groupby("cell_type").mean().T
    pd.testing.assert_frame_equal(means[expected.columns], expected, check_names=False, check_dtype=False)
    cluster = anndata.read_h5ad(directory / "cluster.h5ad")
    pd.testing.assert_frame_equal(cluster.to_df(), source.iloc[::2][GENES], check_names=False)
