"""Open stores whose every error is one: the boundary between data files, which may be damaged in any way, and the rest.

HDF5, numpy, Rust or a third party may raise anything behind it: at once or later, out of methods, iterators and
the callables that a store hands over. What comes out is a `StoreFailure` that names the record, so that the
layers above know of no other exception. Labels and blocks that are not of the shape, over which they would stumble,
are refused here too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import StoreFailure
from rnaget_server.model.axis import Axis, Factorized, Index, Positions
from rnaget_server.model.cancellation import Cancellation, Cancelled
from rnaget_server.model.columns import Mask
from rnaget_server.model.labels import LABELS_AT_ONCE
from rnaget_server.model.recent import RecentValues
from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import Array, CompressedBlock, Direction, SparseCells, check_block
from rnaget_server.sequences.store import Collection, SequenceStore
from rnaget_server.storage.local import NO_FILE
from rnaget_server.stores.base import MatrixStore, Points, Ranges
from rnaget_server.stores.embeddings import paired, points_from
from rnaget_server.stores.failures import is_of_file

_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_MOST_OTHERS = 8


class Guard:
    """A context that turns what is raised in it into `StoreFailure`; any number of threads may be in it.

    Parameters
    ----------
    failure
        Returns the error to raise for one that came out of the file.
    """

    def __init__(self, failure: Callable[[BaseException], StoreFailure]) -> None:
        self._failure = failure

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, Cancelled) and is_of_file(error):
            raise self._failure(error) from None


def _within_guard(name: str) -> Callable[..., Any]:
    def call(self: Any, *given: Any, **named: Any) -> Any:
        with self._guard:
            return getattr(self._whole, name)(*given, **named)

    call.__name__ = name
    return call


def _guard_all(kind: type, part: type) -> None:
    """Give a guarded class every public method and property of what it stands for that it has none of its own for."""
    for name, member in vars(part).items():
        if name.startswith("_") or name in vars(kind) or isinstance(member, classmethod | staticmethod):
            continue
        if isinstance(member, property):
            setattr(kind, name, property(_property_within_guard(name)))
        elif callable(member):
            setattr(kind, name, _within_guard(name))


def _property_within_guard(name: str) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:
        with self._guard:
            return getattr(self._whole, name)

    return get


class _GuardedIndex(Index):
    def __init__(self, whole: Index, guard: Guard) -> None:
        # Not the arrays of the whole, which are made of many where a matrix has many files.
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_guard", guard)


class GuardedAxis(Axis):
    """An axis whose columns have its length, and whose methods raise only `StoreFailure`."""

    def __init__(self, whole: Axis, guard: Guard) -> None:
        self._whole = whole
        self._guard = guard
        self.size = whole.size
        self.attributes = whole.attributes
        self.incomplete = whole.incomplete
        self.key = object()
        """Like no other: what is made of all labels is kept under it, and never taken for that of another file."""
        for name in whole.attributes:
            name.encode()  # half a character could not be sent

    def column(self, attribute: str, positions: Positions | None = None) -> NDArray[Any]:
        """Return the values of an attribute."""
        with self._guard:
            values = self._whole.column(attribute, positions)
            self._check_length(values, positions)
            return values

    def ascii(self, attribute: str, positions: Positions | None = None) -> NDArray[np.bytes_] | None:
        """Return the texts of an attribute as bytes, if they are stored so."""
        with self._guard:
            values = self._whole.read(attribute).ascii(positions)
            if values is not None:
                self._check_length(values, positions)
            return values

    def pieces(
        self, attribute: str, positions: Positions | None = None, size: int = LABELS_AT_ONCE
    ) -> Iterator[NDArray[Any]]:
        """Return the values of an attribute in order, `size` at a time, texts as ASCII where they are stored so."""
        count = self.size if positions is None else len(positions)
        if count <= size:
            return iter((self._stored(attribute, positions),))
        places = (slice(start, min(start + size, count)) for start in range(0, count, size))
        if positions is None:
            return (self._stored(attribute, np.arange(place.start, place.stop)) for place in places)
        return (self._stored(attribute, positions[place]) for place in places)

    def _stored(self, attribute: str, positions: Positions | None) -> NDArray[Any]:
        texts = self.ascii(attribute, positions)
        return self.column(attribute, positions) if texts is None else texts

    def factorized(self, attribute: str) -> Factorized:
        """Return an attribute by its different values."""
        with self._guard:
            found = self._whole.factorized(attribute)
            self._check_length(found.codes, None)
            return found

    def index(self, attribute: str) -> Index:
        """Return the index of an attribute."""
        with self._guard:
            return _GuardedIndex(self._whole.index(attribute), self._guard)

    def _check_length(self, values: NDArray[Any], positions: Positions | None) -> None:
        if positions is None and len(values) != self.size:
            raise OSError(f"an attribute has {len(values)} values for {self.size}")


class GuardedSequences(SequenceStore):
    """The sequences of a genome, whose methods raise only `StoreFailure`; the letters, once sent, `OSError`."""

    def __init__(self, whole: SequenceStore, guard: Guard) -> None:
        self._whole = whole
        self._guard = guard

    def collection(self) -> Collection:
        """Return the sequences of the genome, whose attributes are read behind the guard as well."""
        with self._guard:
            return replace(self._whole.collection(), read=self.attributes)


_guard_all(GuardedSequences, SequenceStore)
_guard_all(_GuardedIndex, Index)
_guard_all(GuardedAxis, Axis)


@dataclass(frozen=True)
class Hidden:
    """The samples of a matrix that are hidden, as bits, and whether they are left out or have no number in their cells.

    It can be sent to other processes.
    """

    bits: bytes
    size: int
    omitted: bool

    @classmethod
    def of(cls, hidden: Mask, omitted: bool) -> Hidden:
        """Return what is hidden by a mask of the samples."""
        return cls(np.packbits(hidden).tobytes(), len(hidden), omitted)

    @property
    def name(self) -> str:
        """A name that no other has."""
        return f"{self.omitted} {self.size} {hashlib.sha256(self.bits).hexdigest()}"

    @property
    def mask(self) -> Mask:
        """True for each sample that is hidden."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.size).astype(bool)


class GuardedStore:
    """An open matrix file behind a guard; see `MatrixStore`. Made within the guard itself.

    Attributes
    ----------
    version
        The state of the file when it was opened, and the name of what is shown of it if that is not all.
    hidden
        The samples that are not shown, if there are any.
    cancellation
        Until when cells are read; see `StoreCache.open`.
    """

    cancellation = Cancellation()

    def __init__(self, whole: MatrixStore, guard: Guard, version: tuple[object, ...] = NO_FILE) -> None:
        self._whole = whole
        self._guard = guard
        self.version = version
        self._others: RecentValues[str, GuardedStore] = RecentValues(_MOST_OTHERS)
        self._dtypes: dict[str, np.dtype[Any]] = {}
        self._wholes: dict[str, bool] = {}
        self._dense: set[str] = set()
        self.hidden: Hidden | None = getattr(whole, "hidden", None)
        with guard:
            rows, columns = whole.shape
            self.shape = (int(rows), int(columns))
            self.units = tuple(whole.units)
            self.features = GuardedAxis(whole.features, guard)
            self.samples = GuardedAxis(whole.samples, guard)
            if self.shape != (self.features.size, self.samples.size):
                raise OSError("the labels do not fit the matrix")
            for name in self.units:
                name.encode()

    def shown_as(self, name: str, show: Callable[[MatrixStore], MatrixStore]) -> GuardedStore:
        """Return a store of the same open file that has what `show` makes of it; made once, and kept by its name."""
        with self._guard:
            return self._others.get(name, lambda: GuardedStore(show(self._whole), self._guard, (*self.version, name)))

    def layer(self, units: str, features: Positions | None, samples: Positions | None) -> LayerInfo:
        """Return a selection of the cells in one unit, to be written."""
        dtype = self.dtype(units)
        with self._guard:
            return LayerInfo(
                units=units,
                dtype=dtype,
                whole=self.whole(units),
                blocks=partial(self.blocks, units, features, samples),
                sparse=self._sparse(units, features, samples),
                held=partial(self._held, units, features, samples),
            )

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return the type of the cells."""
        if units not in self._dtypes:
            with self._guard:
                dtype = self._whole.dtype(units)
                if dtype not in _TYPES:
                    raise OSError(f"the cells are of the type {dtype}")
                self._dtypes[units] = dtype
        return self._dtypes[units]

    @cached_property
    def embeddings(self) -> tuple[str, ...]:
        """The names of the embeddings that the file has, and of those whose coordinates are attributes of samples."""
        return (*self._own_embeddings, *self._paired)

    def embedding(self, name: str) -> Points:
        """Return the points of one of the embeddings."""
        with self._guard:
            if name in self._own_embeddings:
                points = self._whole.embedding(name)
            else:
                points = points_from(np.column_stack([self.samples.column(axis) for axis in self._paired[name]]))
            if points.shape != (self.shape[1], 2) or points.dtype != np.float32:
                raise OSError("an embedding does not fit the matrix")
            return points

    @cached_property
    def _own_embeddings(self) -> tuple[str, ...]:
        with self._guard:
            names: tuple[str, ...] = tuple(getattr(self._whole, "embeddings", ()))
            for name in names:
                name.encode()
            return names

    @cached_property
    def _paired(self) -> dict[str, tuple[str, str]]:
        with self._guard:
            axis = self._whole.samples
            return {
                name: pair
                for name, pair in paired(axis.attributes).items()
                if name not in self._own_embeddings and all(axis.read(coordinate).is_number for coordinate in pair)
            }

    def close(self) -> None:
        """Close the file, if it is kept open."""
        getattr(self._whole, "close", lambda: None)()

    def whole(self, units: str) -> bool:
        """Return whether every cell is known to be a whole number."""
        if units not in self._wholes:
            with self._guard:
                self._wholes[units] = self._whole.whole(units)
        return self._wholes[units]

    def ranges(self, units: str) -> Ranges | None:
        """Return the stored ranges of the features."""
        with self._guard:
            ranges = self._whole.ranges(units)
            if ranges is not None and any(
                part.shape != self.shape[:1] for part in (ranges.minimum, ranges.maximum, ranges.nans)
            ):
                raise OSError("the ranges do not fit the matrix")
            return ranges

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows of the selection, which make up all of it."""
        rows, columns = self._size(features, samples)
        self._check_wanted()
        with self._guard:
            for block in self._whole.blocks(units, features, samples):
                self._check_wanted()
                rows -= len(block)
                if block.shape[1:] != (columns,) or rows < 0:
                    raise OSError("the cells do not fit the matrix")
                yield block
            if rows:
                raise OSError("the cells end before the last row")

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the same selection without its zeros, if the layer is stored so."""
        with self._guard:
            return self._sparse(units, features, samples)

    def _sparse(self, units: str, features: Positions | None, samples: Positions | None) -> SparseCells | None:
        cells = None if units in self._dense else self._whole.sparse(units, features, samples)
        if cells is None:
            self._dense.add(units)
            return None
        size = self._size(features, samples)
        pieces, without = partial(self._pieces, cells.compressed_along, size), cells.without
        if without is None:
            return SparseCells(partial(self._counted, cells), pieces, known=cells.known)

        def pieces_without(direction: Direction, array: Array) -> Iterator[CompressedBlock]:
            return self._pieces(lambda along: without(along, array), size, direction, array)

        return SparseCells(partial(self._counted, cells), pieces, pieces_without, cells.known)

    def _held(self, units: str, features: Positions | None, samples: Positions | None) -> int:
        held: Callable[..., int] | None = getattr(self._whole, "held", None)
        with self._guard:
            return held(units, features, samples) if held is not None else 0

    def _check_wanted(self) -> None:
        if self.cancellation.cancelled:
            raise Cancelled

    def _size(self, features: Positions | None, samples: Positions | None) -> tuple[int, int]:
        rows, columns = self.shape
        return rows if features is None else len(features), columns if samples is None else len(samples)

    def _counted(self, cells: SparseCells) -> int:
        with self._guard:
            return cells.count()

    def _pieces(
        self,
        read: Callable[[Direction], Iterator[CompressedBlock]],
        size: tuple[int, int],
        direction: Direction,
        without: Array | None = None,
    ) -> Iterator[CompressedBlock]:
        left, across = size if direction == "features" else size[::-1]
        self._check_wanted()
        with self._guard:
            for piece in read(direction):
                self._check_wanted()
                left -= len(piece.indptr) - 1
                check_block(piece, left, across, without)
                yield piece
            if left:
                raise OSError("the cells end before the last line")
