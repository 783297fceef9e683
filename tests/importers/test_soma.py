"""TileDB-SOMA as its own package writes it, where that is installed; else a refusal that says how to convert it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.matrices import soma
from rnaget_server.importers.matrices.annotated import labels
from rnaget_server.model.columns import Numbers
from rnaget_server.stores.h5ad_frame import text_column
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
        (
            "atlas.soma",
            ("--sample-id", "tissue"),
            "the sample attribute tissue holds 'a b' more than once, and ids must be unique: name another attribute",
        ),
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


def chosen(**options: str) -> tuple[str, str | None, str, list[str]]:
    """Return the ids and names chosen of columns as an experiment has them, and the attributes of its samples."""
    var = {
        "soma_joinid": Numbers(np.arange(2)),
        "gene_id": text_column(np.array(["g", "g"], object)),
        "feature_id": text_column(np.array(["g1", "g2"], object)),
        "feature_name": Numbers(np.array([7, 8])),
    }
    obs = {"soma_joinid": Numbers(np.array([4, 9])), "age": Numbers(np.array([1.5, 2]))}
    given = ReadOptions(**options)
    usual = soma._USUAL
    axes = (
        soma.axis_of(var, given.feature_id, usual.feature_ids),
        soma.axis_of(obs, given.sample_id, usual.sample_ids),
    )
    features, samples, _ = labels(Path("x.soma"), axes, usual, given)
    assert features.name is None or features.columns[features.name].tolist() == ["7", "8"]  # names are texts
    assert "soma_joinid" not in features.columns
    return features.id, features.name, samples.id, [str(id) for id in samples.columns[samples.id]]


def test_ids_and_names_are_chosen_as_in_anndata() -> None:
    """Without the package: only what is done with the columns that it reads."""
    assert chosen() == ("feature_id", "feature_name", "soma_joinid", ["4", "9"])
    assert chosen(sample_id="age") == ("feature_id", "feature_name", "age", ["1.5", "2"])
    # These are in the table that --samples or --features names, perhaps.
    assert chosen(sample_id="donor", feature_id="symbol")[:3] == ("feature_id", "feature_name", "soma_joinid")


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
    package = SimpleNamespace(SOMAError=RuntimeError)
    pieces = list(soma._pieces(package, tmp_path, DeclaredLarge(2), axes, lambda _: None))
    assert [piece.indptr.tolist() for piece in pieces] == [[0, 1, 2], [0]]
    assert [piece.indices.tolist() for piece in pieces] == [[1, 0], []]
    assert [piece.data.tolist() for piece in pieces] == [[1.5, 2.5], []]
    with pytest.raises(ImportFailure, match="that the experiment does not have"):
        list(soma._pieces(package, tmp_path, DeclaredLarge(3), axes, lambda _: None))
