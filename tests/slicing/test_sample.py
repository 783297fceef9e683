"""A sample has the numbers of pandas, of dense and of sparse matrices, and only its own cells are read."""

from __future__ import annotations

import math
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.errors import InvalidQuery, UnknownId
from rnaget_server.settings import Settings
from rnaget_server.slicing.sample import MOST_HIGHEST, Sample, read_sample
from rnaget_server.stores.compressed import CompressedMatrix
from tests.conftest import import_matrix, new_study


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("samples")
    new_study(data)
    source = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    import_matrix(data, source, "--id", "cells", "--units", "log")
    return data


@pytest.fixture(scope="module")
def cells(shared_data: Path) -> anndata.AnnData:
    return anndata.read_h5ad(shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad")


@pytest.fixture(scope="module")
def view(data: Path) -> View:
    return open_repository(Settings(data=data, reload_seconds=0)).visible_to()


def read(view: View, matrix: str, id: str, units: str | None = None) -> Sample:
    return read_sample(view, view.catalog.matrices[matrix], id, units)


def same(sample: Sample, values: pd.Series) -> None:
    """The sample has the numbers of these values."""
    values = values.astype(np.float32)
    present = values.dropna()
    assert sample.features == len(values) and sample.missing == len(values) - len(present)
    assert sample.above_zero == int((present > 0).sum())
    expected = present[present != 0].sort_values(ascending=False, kind="stable")[:MOST_HIGHEST]
    assert [high.id for high in sample.highest] == [str(id) for id in expected.index]
    np.testing.assert_array_equal([high.value for high in sample.highest], expected.to_numpy())
    ranks = present.rank(ascending=False, method="min").loc[expected.index].astype(int)
    assert [high.rank for high in sample.highest] == ranks.tolist()
    shares = present.astype(np.float64).quantile([0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose([value for _, value in sample.quantiles], shares.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("place", [0, 77, 183])
def test_a_cell_of_a_sparse_matrix(view: View, cells: anndata.AnnData, place: int) -> None:
    id = cells.obs_names[place]
    sample = read(view, "cells", id)
    same(sample, pd.Series(cells.X[place].toarray()[0], index=cells.var_names))
    assert (sample.number, sample.samples) == (place + 1, 184)
    assert sample.previous == (cells.obs_names[place - 1] if place else None)
    assert sample.following == (cells.obs_names[place + 1] if place < 183 else None)
    assert [(attribute.name, attribute.value, attribute.filter) for attribute in sample.attributes] == [
        ("cell_type", cells.obs["cell_type"].iloc[place], "cell_type")
    ]
    assert sample.total is None


def test_only_the_cells_of_the_sample_are_decoded(
    view: View, cells: anndata.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    piece = CompressedMatrix._piece
    monkeypatch.setattr(
        CompressedMatrix, "_piece", lambda self, part, *others: rows.extend(part) or piece(self, part, *others)
    )
    read(view, "cells", cells.obs_names[100])
    assert rows == [100]


def test_bulk_samples_of_real_matrices(real_catalog: Path, shared_data: Path) -> None:
    view = open_repository(Settings(data=real_catalog, reload_seconds=0)).visible_to()
    files = {"uhlen": "uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "brawand": "brawand/brawand.htseq.fpkm.tsv.gz"}
    for matrix, file in files.items():
        source = pd.read_csv(shared_data / file, sep="\t", index_col=0, usecols=[0, 3], float_precision="round_trip")
        same(read(view, matrix, source.columns[0]), source.iloc[:, 0])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> View:
    folder = tmp_path_factory.mktemp("odd")
    data = folder / "data"
    new_study(data)
    names = ["a/b", "ä b", "a,b", "<script>alert(1)</script>", "none", "zero", "low", "endless"]
    rows = {
        "A": [1, 2, 3, 4, "NaN", 0, -2, "inf"],
        "B": [3, 2, 3, 0, "NaN", 0, -1, 1],
        "C": [0, 0, 0, 7, "NaN", 0, -3, 3],
    }
    lines = ["\t".join(["id", *names]), *("\t".join(map(str, [id, *row])) for id, row in rows.items())]
    (folder / "m.tsv").write_text("\n".join(lines) + "\n")
    import_matrix(data, folder / "m.tsv", "--id", "m", "--units", "TPM")
    (folder / "c.tsv").write_text("id\ts\nA\t16777217\nB\t2\n")
    import_matrix(data, folder / "c.tsv", "--id", "c", "--units", "counts")
    return open_repository(Settings(data=data, reload_seconds=0)).visible_to()


@pytest.mark.parametrize("id", ["a/b", "ä b", "a,b", "<script>alert(1)</script>"])
def test_ids_of_any_letters(odd: View, id: str) -> None:
    assert read(odd, "m", id).id == id


def test_without_values_there_is_nothing_to_rank(odd: View) -> None:
    none = read(odd, "m", "none")
    assert (none.highest, none.quantiles, none.missing, none.above_zero) == ((), (), 3, 0)
    assert read(odd, "m", "zero").highest == ()
    assert [(high.id, high.rank) for high in read(odd, "m", "low").highest] == [("B", 1), ("A", 2), ("C", 3)]


def test_equal_values_have_one_rank(odd: View) -> None:
    assert [(high.id, high.rank) for high in read(odd, "m", "ä b").highest] == [("A", 1), ("B", 1)]


def test_infinite_values_have_a_place_among_the_others(odd: View) -> None:
    # Of 1, 3 and ∞ the one in the middle is 3, and what lies between 3 and ∞ is ∞.
    spread = {"min": 1, "q1": 2, "median": 3, "q3": math.inf, "max": math.inf}
    assert dict(read(odd, "m", "endless").quantiles) == spread


def test_library_size_of_counts(odd: View) -> None:
    assert read(odd, "c", "s").total == 16777219
    assert read(odd, "m", "low").total is None


def test_what_there_is_not_is_refused_with_what_is_like_it(odd: View) -> None:
    with pytest.raises(UnknownId, match="m has no sample 'zeroo': did you mean 'zero'"):
        read(odd, "m", "zeroo")
    with pytest.raises(InvalidQuery, match="m has no units 'FPKM': it has TPM"):
        read(odd, "m", "zero", "FPKM")
