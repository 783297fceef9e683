"""TileDB-SOMA as its own package writes it, where that is installed; else a refusal that says how to convert it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.matrices.soma import _spooled
from tests.conftest import ROOT

with_package = pytest.mark.skipif(find_spec("tiledbsoma") is None, reason="tiledbsoma is not installed")


def made(cells: int = 9000) -> anndata.AnnData:
    matrix = scipy.sparse.random(cells, 30, 0.2, "csr", np.float32, np.random.default_rng(3))
    matrix[5:5000] = 0
    obs = pd.DataFrame({"tissue": ["liver", "lung", "a b"] * (cells // 3), "age": np.arange(cells) / 2})
    obs["whole"] = obs["age"] > 5
    var = pd.DataFrame({"feature_name": [f"n{n}" for n in range(30)]}, [f"ENSG{n:03}" for n in range(30)])
    return anndata.AnnData(matrix, obs.set_axis([f"c {n}" for n in range(cells)]), var)


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


@with_package
def test_the_documented_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiledbsoma.io

    monkeypatch.chdir(tmp_path)
    expected = made()
    tiledbsoma.io.from_anndata("atlas.soma", expected, "RNA", X_layer_name="data")
    (command,) = re.findall(
        r"^rnaget-server (import atlas.*)$", (ROOT / "docs" / "import.md").read_text(), re.MULTILINE
    )
    assert "9000 samples" in run(*shlex.split(command))
    run("export", "atlas", "out.h5ad", "--data", "DIR")
    found = anndata.read_h5ad("out.h5ad")
    assert (found.X != expected.X).nnz == 0
    assert found.obs_names.tolist() == expected.obs_names.tolist()
    assert found.var_names.tolist() == expected.var_names.tolist()
    assert found.obs["tissue"].tolist() == expected.obs["tissue"].tolist()
    assert found.obs["age"].tolist() == expected.obs["age"].tolist()
    assert found.obs["whole"].tolist() == expected.obs["whole"].astype(str).tolist()
    assert found.var["feature_name"].tolist() == expected.var["feature_name"].tolist()
    place = ("--data", "DIR", "--project", "p", "--study", "s", "--id", "m", "--units", "count")
    for source, options, why in (
        ("atlas.soma", ("--modality", "ADT"), "--modality: name one of 'RNA'"),
        ("atlas.soma", ("--layer", "raw"), "--layer: name one of 'data'"),
        ("atlas.soma", ("--sample-id", "tissue"), "the sample ids in tissue repeat"),
        ("atlas.soma/ms", (), "name the directory of the experiment"),
        ("atlas.soma/obs", (), "name the directory of the experiment"),
    ):
        assert why in run("import", source, *place, *options, code=1)


@pytest.mark.skipif(find_spec("tiledbsoma") is not None, reason="tiledbsoma is installed")
def test_without_the_package(tmp_path: Path) -> None:
    (tmp_path / "x.soma").mkdir()
    (tmp_path / "x.soma" / "__tiledb_group.tdb").touch()
    place = ("--data", tmp_path / "data", "--project", "p", "--study", "s", "--id", "m", "--units", "count")
    said = run("import", tmp_path / "x.soma", *place, code=1)
    assert "pip install 'rnaget-server[soma]'" in said and "tiledbsoma.io.to_h5ad(" in said
    assert not (tmp_path / "data").exists()


class DeclaredLarge:
    """Two cells, as tiledbsoma gives them, of a matrix that is declared far larger."""

    shape = (1 << 40, 1 << 40)

    def __init__(self, nnz: int) -> None:
        self.nnz = nnz

    def read(self, asked: tuple[slice, slice] = (slice(0, 0), slice(0, 0))) -> DeclaredLarge:
        assert asked == (slice(0, 5), slice(0, 1))
        return self

    def blockwise(self, **_: object) -> DeclaredLarge:
        return self

    def tables(self) -> Iterator[tuple[pa.Table, tuple[pa.Array, None]]]:
        numbers = {"soma_dim_0": [3, 5], "soma_dim_1": [1, 0], "soma_data": [1.5, 2.5]}
        yield pa.table(numbers), (pa.array(range(6)), None)


def test_only_what_the_experiment_has_is_asked_for(tmp_path: Path) -> None:
    axes = np.array([3, 5]), np.array([0, 1])
    _spooled(tmp_path, DeclaredLarge(2), axes, tmp_path, lambda _: None).close()
    with pytest.raises(ImportFailure, match="that the experiment does not have"):
        _spooled(tmp_path, DeclaredLarge(3), axes, tmp_path, lambda _: None)
