"""Random catalogues, random queries, every format: what is read back equals pandas on the source files."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.plugins import Registry
from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.settings import Settings
from tests.conftest import examples, import_matrix
from tests.writers.readers import LONG, READERS

GENES = [f"G{number}" for number in range(9)]
WRITERS = Registry("rnaget_server.writers")
# Of the long tables, which have the same cells, one.
SERVED = [
    format for format in READERS if "expressions" in WRITERS[format].groups and format not in ("tsv.long", "arrow.long")
]
CELLS = st.sampled_from([0.0, 0.0, 0.1, 0.7, 1.5, 3.0, 1234.5, 16777217.0, 1e-7, float("nan")])


@dataclass(frozen=True)
class Source:
    """A matrix as it was before it was imported."""

    id: str
    units: str
    cells: pd.DataFrame
    samples: pd.DataFrame


@st.composite
def sources(draw: st.DrawFn) -> list[Source]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        genes = draw(st.lists(st.sampled_from(GENES), min_size=1, unique=True))
        samples = [f"m{number}s{one}" for one in range(draw(st.integers(1, 5)))]
        row = st.lists(CELLS, min_size=len(samples), max_size=len(samples))
        cells = pd.DataFrame([draw(row) for _ in genes], genes, samples, np.float32)
        table = pd.DataFrame(
            {
                # One value at least, since an attribute of none has no filter.
                "Tissue": [
                    draw(st.sampled_from(["liver", "heart", *([""] * (one > 0))])) for one in range(len(samples))
                ],
                "age": [draw(st.integers(1, 9)) for _ in samples],
            },
            samples,
        )
        made.append(Source(f"m{number}", draw(st.sampled_from(["TPM", "TPM", "FPKM"])), cells, table))
    return made


@st.composite
def queries(draw: st.DrawFn) -> dict[str, object]:
    """Parameters with lists as lists; about half of them is asked at a time."""
    few = {
        "featureIDList": st.lists(st.sampled_from([*GENES, "NOPE"]), min_size=1, max_size=5),
        "featureIDList_not": st.lists(st.sampled_from(GENES), min_size=1, max_size=3),
        "sampleIDList": st.lists(st.sampled_from([f"m{m}s{s}" for m in range(3) for s in range(4)]), min_size=2),
        "Tissue": st.lists(st.sampled_from(["liver", "heart", "brain"]), min_size=1, max_size=2),
        "Tissue_not": st.just(["liver"]),
        "feature_min_value": st.sampled_from([0, 0.7, 1.5]),
        "age_min": st.integers(0, 5),
        "age_max": st.integers(5, 10),
    }
    return {name: draw(one) for name, one in few.items() if draw(st.integers(0, 3)) == 0}


def selected(source: Source, query: dict[str, object]) -> pd.DataFrame:
    """The selection of pandas from one source, judged by its tables alone."""
    cells, samples = source.cells, source.samples
    kept = pd.Series(True, samples.index)
    if "sampleIDList" in query:
        kept &= samples.index.isin(query["sampleIDList"])
    if "Tissue" in query:
        kept &= samples["Tissue"].isin(query["Tissue"])
    if "Tissue_not" in query:
        kept &= ~samples["Tissue"].isin(query["Tissue_not"])
    kept &= samples["age"].between(query.get("age_min", 0), query.get("age_max", 99))
    rows = cells.index.isin(query.get("featureIDList", GENES)) & ~cells.index.isin(query.get("featureIDList_not", []))
    return cells.loc[rows, kept[kept].index]


def expected(catalogue: list[Source], query: dict[str, object]) -> pd.DataFrame | None:
    """The outer join of what all sources in the units of the first match have; None where nothing matches."""
    parts = [(one.units, selected(one, query)) for one in catalogue]
    parts = [(units, part) for units, part in parts if part.size]
    joined = [part for units, part in parts if units == parts[0][0]]
    if "feature_min_value" in query:  # a feature stays if every cell that a matrix has of it is that large
        least = np.float32(query["feature_min_value"])
        small = {gene for part in joined for gene in part.index[~(part >= least).all(axis=1)]}
        joined = [part.drop(index=list(small.intersection(part.index))) for part in joined]
        joined = [part for part in joined if part.size]
    return pd.concat(joined, axis=1, sort=False) if joined else None


def published(catalogue: list[Source], directory: Path) -> TestClient:
    for one in catalogue:
        cells, samples = directory / f"{one.id}.tsv", directory / f"{one.id}.samples.tsv"
        one.cells.astype(object).to_csv(cells, sep="\t", index_label="gene", na_rep="NaN")
        one.samples.to_csv(samples, sep="\t", index_label="sample")
        import_matrix(directory, cells, "--id", one.id, "--units", one.units, "--samples", str(samples))
    return TestClient(create_app(Settings(data=directory, reload_seconds=0, cache_bytes=0, rate_limit="")))


@given(sources(), st.lists(queries(), min_size=1, max_size=3), st.booleans())
@settings(max_examples=examples(18), deadline=None, suppress_health_check=list(HealthCheck))
def test_every_format_holds_what_pandas_selects(
    catalogue: list[Source], asked: list[dict[str, object]], posted: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        client = published(catalogue, directory)
        for query in asked:
            for path, sources in [("bytes", catalogue), (f"{catalogue[-1].id}/bytes", catalogue[-1:])]:
                wanted = expected(sources, query)
                for format in SERVED:
                    url, parameters = f"/rnaget/expressions/{path}", {**query, "format": format}
                    reply = client.post(url, json=parameters) if posted else client.get(url, params=parameters)
                    assert reply.status_code == (404 if wanted is None else 200), reply.text
                    if wanted is None:
                        break
                    found = READERS[format](reply.content, directory)
                    if format in LONG:
                        found = found.within(list(wanted.index), list(wanted.columns))
                    assert found.features == list(wanted.index)
                    assert found.samples == list(wanted.columns)
                    np.testing.assert_array_equal(found.cells.astype(np.float32), wanted.to_numpy(), format)
                    check = client.get(url.replace("bytes", "ticket"), params=parameters).json()
                    assert check["md5"] == hashlib.md5(reply.content).hexdigest()


@given(sources(), st.sampled_from(MATRIX_SUMMARIES))
@settings(max_examples=examples(18), deadline=None, suppress_health_check=list(HealthCheck))
def test_groups_are_those_of_pandas(catalogue: list[Source], summary: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        client = published(catalogue, directory)
        one = catalogue[0]
        groups = one.samples["Tissue"].where(one.samples["Tissue"] != "")
        url = f"/rnaget/expressions/{one.id}/bytes?group_by=Tissue&summary={summary}"
        replies = {format: client.get(f"{url}&format={format}") for format in ("tsv", "json", "arrow", "parquet")}
        if groups.isna().all():
            assert {reply.status_code for reply in replies.values()} == {404}
            return
        wanted = _summarised(one.cells.astype(np.float64).T.groupby(groups, sort=False), summary).T
        for format, reply in replies.items():
            assert reply.status_code == 200, reply.text
            found = READERS[format](reply.content, directory)
            assert (found.features, found.samples) == (list(wanted.index), list(wanted.columns))
            np.testing.assert_allclose(found.cells.astype(float), wanted.to_numpy(float), 1e-6, 1e-12, err_msg=format)


def _summarised(groups: pd.core.groupby.DataFrameGroupBy, summary: str) -> pd.DataFrame:
    if summary in ("q1", "q3"):
        return groups.quantile(0.25 if summary == "q1" else 0.75)
    if summary == "n":
        return groups.count()
    if summary == "fraction":
        return groups.agg(lambda cells: (cells.dropna() > 0).mean())
    if summary == "fraction_nonzero":
        return groups.agg(lambda cells: (cells.dropna() != 0).mean())
    return getattr(groups, summary)()
