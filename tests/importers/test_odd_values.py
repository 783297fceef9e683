"""Infinite values, and negative ones in units that have none, are imported as they are, and said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

FRAME = pd.DataFrame(
    {"s1": [1.5, 2, np.nan], "s2": [0, -3.5, -7], "s3": [np.inf, 1, 2]}, index=["A", "B", "C"], dtype=np.float64
)
NEGATIVE = (
    "warning: TPM are never negative, and there are negative values, as -3.5 of the feature 'B' in the sample 's2'"
)
INFINITE = "warning: there are infinite values, as inf of the feature 'A' in the sample 's3'"


def as_h5ad(path: Path, frame: pd.DataFrame) -> None:
    cells = scipy.sparse.csr_matrix(frame.T.to_numpy())
    anndata.AnnData(cells, pd.DataFrame(index=frame.columns), pd.DataFrame(index=frame.index)).write_h5ad(path)


KINDS: dict[str, tuple[Callable[[Path, pd.DataFrame], Any], dict[str, Any]]] = {
    "m.tsv": (lambda path, frame: frame.to_csv(path, sep="\t"), {}),
    "t.tsv": (lambda path, frame: frame.T.to_csv(path, sep="\t"), {"transpose": True}),
    "m.parquet": (lambda path, frame: frame.to_parquet(path), {}),
    "m.h5ad": (as_h5ad, {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_odd_values_are_said_with_their_place(workshop: Any, tmp_path: Path, name: str) -> None:
    make, options = KINDS[name]
    make(tmp_path / name, FRAME)
    remarks = workshop.run(tmp_path / name, **options).remarks
    assert [sum(line.startswith(warning) for line in remarks) for warning in (NEGATIVE, INFINITE)] == [1, 1]
    np.testing.assert_array_equal(workshop.frame().to_numpy(), FRAME.astype(np.float32).to_numpy())


@pytest.mark.parametrize("units", ["log2(TPM+1)", "z", "dB"])
def test_values_that_may_be_negative(workshop: Any, tmp_path: Path, units: str) -> None:
    FRAME.replace(np.inf, 9).to_csv(tmp_path / "m.csv")
    assert not any("warning" in line for line in workshop.run(tmp_path / "m.csv", units=units).remarks)


def test_the_place_is_right_in_long_matrices(workshop: Any, tmp_path: Path) -> None:
    """The first odd cell is in a block or piece that is not the first."""
    frame = pd.DataFrame(np.ones((3000, 60)), [f"g{at}" for at in range(3000)], [f"s{at}" for at in range(60)])
    frame.iloc[2991, 57] = -1
    frame.to_csv(tmp_path / "m.tsv", sep="\t")
    as_h5ad(tmp_path / "m.h5ad", frame)
    for name in ("m.tsv", "m.h5ad"):
        remarks = workshop.run(tmp_path / name, id=name, units="counts").remarks
        assert any("as -1 of the feature 'g2991' in the sample 's57'" in line for line in remarks)


def test_samples_that_are_called_like_genes(workshop: Any, tmp_path: Path) -> None:
    """A table of samples as rows is not imported without a word."""
    frame = pd.DataFrame(np.eye(3), [f"ENSG0000000000{at}.2" for at in range(3)], ["s1", "s2", "s3"])
    frame.to_csv(tmp_path / "right.csv")
    frame.T.to_csv(tmp_path / "wrong.csv")
    for name, options, warned in (("right", {}, 0), ("wrong", {}, 1), ("wrong", {"transpose": True}, 0)):
        remarks = workshop.run(tmp_path / f"{name}.csv", id=f"{name}{warned}", **options).remarks
        warnings = [line for line in remarks if "the samples are called like genes ('ENSG00000000000.2'" in line]
        assert len(warnings) == warned
        # AnnData, which may get this warning too, has no --transpose.
        assert all("or transposed by the program that wrote it where that option does not apply" in w for w in warnings)
