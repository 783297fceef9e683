"""A matrix as one sees it who may not see all of its samples: without them, or with no number in their cells.

It is a store like any other, over the open file that all share, so that nothing above has to know of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.datasets.guarded import GuardedStore, Hidden
from rnaget_server.model.access import SampleAccess, SampleRule
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.axis_part import axis_part
from rnaget_server.model.columns import Column, FixedText, Mask, Numbers, as_texts
from rnaget_server.model.sparse import SparseCells
from rnaget_server.model.text import encode_all
from rnaget_server.stores.base import MatrixStore, Points
from rnaget_server.stores.embeddings import coordinates

_ROWS_AT_ONCE = 4096

_log = logging.getLogger(__name__)
_LACKING = "the matrix %s: all its samples are hidden, since rules for them name attributes that they do not have: %s"


def masked(store: GuardedStore, id: str, access: SampleAccess) -> GuardedStore:
    """Return an open matrix with the samples of some rules hidden; `id` is what the log calls it.

    Raises
    ------
    StoreFailure
        If the attributes of the samples cannot be read.
    """

    def show(whole: MatrixStore) -> MatrixStore:
        lacking = _lacking(whole.samples, access)
        if lacking:
            _log.error(_LACKING, id, ", ".join(lacking), extra={"once": f"{id} {store.version}"})
        hidden = hidden_samples(whole.samples, access)
        return without(Hidden.of(hidden, access.others_see == "omit"), whole) if hidden.any() else whole

    return store.shown_as(access.mask, show)


def hidden_samples(samples: Axis, access: SampleAccess) -> Mask:
    """Return which samples some rule is about; all of them, if one names an attribute that they do not have."""
    if _lacking(samples, access):
        return np.ones(samples.size, bool)
    hidden = np.zeros(samples.size, bool)
    for rule in access.rules:
        hidden |= _concerned(samples, rule)
    return hidden


def _lacking(samples: Axis, access: SampleAccess) -> list[str]:
    """Return the attributes that rules name and samples, or those of some file, do not have."""
    named = {name for rule in access.rules for name in rule.where}
    return sorted(named.difference(samples.attributes) | named.intersection(samples.incomplete))


def _concerned(samples: Axis, rule: SampleRule) -> Mask:
    concerned = np.ones(samples.size, bool)
    for attribute, values in rule.where.items():
        concerned &= _having(samples.read(attribute), samples.size, values)
    return concerned


def _having(column: Column, size: int, values: frozenset[str]) -> Mask:
    """Return where a column has one of some values: as it compares them, or as they are shown.

    The two differ where a number is written in two ways, and in a file of another program that has a text in a form of
    its own. A sample that may be meant is hidden.
    """
    having = np.array(column.among(sorted(values))[0])
    for start in range(0, size, _ROWS_AT_ONCE):
        texts = as_texts(column.take(np.arange(start, min(start + _ROWS_AT_ONCE, size))))
        having[start : start + len(texts)] |= np.fromiter((text in values for text in texts), bool, len(texts))
    return having


def without(hidden: Hidden, whole: MatrixStore) -> MatrixStore:
    """Return a matrix with some samples hidden."""
    return _Omitted(whole, hidden) if hidden.omitted else _Blanked(whole, hidden)


class _Masked:
    """The parts of a store without some of its samples that are those of the whole."""

    def __init__(self, whole: MatrixStore, hidden: Hidden) -> None:
        self._whole = whole
        self.hidden = hidden
        self.units = whole.units
        self.features = whole.features
        self.embeddings: tuple[str, ...] = tuple(getattr(whole, "embeddings", ()))
        self.dtype = whole.dtype
        self.whole = whole.whole

    def ranges(self, units: str) -> None:
        """Return None: those of the file are of all samples."""


class _Omitted(_Masked):
    """A matrix without some of its samples."""

    def __init__(self, whole: MatrixStore, hidden: Hidden) -> None:
        super().__init__(whole, hidden)
        self._visible = np.flatnonzero(~hidden.mask)
        self.shape = (whole.shape[0], len(self._visible))
        self.samples = axis_part(whole.samples, self._visible)

    def embedding(self, name: str) -> Points:
        """Return the points of the visible samples."""
        return self._whole.embedding(name)[self._visible]

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of the selection of visible samples."""
        return self._whole.blocks(units, features, self._at(samples))

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the selection of visible samples without its zeros, if the layer is stored so."""
        return self._whole.sparse(units, features, self._at(samples))

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what the file holds of the selection between two blocks, at most; in bytes."""
        return _held(self._whole, units, features, self._at(samples))

    def _at(self, samples: Positions | None) -> Positions:
        return self._visible if samples is None else self._visible[samples]


class _Blanked(_Masked):
    """A matrix in which every cell of some samples is NaN, as are their places in embeddings."""

    def __init__(self, whole: MatrixStore, hidden: Hidden) -> None:
        super().__init__(whole, hidden)
        self._hidden = hidden.mask
        self.shape = whole.shape
        self.samples = _without_places(whole.samples, self._hidden)

    def embedding(self, name: str) -> Points:
        """Return the points, NaN for a hidden sample."""
        points = self._whole.embedding(name).copy()
        points[self._hidden] = np.nan
        return points

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of the selection with NaN in the cells of hidden samples."""
        hidden = self._hidden if samples is None else self._hidden[samples]
        for block in self._whole.blocks(units, features, samples):
            cells = block if block.flags.writeable else block.copy()
            cells[:, hidden] = np.nan
            yield cells

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> None:
        """Return None: a hidden sample has no zeros that could be left out."""

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what the file holds of the selection between two blocks, at most; in bytes."""
        return _held(self._whole, units, features, samples)


def _held(whole: MatrixStore, units: str, features: Positions | None, samples: Positions | None) -> int:
    held: Callable[..., int] | None = getattr(whole, "held", None)
    return 0 if held is None else held(units, features, samples)


def _without_places(samples: Axis, hidden: Mask) -> Axis:
    """Return the samples without the attributes of hidden ones that are coordinates of an embedding."""
    places = coordinates(samples.attributes)
    if not places:
        return samples

    def read(attribute: str) -> Column:
        column = samples.read(attribute)
        if attribute not in places or samples.kind(attribute) != "number":
            return column
        return Numbers(partial(_blanked, column, hidden)) if column.is_number else _blanked_texts(column, hidden)

    def index(attribute: str) -> Any:
        return None if attribute in places else samples.index(attribute)

    return Axis(samples.size, samples.attributes, read, index)


def _blanked(column: Column, hidden: Mask) -> NDArray[np.float64]:
    numbers = column.take(None).astype(np.float64)
    numbers[hidden] = np.nan
    return numbers


def _blanked_texts(column: Column, hidden: Mask) -> Column:
    texts = zip(as_texts(column.take(None)), hidden.tolist(), strict=True)
    return FixedText(encode_all("" if is_hidden else text for text, is_hidden in texts))
