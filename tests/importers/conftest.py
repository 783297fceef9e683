from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnaget_server.catalog import Catalog, Matrix, load
from rnaget_server.datasets.opening import open_store
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.job import Outcome
from rnaget_server.importers.matrices.job import run_import
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.plugins import Registry
from rnaget_server.stores.base import MatrixStore


@dataclass
class Workshop:
    """Imports into one catalogue, and reads back what came of it."""

    data: Path

    def run(
        self,
        source: Path,
        *,
        id: str = "m",
        units: str = "TPM",
        study: str = "s",
        samples: Path | Sequence[Path] = (),
        features: Path | None = None,
        replace: bool = False,
        study_genome: str | None = None,
        **options: Any,
    ) -> Outcome:
        request = MatrixRequest(
            source=source,
            data=self.data,
            project="p",
            study=study,
            id=id,
            units=units,
            samples=(samples,) if isinstance(samples, Path) else tuple(samples),
            features=features,
            genome=study_genome,
            options=ReadOptions(**options),
            replace=replace,
        )
        return run_import(request, lambda _: None)

    @property
    def catalog(self) -> Catalog:
        catalog, problems = load(self.data)
        assert not problems
        assert catalog is not None
        return catalog

    def matrix(self, id: str = "m") -> Matrix:
        return self.catalog.matrices[id]

    def store(self, id: str = "m") -> MatrixStore:
        return open_store(self.matrix(id), Registry("rnaget_server.stores"))

    def frame(self, units: str = "TPM", id: str = "m") -> pd.DataFrame:
        """The cells as pandas would have them: features × samples, labelled by ids."""
        matrix, store = self.matrix(id), self.store(id)
        return pd.DataFrame(
            np.vstack(list(store.blocks(units))),
            index=store.features.column(matrix.feature_id),
            columns=store.samples.column(matrix.sample_id),
        )

    def by_columns(self, units: str = "TPM", id: str = "m") -> Any:
        """The cells as the copy by samples has them."""
        store = self.store(id)
        every = np.arange(store.shape[0])
        columns = [np.vstack(list(store.blocks(units, every, np.array([at])))) for at in range(store.shape[1])]
        return np.hstack(columns)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "data")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(content: str | bytes, name: str = "matrix.tsv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of temporary files, which is empty again after each import."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert os.listdir(directory) == []
