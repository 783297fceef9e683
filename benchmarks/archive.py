"""Searches of the archive among a million samples, from the index on disk; the samples are drawn from a fixed seed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from rnaget_server.archive.grammar import parse
from rnaget_server.archive.index import ArchiveIndex, Search
from rnaget_server.archive.writing import VERSION, Column, IndexWriter

_SAMPLES = 1_000_000
_AT_ONCE = 20_000
_SEED = 20_261_126
_REPEATS = 7
_FILTERED = 50e-3
_EVERYTHING = 100e-3
_ATTRIBUTES = (
    *("tissue", "age", "rin", "sex", "collection_date", "sample_title", "tax_id", "library_layout"),
    *("instrument_model", "base_count", "disease", "donor"),
)
_QUERIES = {
    "one of a million accessions": 'sample_accession="SAMEA00500000"',
    "a tissue": 'tissue="left liver"',
    "a tissue, an age and a sex": 'tissue="left liver" AND age>=50 AND sex="male"',
    "species, layout, bases and date": (
        'tax_eq(9606) AND library_layout="SINGLE" AND base_count>=500000 AND collection_date>=2015-01-01'
    ),
    "*part* of a title, 0 of a million": 'sample_title="*zzz*"',
    "*part* of a title, about 10": 'sample_title="*donor 4711,*"',
    "*part* of a title, 31,000": 'sample_title="*left liver*"',
    "*part* of a title, all": 'sample_title="*RNA*"',
    "*part* of numbers, 100": 'base_count="*12345*"',
}
_SORTS = (("age",), ("tissue", "age"), ("rin", "donor"))


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the first records of searches, counts, and sorting."""
    path = material.directory.parent / f"archive-{VERSION}.sqlite"
    if not path.is_file():
        yield Row(f"index of {_SAMPLES:,} samples", "", Figures((_make(path),)))
    index = ArchiveIndex(path)
    firsts = {name: Search("sample", parse(query), limit=100_000) for name, query in _QUERIES.items()}
    firsts["everything"] = Search("sample")
    ways: dict[str, Callable[[int], object]] = {name: partial(_first, index, each) for name, each in firsts.items()}
    for name, figures in side_by_side(ways, _REPEATS).items():
        most = _EVERYTHING if name == "everything" else _FILTERED
        yield Row(f"first records: {name}", "", figures, most=most)
    sorts = {f"first records by {', '.join(names)}": Search("sample", sort=names) for names in _SORTS}
    for name, figures in side_by_side({name: partial(_first, index, each) for name, each in sorts.items()}, 3).items():
        yield Row(name, "", figures)
    counts = {f"count: {name}": partial(_count, index, each) for name, each in firsts.items()}
    for name, figures in side_by_side(counts, 3).items():
        yield Row(name, "", figures)
    yield Row("memory of sending everything", "", Figures((_memory(index),), "MB"), most=20)


def _first(index: ArchiveIndex, search: Search, number: int) -> None:
    records = index.records(search, list(index.fields("sample").all.values()))
    next(records, None)


def _count(index: ArchiveIndex, search: Search, number: int) -> None:
    index.count(search)


def _memory(index: ArchiveIndex) -> float:
    tracemalloc.start()
    for _ in index.records(Search("sample", limit=100_000), list(index.fields("sample").all.values())):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def _make(path: Path) -> float:
    """Write the index; return the seconds."""
    began = perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    writer = IndexWriter(making)
    writer.declare("sample", [(name, "") for name in _ATTRIBUTES])
    random = np.random.default_rng(_SEED)
    for start in range(0, _SAMPLES, _AT_ONCE):
        writer.add("sample", _drawn(random, range(start, start + _AT_ONCE)), _AT_ONCE)
    writer.finish()
    making.rename(path)
    return perf_counter() - began


def _drawn(random: np.random.Generator, ids: range) -> dict[str, Column]:
    def texts(values: np.ndarray) -> list[str]:
        found: list[str] = values.astype(str).tolist()
        return found

    size = len(ids)
    organs = ("liver", "kidney", "lung", "heart", "brain cortex", "skin", "colon", "muscle")
    tissues = [f"{side} {organ}" for side in ("left", "right", "upper", "lower") for organ in organs]
    tissue, donor = texts(random.choice(tissues, size)), texts(random.integers(0, 50_000, size))
    accessions = [f"SAMEA{id:08}" for id in ids]
    return {
        "study_accession": [f"SRP{id // 1000:06}" for id in ids],
        "sample_accession": accessions,
        "sample_alias": accessions,
        "tissue": tissue,
        "age": texts(random.integers(0, 100, size)),
        "rin": texts(random.uniform(1, 10, size).round(1)),
        "sex": texts(random.choice(["male", "female", ""], size)),
        "collection_date": texts(np.datetime64("2010-01-01") + random.integers(0, 5_000, size)),
        "sample_title": [
            f"RNA of {where} of donor {who}, preparation {id}"
            for where, who, id in zip(tissue, donor, ids, strict=True)
        ],
        "tax_id": texts(random.choice(["9606", "10090", "10116"], size, p=[0.8, 0.15, 0.05])),
        "library_layout": texts(random.choice(["SINGLE", "PAIRED"], size)),
        "instrument_model": texts(random.choice([f"Model {number}" for number in range(12)], size)),
        "base_count": texts(random.integers(10**6, 10**11, size)),
        "disease": texts(random.choice(["none", "cancer", "flu", "diabetes"], size, p=[0.9, 0.05, 0.03, 0.02])),
        "donor": donor,
    }
