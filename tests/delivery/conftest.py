"""A matrix whose slices are too large to be made before a reply starts, and tracks that are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from starlette.testclient import TestClient

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import client_of, new_study

SHAPE = (3000, 1000)
WIDE = "/rnaget/expressions/wide/bytes"
TRACK = "/rnaget/continuous/signal/bytes?format=bigwig&sampleIDList=A"
ONE = """\
id: s
expressions:
  - id: wide
    file: wide.h5
    units: TPM
    feature_id: gene
    sample_id: Sample
    filters: {Half: {attribute: Half, axis: sample}}
"""
_STUDY = f"""\
{ONE}continuous:
  - {{id: signal, units: depth, tracks: [{{sample: A, file: a.bw}}, {{sample: B, file: b.bw}}]}}
  - {{id: zeros, units: depth, no_data: 0, tracks: [{{sample: A, file: a.bw}}]}}
"""


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    random = np.random.default_rng(7)
    return np.round(random.gamma(2.0, 50.0, SHAPE), 2).astype(np.float32)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory, cells: np.ndarray) -> Path:
    """A catalogue of both."""
    data = tmp_path_factory.mktemp("large")
    study = new_study(data, _STUDY)
    write_wide(study / "wide.h5", cells)
    _write_track(study / "a.bw", 2_000_000)
    _write_track(study / "b.bw", 100_000)
    return data


def write_wide(path: Path, cells: np.ndarray) -> None:
    """Write a matrix whose samples are of two halves."""
    features, columns = cells.shape
    genes = np.array([f"G{number:05}" for number in range(features)], object)
    samples = np.array([f"S{number:04}" for number in range(columns)], object)
    half = np.array([("first", "second")[number >= columns // 2] for number in range(columns)], object)
    write_native(
        path,
        AxisTable("gene", {"gene": genes}),
        AxisTable("Sample", {"Sample": samples, "Half": half}),
        [LayerSource("TPM", InMemory(cells), np.dtype(np.float32), False)],
    )


def _write_track(path: Path, count: int) -> None:
    """Write a track of forty million bases, more than a server gives base by base by default."""
    values = np.random.default_rng(count).random(count)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 40_000_000), ("chr2", 1000)])
        file.addEntries("chr1", 0, values=values, span=20, step=20)


@pytest.fixture
def wide(large: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client of the large catalogue, with an empty cache."""
    yield from client_of(large, cache_directory=tmp_path / "cache")
