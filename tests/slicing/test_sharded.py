"""A matrix cut into files: every slice, summary and format over HTTP is what pandas says of the whole."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.stores.native.write_dense import AxisTable
from tests.conftest import client_of, examples, new_study
from tests.stores.sharded.cutting import cut
from tests.writers.readers import LONG, READERS

KINDS = ("dense", "sparse", "csr", "array", "loom")
TISSUES = ("liver", "heart", "β-cell", "")
SUMMARIES = {"mean": "mean", "median": "median", "sum": "sum", "min": "min", "max": "max", "n": "count"}
_FORMATS = [name for name, writer in Registry(WRITERS).all().items() if "expressions" in writer.groups]
_ENTRY = (
    "{{id: m, files: [{files}], units: TPM, feature_id: gene, sample_id: sample, filters: "
    "{{tissue: {{attribute: tissue, axis: sample}}, age: {{attribute: age, axis: sample}}}}}}"
)


@dataclass(frozen=True)
class Drawn:
    """A matrix, its samples, and how it is cut."""

    cells: pd.DataFrame
    samples: pd.DataFrame
    kinds: list[str]
    borders: list[int]
    orders: list[Any]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    features, samples = draw(st.integers(1, 6)), draw(st.integers(2, 9))
    borders = sorted(draw(st.sets(st.integers(1, samples - 1), max_size=3)))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=len(borders) + 1, max_size=len(borders) + 1))
    values = st.sampled_from([0, 0, 1, 2.5, 7, 100]) | (st.just(np.nan) if "csr" not in kinds else st.just(3))
    cells = [[draw(values) for _ in range(samples)] for _ in range(features)]
    orders = [draw(st.none() | st.permutations(range(features)).map(np.array)) for _ in range(len(kinds))]
    genes = draw(st.permutations([f"G{number}" for number in range(features)]))
    ids = draw(st.permutations([f"s{number}" for number in range(samples)]))
    return Drawn(
        pd.DataFrame(cells, pd.Index(genes, dtype=object), pd.Index(ids, dtype=object), np.float32),
        pd.DataFrame(
            {
                "tissue": [draw(st.sampled_from(TISSUES)) for _ in range(samples)],
                "age": [draw(st.sampled_from([20.0, 30.0, 40.0])) for _ in range(samples)],
            },
            pd.Index(ids, dtype=object),
        ),
        kinds,
        [0, *borders, samples],
        [None, *orders[1:]],
    )


class _Catalogue:
    """A server whose one matrix is changed for each example."""

    def __init__(self, directory: Path) -> None:
        self._study = new_study(directory) / "study.yaml"
        self._numbers = itertools.count()
        self.clients = client_of(directory, cache_bytes=0, reload_seconds=1e-6, rate_limit="")

    def publish(self, source: Drawn) -> None:
        directory = self._study.parent / str(next(self._numbers))
        directory.mkdir()
        cells, ids = source.cells, source.cells.columns.to_numpy(object)
        features = AxisTable("gene", {"gene": cells.index.to_numpy(object)})
        columns = {"sample": ids, **{name: source.samples[name].to_numpy() for name in ("tissue", "age")}}
        columns["tissue"] = columns["tissue"].astype(object)
        points = np.arange(2 * len(ids), dtype=np.float32).reshape(-1, 2)
        samples = AxisTable("sample", columns, embeddings={"X_umap": points})
        layers = [("TPM", cells.to_numpy(), False)]
        paths = cut(directory, features, samples, layers, source.kinds, source.borders, source.orders)
        files = ", ".join(f"{directory.name}/{path.name}" for path in paths)
        self._study.write_text(f"id: s\nexpressions:\n  - {_ENTRY.format(files=files)}\n")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> _Catalogue:
    return _Catalogue(tmp_path_factory.mktemp("sharded"))


@pytest.fixture(scope="module")
def client(catalogue: _Catalogue) -> Iterator[TestClient]:
    yield from catalogue.clients


def _get(client: TestClient, format: str = "tsv", **parameters: object) -> bytes:
    reply = client.get("/rnaget/expressions/m/bytes", params={"format": format, **parameters})
    assert reply.status_code == 200, reply.text
    return reply.content


def _frame(client: TestClient, **parameters: object) -> pd.DataFrame:
    data = io.BytesIO(_get(client, **parameters))
    found = pd.read_csv(
        data, sep="\t", index_col=0, float_precision="round_trip", keep_default_na=False, na_values="NaN"
    )
    return found.astype(np.float64)


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.index.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(np.float64), rtol=1e-6, equal_nan=True)


@settings(max_examples=examples(60), deadline=None)
@given(drawn(), st.data())
def test_every_slice_is_that_of_pandas(
    catalogue: _Catalogue, client: TestClient, source: Drawn, data: st.DataObject
) -> None:
    catalogue.publish(source)
    cells, samples = source.cells, source.samples
    _same(_frame(client), cells)
    genes = data.draw(st.sets(st.sampled_from(cells.index.tolist()), min_size=1))
    ids = data.draw(st.sets(st.sampled_from(cells.columns.tolist()), min_size=1))
    part = cells.loc[[gene in genes for gene in cells.index], [id in ids for id in cells.columns]]
    found = _frame(client, featureIDList=",".join(genes), sampleIDList=",".join([*ids, "none"]))
    _same(found, part)
    tissue = data.draw(st.sampled_from(samples["tissue"].tolist()))
    if tissue:
        for asked, ignoring in ((tissue, {}), (tissue, {"age_min": 30})):
            kept = (samples["tissue"] == asked) & (samples["age"] >= ignoring.get("age_min", 0))
            if kept.any():
                _same(_frame(client, tissue=asked, **ignoring), cells.loc[:, kept])
    least = data.draw(st.sampled_from([0.0, 1.0, 2.5]))
    above = cells.loc[(cells >= least).all(axis=1)]
    if len(above):
        _same(_frame(client, feature_min_value=least), above)
    highest = set[str]().union(*(column.dropna().nlargest(1, keep="first").index for _, column in cells.items()))
    if highest:
        _same(_frame(client, top=1), cells.loc[[gene in highest for gene in cells.index]])


@settings(max_examples=examples(40), deadline=None)
@given(drawn(), st.sampled_from(sorted(SUMMARIES)))
def test_every_summary_is_that_of_pandas(
    catalogue: _Catalogue, client: TestClient, source: Drawn, summary: str
) -> None:
    catalogue.publish(source)
    tissues = source.samples["tissue"]
    named = [name for name in dict.fromkeys(tissues) if name]
    if not named:
        assert client.get("/rnaget/expressions/m/bytes", params={"group_by": "tissue"}).status_code == 404
        return
    groups = {name: source.cells.loc[:, tissues == name].astype(np.float64) for name in named}
    expected = pd.DataFrame({name: getattr(group, SUMMARIES[summary])(axis=1) for name, group in groups.items()})
    _same(_frame(client, group_by="tissue", summary=summary), expected)


@settings(max_examples=examples(8), deadline=None)
@given(drawn())
def test_every_format_has_all_cells(catalogue: _Catalogue, client: TestClient, source: Drawn) -> None:
    catalogue.publish(source)
    cells = source.cells
    features, samples = cells.index.tolist(), cells.columns.tolist()
    with TemporaryDirectory() as directory:
        for format in _FORMATS:
            found = READERS[format](_get(client, format), Path(directory))
            if format in LONG:
                found = found.within(features, samples)
            assert (found.features, found.samples) == (features, samples), format
            assert np.array_equal(found.cells.astype(np.float32), cells.to_numpy(), equal_nan=True), format


@settings(max_examples=examples(15), deadline=None)
@given(drawn())
def test_labels_and_counts_are_those_of_the_whole(catalogue: _Catalogue, client: TestClient, source: Drawn) -> None:
    catalogue.publish(source)
    info = client.get("/rnaget/expressions/m/info").json()
    assert (info["shape"]["features"], info["shape"]["samples"]) == source.cells.shape
    page = client.get("/rnaget/expressions/m/samples").json()
    assert [sample["id"] for sample in page["data"]] == source.cells.columns.tolist()
    assert [sample["attributes"]["tissue"] or "" for sample in page["data"]] == source.samples["tissue"].tolist()
    assert [float(sample["attributes"]["age"]) for sample in page["data"]] == source.samples["age"].tolist()
