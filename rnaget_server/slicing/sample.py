"""One sample, or cell, of a matrix: its attributes, its highest features, and how its values are spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownId, shown, unknown_choice
from rnaget_server.model.columns import as_texts
from rnaget_server.slicing.summaries.statistics import summarise
from rnaget_server.stores.base import MatrixStore

MOST_HIGHEST = 50
_SPREAD = ("min", "q1", "median", "q3", "max")


@dataclass(frozen=True)
class HighFeature:
    """A feature, its value, and its rank among those of the sample: equal values have one rank."""

    rank: int
    id: str
    name: str
    value: float


@dataclass(frozen=True)
class Attribute:
    """An attribute of a sample; `filter` is the name by which samples are filtered by it, if they can be."""

    name: str
    value: str
    filter: str | None


@dataclass(frozen=True)
class Sample:
    """A sample as its page shows it.

    Attributes
    ----------
    units
        Of all values.
    attributes
        Those of the sample, in the order of the file.
    highest
        The features with the highest values, zeros left out.
    features
        How many features the matrix has.
    above_zero
        How many of them are above 0 in the sample.
    missing
        How many have no value.
    quantiles
        Minimum, quartiles and maximum of the values that there are; empty if there is none.
    total
        The sum of the values, the library size, where they are counts; None elsewhere.
    previous, following
        The ids of the samples before and after it.
    number, samples
        Which one it is, from 1, and of how many.
    """

    id: str
    units: str
    attributes: tuple[Attribute, ...]
    highest: tuple[HighFeature, ...]
    features: int
    above_zero: int
    missing: int
    quantiles: tuple[tuple[str, float], ...]
    total: float | None
    previous: str | None
    following: str | None
    number: int
    samples: int


def read_sample(view: View, matrix: Matrix, id: str, units: str | None = None) -> Sample:
    """Return a sample of a matrix. Of the cells only its own are read.

    Raises
    ------
    UnknownId
        If the matrix has no such sample; the message has similar ids.
    InvalidQuery
        If it has no such units.
    Unavailable
        If its file cannot be read.
    """
    store = view.stores.open(matrix)
    units = units or matrix.units
    if units not in store.units:
        raise InvalidQuery(unknown_choice(f"{matrix.id} has no units {shown(units)}", units, store.units, "it has"))
    at = _position(store, matrix, id)
    column = np.concatenate([block[:, 0] for block in store.blocks(units, None, np.array([at]))])
    values = column[~np.isnan(column)]
    previous, following = (_id_at(store, matrix, place) for place in (at - 1, at + 1))
    return Sample(
        id=id,
        units=units,
        attributes=tuple(_attributes(store, matrix, at)),
        highest=tuple(_highest(store, matrix, column)),
        features=len(column),
        above_zero=int(np.count_nonzero(values > 0)),
        missing=len(column) - len(values),
        quantiles=_spread(values),
        total=float(values.sum(dtype=np.float64)) if _are_counts(store, units, values) else None,
        previous=previous,
        following=following,
        number=at + 1,
        samples=store.shape[1],
    )


def _spread(values: NDArray[Any]) -> tuple[tuple[str, float], ...]:
    """Return minimum, quartiles and maximum, as queries for summaries give them; nothing of no values."""
    if not len(values):
        return ()
    with np.errstate(all="ignore"):
        return tuple(zip(_SPREAD, map(float, summarise(values, _SPREAD)), strict=True))


def _position(store: MatrixStore, matrix: Matrix, id: str) -> int:
    index = store.samples.index(matrix.sample_id)
    # An Ensembl-like id would be found with a version, too: only what is called so is meant here.
    for place in index.locate([id])[0].tolist():
        if _id_at(store, matrix, place) == id:
            return int(place)
    found = store.samples.suggest(matrix.sample_id, [id])
    similar = [shown(name) for name in found.alike.get(id, ())]
    hint = f"did you mean {' or '.join(similar)}?" if similar else "its page lists some"
    raise UnknownId(f"{matrix.id} has no sample {shown(id)}: {hint}")


def _id_at(store: MatrixStore, matrix: Matrix, place: int) -> str | None:
    if not 0 <= place < store.samples.size:
        return None
    return as_texts(store.samples.column(matrix.sample_id, np.array([place])))[0]


def _attributes(store: MatrixStore, matrix: Matrix, at: int) -> Sequence[Attribute]:
    filters = {filter.attribute: filter.name for filter in matrix.filters.values() if filter.axis == "sample"}
    place = np.array([at])
    return [
        Attribute(name, as_texts(store.samples.column(name, place))[0], filters.get(name))
        for name in store.samples.attributes
        if name != matrix.sample_id
    ]


def _highest(store: MatrixStore, matrix: Matrix, column: NDArray[Any]) -> Sequence[HighFeature]:
    """Return the features with the highest values; of equal ones the first."""
    places = np.flatnonzero(~np.isnan(column) & (column != 0))
    if len(places) > MOST_HIGHEST:
        border = np.partition(column[places], len(places) - MOST_HIGHEST)[len(places) - MOST_HIGHEST]
        places = places[column[places] >= border]
    places = places[np.argsort(-column[places], kind="stable")][:MOST_HIGHEST]
    values: list[float] = column[places].tolist()
    ids = as_texts(store.features.column(matrix.feature_id, places))
    names = as_texts(store.features.column(matrix.feature_name, places)) if matrix.feature_name else ids
    return [
        HighFeature(values.index(value) + 1, id, name, value)
        for id, name, value in zip(ids, names, values, strict=True)
    ]


def _are_counts(store: MatrixStore, units: str, values: NDArray[Any]) -> bool:
    """Return whether the values are counts: whole numbers, none below 0."""
    return len(values) > 0 and (store.whole(units) or "count" in units.lower()) and bool((values >= 0).all())
