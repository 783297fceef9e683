"""Random queries, each with what its reply must be, worked out by pandas from the source cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.readers import Table
from benchmarks.soak_data import CHROMOSOME, LENGTH, TISSUES, Source

_UNKNOWN_SHARE = 0.1
_LONGEST = 3_000
_MOST_BINS = 60


@dataclass(frozen=True)
class Query:
    """A request, the status of its reply, and what a reply of status 200 must hold."""

    path: str
    given: list[tuple[str, str]]
    format: str
    status: int
    expected: Table | None
    joined: bool = False
    """Several matrices may be in it, whose features may come in any order."""

    tracks: bool = False
    """Rows are tracks and columns positions."""

    about: bool = False
    """Values are computed, and right but for the last digits."""


def matrix_query(random: np.random.Generator, source: Source, format: str) -> Query:
    """Return a slice of one matrix, or of all in one unit joined."""
    joined = random.random() < 0.25
    names = ["a", "b"] if joined else [str(random.choice(list(source.cells)))]
    given = [("format", format), *_selection(random, source, names)]
    if joined:
        given.append(("units", "TPM"))
    selected = [part for name in names if (part := _selected(source, name, dict(given))).size]
    inside = [_within_bounds(part, dict(given)) for part in selected]
    # A feature that is outside in one matrix is left out of all.
    outside = [gene for part, ok in zip(selected, inside, strict=True) for gene in part.index[~ok]]
    parts = [part for one in selected if (part := one[~one.index.isin(outside)]).size]
    path = "/rnaget/expressions/bytes" if joined else f"/rnaget/expressions/{names[0]}/bytes"
    if not parts:
        return Query(path, given, format, 404, None, joined)
    both = pd.concat(parts, axis=1)
    expected = Table(list(both.index), list(both.columns), both.to_numpy())
    return Query(path, given, format, 200, expected, joined)


def _selection(random: np.random.Generator, source: Source, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return some parameters, each with values that mostly exist."""
    one = str(random.choice(names))
    genes, samples = source.genes[one], source.samples[one]
    bounds = sorted(random.integers(200, 20_000, 2).tolist())
    least = round(float(random.lognormal(-3, 2)), 3)
    possible: dict[str, Any] = {
        "featureIDList": lambda: _some(random, list(genes.index), 40),
        "featureNameList": lambda: _some(random, list(genes["symbol"]), 40),
        "sampleIDList": lambda: _some(random, list(samples.index), 30),
        "Tissue": lambda: _some(random, TISSUES, 2),
        "Tissue_not": lambda: _some(random, TISSUES, 2),
        "age_min": lambda: str(random.integers(20, 50)),
        "age_max": lambda: str(random.integers(50, 80)),
        "length_min": lambda: str(bounds[0]),
        "length_max": lambda: str(bounds[1]),
        "feature_min_value": lambda: str(least),
        "feature_max_value": lambda: str(round(least + float(random.lognormal(4, 2)), 3)),
    }
    chosen = random.choice(list(possible), random.integers(0, 4), replace=False)
    return [(str(name), possible[name]()) for name in chosen]


def _some(random: np.random.Generator, values: Sequence[str], most: int) -> str:
    count = min(len(values), int(random.integers(1, most + 1)))
    chosen = [str(one) for one in random.choice(np.array(values), count, replace=False)]
    if random.random() < _UNKNOWN_SHARE:
        chosen.append("NOT-THERE")
    return ",".join(dict.fromkeys(chosen))


def _selected(source: Source, name: str, given: dict[str, str]) -> pd.DataFrame:
    """Return what one matrix has of a query."""
    cells, genes, samples = source.cells[name], source.genes[name], source.samples[name]
    rows = pd.Series(True, genes.index)
    columns = pd.Series(True, samples.index)
    lists = {key: value.split(",") for key, value in given.items()}
    if "featureIDList" in given:
        rows &= genes.index.isin(lists["featureIDList"])
    if "featureNameList" in given:
        rows &= genes["symbol"].isin(lists["featureNameList"])
    if "sampleIDList" in given:
        columns &= samples.index.isin(lists["sampleIDList"])
    if "Tissue" in given:
        columns &= samples["Tissue"].isin(lists["Tissue"])
    if "Tissue_not" in given:
        columns &= ~samples["Tissue"].isin(lists["Tissue_not"])
    columns &= samples["Age"].between(float(given.get("age_min", 0)), float(given.get("age_max", 1e9)))
    rows &= genes["Length"].between(float(given.get("length_min", 0)), float(given.get("length_max", 1e9)))
    return cells.loc[rows, columns]


def _within_bounds(cells: pd.DataFrame, given: dict[str, str]) -> pd.Series[bool]:
    """Return which rows have all their cells within the bounds of a query; NaN lies nowhere."""
    inside = pd.Series(True, cells.index)
    if "feature_min_value" in given:
        inside &= (cells >= float(given["feature_min_value"])).all(axis=1)
    if "feature_max_value" in given:
        inside &= (cells <= float(given["feature_max_value"])).all(axis=1)
    return inside


def track_query(random: np.random.Generator, source: Source, format: str) -> Query:
    """Return a range of some tracks, base by base or in bins."""
    start = int(random.integers(0, LENGTH - 1))
    stop = min(LENGTH, start + int(random.integers(1, _LONGEST)))
    most = 1 if format == "bigwig" else len(source.tracks)
    names = list(source.tracks.index)
    chosen = sorted(random.choice(names, random.integers(1, most + 1), replace=False).tolist())
    given = [("format", format), ("chr", CHROMOSOME), ("start", str(start)), ("end", str(stop))]
    given.append(("sampleIDList", ",".join(chosen)))
    values = source.tracks.loc[chosen].to_numpy()[:, start:stop]
    edges = np.arange(start, stop + 1)
    binned = random.random() < 0.4
    if binned:
        bins = int(random.integers(1, min(_MOST_BINS, stop - start) + 1))
        summary = str(random.choice(["mean", "min", "max", "coverage"]))
        given += [("bins", str(bins)), ("summary", summary)]
        edges = start + np.arange(bins + 1) * (stop - start) // bins
        values = _summarised(values, edges - start, summary)
    path = "/rnaget/continuous/t/bytes"
    if format == "bigwig" and np.isnan(values).all():
        return Query(path, given, format, 404, None, tracks=True)
    if format in ("bedgraph", "bigwig"):
        return Query(path, given, format, 200, _as_intervals(chosen, values, edges, format), False, True, binned)
    pairs = itertools.pairwise(edges)
    # A bin is named by both its ends, however short it is.
    columns = [f"{CHROMOSOME}:{low}-{high}" if binned else f"{CHROMOSOME}:{low}" for low, high in pairs]
    return Query(path, given, format, 200, Table(chosen, columns, values), False, True, binned)


def _summarised(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any], summary: str) -> np.ndarray[Any, Any]:
    parts = [values[:, low:high].astype(np.float64) for low, high in itertools.pairwise(edges)]
    if summary == "coverage":
        return np.stack([np.mean(~np.isnan(part), axis=1) for part in parts], axis=1)
    return np.stack([pd.DataFrame(part).agg(summary, axis=1).to_numpy() for part in parts], axis=1)


def _as_intervals(names: list[str], values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any], format: str) -> Table:
    """Return what the readers of intervals give: every base from 0 to the last with data."""
    bases = np.repeat(values, np.diff(edges), axis=1)
    covered = np.flatnonzero(~np.isnan(bases).all(axis=0))
    stop = int(covered[-1]) + 1 if covered.size else 0
    start = int(edges[0]) if covered.size else 0
    cells = np.concatenate([np.full((len(names), start), np.nan), bases[:, :stop]], axis=1)
    return Table(names if format == "bedgraph" else [""], None, cells)
