"""The look at all files of a sharded matrix when it is opened: that they fit together, and what each has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import Column, FixedText, Numbers, as_texts
from rnaget_server.model.text import decode
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.sharded.files import OpenShards, ShardFile

TEXT = "text"
NO_TEXT = ""

_MOST_NAMED = 5


@dataclass(frozen=True)
class Facts:
    """The properties of a file, which most files of a matrix have alike.

    Attributes
    ----------
    units
        The units of its layers.
    dtypes, whole
        The type of the cells of each, and whether all are known to be whole numbers; empty if nobody has looked.
    sparse
        The units of the layers that are stored without zeros.
    both_ways
        Whether these are stored along both axes.
    separable
        Whether places and values of these can be read without one another.
    embeddings
        The names of its embeddings.
    remarks
        Lines that name what it has and is not served.
    attributes
        The attributes of its samples: the type of numbers, `TEXT`, or `NO_TEXT` where no sample has any.
    features
        A digest of the ids of its features.
    """

    units: tuple[str, ...]
    dtypes: tuple[str, ...]
    whole: tuple[bool, ...]
    sparse: tuple[str, ...]
    both_ways: bool
    separable: bool
    embeddings: tuple[str, ...]
    remarks: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    features: str

    @property
    def form(self) -> tuple[object, ...]:
        """A value that files have alike whose labels can be put together without a change of any."""
        texts = (TEXT, NO_TEXT)
        return self.embeddings, tuple((name, TEXT if kind in texts else kind) for name, kind in self.attributes)


@dataclass(frozen=True)
class Shard:
    """A file of a sharded matrix.

    Attributes
    ----------
    file
        The file.
    samples
        How many samples it has.
    facts
        What else it has.
    nbytes
        About how many bytes its labels take.
    order
        Where each feature of the matrix is in it; None if they are in the same order.
    """

    file: ShardFile
    samples: int
    facts: Facts
    nbytes: int = 0
    order: Positions | None = None

    @property
    def separable(self) -> bool:
        """True if places and values of cells can be read without one another."""
        return self.order is None and self.facts.separable


class Attributes:
    """The attributes of the samples of several files: in which files there are some, as numbers or as text.

    Attributes
    ----------
    incomplete
        Those that some file does not have, with the name of such a file.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.incomplete: dict[str, str] = {}
        self._names: dict[str, None] = {}
        self._numbers: dict[str, np.dtype[Any]] = {}
        self._texts: set[str] = set()
        self._with_gaps: set[str] = set()
        last: Shard | None = None
        for shard in shards:
            if last is None or shard.facts.attributes != last.facts.attributes:
                self._add(shard, last)
            last = shard

    def _add(self, shard: Shard, last: Shard | None) -> None:
        name = shard.file.name
        if last is not None:
            for missing in self._names.keys() ^ {attribute for attribute, _ in shard.facts.attributes}:
                self.incomplete.setdefault(missing, name if missing in self._names else last.file.name)
        for attribute, kind in shard.facts.attributes:
            self._names.setdefault(attribute)
            if kind == TEXT:
                self._texts.add(attribute)
            elif kind == NO_TEXT:
                # A column without a text is no reason to take the numbers of other files for text.
                self._with_gaps.add(attribute)
            else:
                dtype = np.dtype(kind)
                self._numbers[attribute] = np.result_type(self._numbers.get(attribute, dtype), dtype)

    @property
    def types(self) -> dict[str, np.dtype[Any] | None]:
        """The type of the numbers of each attribute, None for text."""
        return {attribute: self._type(attribute) for attribute in self._names}

    def _type(self, attribute: str) -> np.dtype[Any] | None:
        number = None if attribute in self._texts else self._numbers.get(attribute)
        has_gaps = attribute in self.incomplete or attribute in self._with_gaps
        return np.dtype(np.float64) if number is not None and has_gaps else number


class Orders:
    """The orders in which files have the features of the first one; files of the same order share one array.

    Parameters
    ----------
    first
        The first file.
    opened
        Where files are open.
    attribute
        The attribute that holds the ids.
    known
        The orders that are known, by the digest of the ids.
    """

    def __init__(
        self,
        first: Shard,
        opened: OpenShards,
        attribute: str,
        known: Mapping[str, Positions] = MappingProxyType({}),
    ) -> None:
        self._opened = opened
        self._attribute = attribute
        self._name = first.file.name
        self._first_file = first.file
        self.known: dict[str, Positions | None] = {first.facts.features: None, **known}

    def of(self, shard: Shard) -> Positions | None:
        """Return where each feature of the first file is in another; None if all are in the same places.

        Raises
        ------
        OSError
            If the features are not the same.
        """
        key = shard.facts.features
        if key not in self.known:
            with shard.file.named():
                self.known[key] = self._compared(self._texts_of(shard.file), shard.file.name)
        return self.known[key]

    @property
    def found(self) -> dict[str, Positions]:
        """The orders that are not that of the first file."""
        return {digest: order for digest, order in self.known.items() if order is not None}

    @cached_property
    def _first(self) -> list[str]:
        return self._texts_of(self._first_file)

    def _texts_of(self, file: ShardFile) -> list[str]:
        return _texts(_ids(self._opened.store(file).features, self._attribute, file.name))

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


def examined(store: MatrixStore, file: ShardFile, feature_id: str, sample_id: str, in_full: bool) -> Shard:
    """Return what a file has.

    Parameters
    ----------
    store, file
        The file.
    feature_id, sample_id
        The attributes that hold the ids.
    in_full
        Whether to look at types of cells, too, for which some files are read whole.

    Raises
    ------
    OSError
        If a file has not what it needs; it is named.
    """
    _check_ids(store.samples, sample_id, file.name)
    cells = {units: found for units in store.units if (found := store.sparse(units)) is not None}
    samples = store.samples
    return Shard(
        file,
        store.shape[1],
        Facts(
            units=tuple(store.units),
            dtypes=tuple(store.dtype(units).str for units in store.units) if in_full else (),
            whole=tuple(store.whole(units) for units in store.units) if in_full else (),
            sparse=tuple(cells),
            both_ways=bool(getattr(store, "both_ways", False)),
            separable=all(found.without is not None for found in cells.values()),
            embeddings=tuple(getattr(store, "embeddings", ())),
            remarks=tuple(getattr(store, "remarks", ())) if in_full else (),
            attributes=tuple((name, _kind(samples.read(name))) for name in samples.attributes),
            features=_digest(_ids(store.features, feature_id, file.name)),
        ),
    )


def _kind(column: Column) -> str:
    """Return the type of numbers, or whether there is any text."""
    if isinstance(column, Numbers):
        return column.dtype.str
    if isinstance(column, FixedText):
        return TEXT if (column.raw != b"").any() else NO_TEXT
    return NO_TEXT if column.distinct(0) == [] else TEXT


def check_units(first: Shard, shard: Shard) -> None:
    """Refuse a file that has other units than the first one.

    Raises
    ------
    OSError
        If it has.
    """
    if set(shard.facts.units) != set(first.facts.units):
        raise OSError(
            f"{shard.file.name} has the units {', '.join(shard.facts.units)}, and {first.file.name} has "
            f"{', '.join(first.facts.units)}: all files of a matrix must have the same"
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


def _digest(ids: NDArray[Any]) -> str:
    data = repr(ids.tolist()).encode("utf-8", "surrogatepass") if ids.dtype.kind == "O" else ids.tobytes()
    return hashlib.blake2b(ids.dtype.str.encode() + data, digest_size=16).hexdigest()


def _some(names: Sequence[str]) -> str:
    more = " and others" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} features ({', '.join(names[:_MOST_NAMED])}{more})"
