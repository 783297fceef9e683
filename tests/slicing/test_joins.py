"""Joins of small matrices with common features in other orders: each cell stays with its feature and sample."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server.model.labels import is_text
from rnaget_server.slicing.join import Part, _JoinedSamples, _row_plan
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from rnaget_server.testing.slices import InMemoryLabels, feature_labels, texts
from tests.conftest import client_of, examples, new_study

GENES = "ABCD"
# Of each matrix the order of the features, and how many of them it has.
CATALOGUES = st.lists(st.tuples(st.permutations(GENES), st.integers(1, len(GENES))), min_size=2, max_size=3)


def _frame(number: int, genes: list[str]) -> pd.DataFrame:
    """Return a matrix of which each cell tells matrix, feature and sample."""
    samples = [f"m{number}s{sample}" for sample in range(2)]
    cells = [[100 * number + 10 * GENES.index(gene) + sample for sample in range(2)] for gene in genes]
    return pd.DataFrame(cells, genes, samples, np.float32)


def _write(path: Path, frame: pd.DataFrame) -> None:
    genes, samples = (axis.to_numpy(object) for axis in (frame.index, frame.columns))
    if path.suffix == ".loom":
        with h5py.File(path, "w") as file:
            file["matrix"] = frame.to_numpy()
            file["row_attrs/gene"], file["col_attrs/sample"] = genes.astype("S"), samples.astype("S")
        return
    write_native(
        path,
        AxisTable("gene", {"gene": genes}),
        AxisTable("sample", {"sample": samples}),
        [LayerSource("TPM", InMemory(frame.to_numpy()), np.dtype(np.float32), False)],
    )


class _Catalogue:
    """A server of a catalogue that can be changed, since starting one for each example would take most of the time."""

    def __init__(self, directory: Path) -> None:
        self._study = new_study(directory) / "study.yaml"
        self._files = itertools.count()
        self.clients = client_of(directory, cache_bytes=0, reload_seconds=1e-6)

    def publish(self, matrices: list[pd.DataFrame]) -> None:
        """Put these matrices in the place of those that are there, one in two as loom."""
        entries = []
        for number, frame in enumerate(matrices):
            file = f"{next(self._files)}.{('h5', 'loom')[number % 2]}"
            _write(self._study.with_name(file), frame)
            entries.append(f"  - {{id: m{number}, file: {file}, units: TPM, feature_id: gene, sample_id: sample}}\n")
        self._study.write_text("id: s\nexpressions:\n" + "".join(entries))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> _Catalogue:
    return _Catalogue(tmp_path_factory.mktemp("joins"))


@pytest.fixture(scope="module")
def client(catalogue: _Catalogue) -> Iterator[TestClient]:
    yield from catalogue.clients


@pytest.fixture(scope="module", params=[1, 20, None], ids=["by rows", "by panels", "at once"])
def panels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Few bytes read of all files at once, and fewer given."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param is not None:
            patch.setattr("rnaget_server.stores.blocks.PANEL_BYTES", 2 * request.param)
            patch.setattr("rnaget_server.stores.blocks.BLOCK_BYTES", request.param)
        yield


@pytest.mark.usefixtures("panels")
@given(CATALOGUES, st.sets(st.sampled_from(GENES)))
@settings(max_examples=examples(60), deadline=None)
def test_cells_stay_with_their_features_and_samples(
    catalogue: _Catalogue, client: TestClient, features: list[tuple[list[str], int]], chosen: set[str]
) -> None:
    matrices = [_frame(number, genes[:count]) for number, (genes, count) in enumerate(features)]
    selected = [frame.loc[[gene for gene in frame.index if gene in chosen or not chosen]] for frame in matrices]
    expected = pd.concat([frame for frame in selected if len(frame)] or [pd.DataFrame()], axis=1, sort=False)
    catalogue.publish(matrices)
    query = {"format": "json", **({"featureIDList": sorted(chosen)} if chosen else {})}
    reply = client.get("/rnaget/expressions/bytes", params=query)
    if expected.empty:
        assert reply.status_code == 404
        return
    assert reply.status_code == 200, reply.text
    found = reply.json()
    index, columns = (found[axis]["attributes"][found[axis]["id"]] for axis in ("features", "samples"))
    table = pd.DataFrame(found["values"], index, columns, np.float32)
    pd.testing.assert_frame_equal(table, expected, check_names=False)


def test_equal_features_of_many_matrices_are_held_once() -> None:
    """Of two thousand matrices they would be gigabytes."""
    several = [feature_labels(list(genes)) for genes in ("ABC", "ABC", "BCD", "ABC", "BCD")]
    first, second, third, fourth, fifth = _row_plan(several)
    assert first is second is fourth
    assert third is fifth
    assert (first.tolist(), third.tolist()) == ([0, 1, 2, -1], [-1, 0, 1, 2])


class _InPieces(InMemoryLabels):
    """Labels of which a column is never asked for whole, and that are ASCII where they can be."""

    def column(self, attribute: str) -> np.ndarray:
        raise AssertionError("all of a million texts would take some hundred megabytes")

    def pieces(self, attribute: str, size: int = 1 << 16) -> Iterator[np.ndarray]:
        values = self.columns[attribute]
        for start in range(0, len(values), size):
            yield values[start : start + size]


def test_labels_of_samples_are_made_some_at_a_time() -> None:
    first = {"sample": np.array([b"a", b"b", b"c"]), "tissue": texts(["β", "", "liver"]), "age": np.array([3, 1, 2])}
    second = {"cell": texts(["a", "é"]), "age": np.array([0.5, np.nan]), "mixed": np.array([7, 8])}
    third = {"sample": np.array([b"z"]), "mixed": texts(["x"]), "dose": np.array([9])}
    columns = (first, second, third)
    parts = [
        Part(f"m{number}", None, "TPM", None, None, feature_labels(["g"]), _InPieces(of, next(iter(of))))  # type: ignore[arg-type]
        for number, of in enumerate(columns)
    ]
    samples = _JoinedSamples(parts)
    frames = [
        pd.DataFrame({key: [*map(_text, of[key])] for key in of}).rename(columns={"cell": "sample"}) for of in columns
    ]
    for number, frame in enumerate(frames):
        frame["expressionID"] = f"m{number}"
    expected = pd.concat(frames, ignore_index=True)
    assert {*samples.attributes} == {*expected.columns}
    for name in samples.attributes:
        pieces = list(samples.pieces(name, 2))
        assert max(map(len, pieces)) <= 2
        found = pd.Series(np.concatenate(pieces))
        if expected[name].dtype == object:
            assert found.tolist() == [*map(str, expected[name].fillna(""))], name
            continue
        pd.testing.assert_series_equal(found, expected[name], check_names=False, check_dtype=False)
        assert len({piece.dtype for piece in pieces}) == 1


def test_samples_of_empty_matrices_have_all_attributes() -> None:
    labels = [InMemoryLabels({name: texts([])}, name) for name in ("sample", "cell")]
    parts = [Part(f"m{number}", None, "TPM", None, None, feature_labels(["g"]), of) for number, of in enumerate(labels)]  # type: ignore[arg-type]
    samples = _JoinedSamples(parts)
    assert samples.attributes == ("sample", "expressionID")
    for name in samples.attributes:
        assert samples.column(name).tolist() == []
        assert is_text(samples, name)


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value
