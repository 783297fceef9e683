"""The look at all files of a sharded matrix when it is opened: that they fit together, and what each has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import FixedText, Numbers, as_texts
from rnaget_server.model.text import decode
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.sharded.files import OpenShards, ShardFile

_MOST_NAMED = 5


@dataclass(frozen=True)
class Shard:
    """A file of a sharded matrix.

    Attributes
    ----------
    file
        The file.
    samples
        How many samples it has.
    order
        Where each feature of the matrix is in it; None if they are in the same order.
    sparse
        The units of the layers that are stored without zeros.
    both_ways
        Whether these are stored along both axes.
    separable
        Whether places and values of these can be read without one another.
    embeddings
        The names of its embeddings.
    """

    file: ShardFile
    samples: int
    order: Positions | None
    sparse: frozenset[str]
    both_ways: bool
    separable: bool
    embeddings: tuple[str, ...]


class Attributes:
    """The attributes of the samples of several files: in which files there are some, as numbers or as text.

    Attributes
    ----------
    incomplete
        Those that some file does not have, with the name of such a file.
    """

    def __init__(self) -> None:
        self.incomplete: dict[str, str] = {}
        self._names: dict[str, None] = {}
        self._numbers: dict[str, np.dtype[Any]] = {}
        self._texts: set[str] = set()
        self._with_gaps: set[str] = set()
        self._last: str | None = None

    def add(self, axis: Axis, name: str) -> None:
        """Take note of the attributes of a file of that name."""
        if self._last is not None:
            for missing in self._names.keys() ^ set(axis.attributes):
                self.incomplete.setdefault(missing, name if missing in self._names else self._last)
        self._last = name
        for attribute in axis.attributes:
            self._names.setdefault(attribute)
            column = axis.read(attribute)
            if isinstance(column, Numbers):
                known = self._numbers.get(attribute, column.dtype)
                self._numbers[attribute] = np.result_type(known, column.dtype)
            elif attribute not in self._texts:
                # A column without a text is no reason to take the numbers of other files for text.
                (self._with_gaps if column.distinct(0) == [] else self._texts).add(attribute)

    @property
    def types(self) -> dict[str, np.dtype[Any] | None]:
        """The type of the numbers of each attribute, None for text."""
        return {attribute: self._type(attribute) for attribute in self._names}

    def _type(self, attribute: str) -> np.dtype[Any] | None:
        number = None if attribute in self._texts else self._numbers.get(attribute)
        has_gaps = attribute in self.incomplete or attribute in self._with_gaps
        return np.dtype(np.float64) if number is not None and has_gaps else number


class _Orders:
    """The orders in which files have the features of the first one; files of the same order share one array."""

    def __init__(self, axis: Axis, attribute: str, name: str) -> None:
        self._attribute = attribute
        self._name = name
        self._first = _texts(_ids(axis, attribute, name))
        self._known: dict[bytes, Positions | None] = {}

    def of(self, axis: Axis, name: str) -> Positions | None:
        """Return where each feature of the first file is in another; None if all are in the same places.

        Raises
        ------
        OSError
            If the features are not the same.
        """
        ids = _ids(axis, self._attribute, name)
        key = _digest(ids)
        if key not in self._known:
            self._known[key] = self._compared(_texts(ids), name)
        return self._known[key]

    def _compared(self, ids: list[str], name: str) -> Positions | None:
        if ids == self._first:
            return None
        places = {id: place for place, id in enumerate(ids)}
        if len(places) < len(ids):
            raise OSError(f"{name} has a feature id more than once: ids must be unique")
        missing = [id for id in self._first if id not in places]
        if missing:
            raise OSError(f"{name} lacks {_some(missing)} of {self._name}: {_SAME_FEATURES}")
        if len(ids) > len(self._first):
            more = sorted(set(ids).difference(self._first))
            raise OSError(f"{name} has {_some(more)} that {self._name} does not have: {_SAME_FEATURES}")
        return np.array([places[id] for id in self._first], np.int64)


_SAME_FEATURES = "all files of a matrix must have the same features, in any order"


def examine(
    files: Sequence[ShardFile], opened: OpenShards, feature_id: str, sample_id: str
) -> tuple[list[Shard], Attributes]:
    """Return what each file has, and the attributes of the samples of all.

    Raises
    ------
    OSError
        If a file cannot be read, or does not fit the others; it is named.
    """
    shards: list[Shard] = []
    attributes = Attributes()
    first: MatrixStore | None = None
    orders: _Orders | None = None
    for file in files:
        with file.named():
            store = opened.store(file)
            if first is None or orders is None:
                first, orders = store, _Orders(store.features, feature_id, file.name)
            _check_units(first, files[0].name, store, file.name)
            _check_ids(store.samples, sample_id, file.name)
            attributes.add(store.samples, file.name)
            shards.append(_shard(file, store, orders.of(store.features, file.name)))
    return shards, attributes


def _shard(file: ShardFile, store: MatrixStore, order: Positions | None) -> Shard:
    cells = {units: found for units in store.units if (found := store.sparse(units)) is not None}
    return Shard(
        file=file,
        samples=store.shape[1],
        order=order,
        sparse=frozenset(cells),
        both_ways=bool(getattr(store, "both_ways", False)),
        separable=order is None and all(found.without is not None for found in cells.values()),
        embeddings=tuple(getattr(store, "embeddings", ())),
    )


def _check_units(first: MatrixStore, first_name: str, store: MatrixStore, name: str) -> None:
    if set(store.units) != set(first.units):
        raise OSError(
            f"{name} has the units {', '.join(store.units)}, and {first_name} has {', '.join(first.units)}: all files "
            "of a matrix must have the same"
        )


def _check_ids(axis: Axis, attribute: str, name: str) -> None:
    if attribute not in axis.attributes:
        raise OSError(f"{name} has no sample attribute {attribute!r}; it has {', '.join(axis.attributes)}")
    index = axis.index(attribute)
    if index.empty.size:
        raise OSError(f"{name} has no sample id in row {index.empty[0] + 1}: each needs one")
    if (twice := index.repeated) is not None:
        raise OSError(f"{name} has the sample id {twice!r} more than once: ids must be unique")


def _ids(axis: Axis, attribute: str, name: str) -> NDArray[Any]:
    """Return the ids of features as they are stored, which takes a tenth of the time of texts."""
    if attribute not in axis.attributes:
        raise OSError(f"{name} has no feature attribute {attribute!r}; it has {', '.join(axis.attributes)}")
    column = axis.read(attribute)
    return column.raw if isinstance(column, FixedText) else column.take(None)


def _texts(ids: NDArray[Any]) -> list[str]:
    return as_texts(decode(ids) if ids.dtype.kind == "S" else ids)


def _digest(ids: NDArray[Any]) -> bytes:
    data = repr(ids.tolist()).encode("utf-8", "surrogatepass") if ids.dtype.kind == "O" else ids.tobytes()
    return hashlib.blake2b(ids.dtype.str.encode() + data, digest_size=16).digest()


def _some(names: Sequence[str]) -> str:
    more = " and others" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} features ({', '.join(names[:_MOST_NAMED])}{more})"
