"""The labels of the samples of many small files, put together in a few files of an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Index
from rnaget_server.model.columns import Column, FixedText, LongText, Numbers
from rnaget_server.model.text import decode, encode_all, padding
from rnaget_server.storage.checked_arrays import CheckedArrays
from rnaget_server.stores.base import Points
from rnaget_server.stores.sharded.examine import Facts

_WIDEST_INT32 = 1 << 31
_PADDED_BYTES = 1 << 20
_MOST_PADDING = 4


@dataclass(frozen=True)
class Labels:
    """All labels of some consecutive samples.

    Attributes
    ----------
    columns
        Each attribute: numbers, texts of fixed width as bytes, or others as objects.
    index
        The ids, sorted.
    embeddings
        The points of each embedding.
    """

    columns: Mapping[str, NDArray[Any]]
    index: Index
    embeddings: Mapping[str, Points]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.index.positions)

    @property
    def nbytes(self) -> int:
        """About how many bytes they take."""
        arrays = [*self.columns.values(), *self.embeddings.values(), self.index.ordered, self.index.positions]
        return sum(array.nbytes for array in arrays)

    @classmethod
    def of(cls, axis: Axis, id: str, embeddings: Mapping[str, Points]) -> Labels:
        """Return the labels of an axis whose ids are in the attribute `id`."""
        columns = {name: _values(axis.read(name)) for name in axis.attributes}
        return cls(columns, axis.index(id), embeddings)

    def part(self, start: int, stop: int) -> Labels:
        """Return those of the samples from one on up to another."""
        if start == 0 and stop == self.size:
            return self
        here = (self.index.positions >= start) & (self.index.positions < stop)
        index = Index(self.index.ordered[here], self.index.positions[here] - start)
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return Labels(columns, index, {name: points[start:stop] for name, points in self.embeddings.items()})


def joined(parts: Sequence[Labels]) -> Labels:
    """Return the labels of consecutive samples as one; all have the same attributes of the same types."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.size for part in parts)])
    ordered = np.concatenate([part.index.ordered for part in parts])
    positions = np.concatenate([part.index.positions + start for part, start in zip(parts, starts, strict=False)])
    order = np.argsort(ordered, kind="stable")
    return Labels(
        {name: _concatenated([part.columns[name] for part in parts]) for name in parts[0].columns},
        Index(ordered[order], positions[order]),
        {name: np.concatenate([part.embeddings[name] for part in parts]) for name in parts[0].embeddings},
    )


def arrays_of(labels: Labels) -> dict[str, NDArray[Any]]:
    """Return the arrays that labels are kept as."""
    small = np.int32 if labels.size < _WIDEST_INT32 else np.int64
    arrays = {"ordered": labels.index.ordered, "positions": labels.index.positions.astype(small)}
    for number, values in enumerate(labels.columns.values()):
        arrays |= {f"{kind}{number}": array for kind, array in _stored(values)}
    return arrays | {f"points{number}": points.ravel() for number, points in enumerate(labels.embeddings.values())}


class KeptLabels:
    """Labels in a file of an index, read when they are called for.

    Parameters
    ----------
    file
        The file.
    size
        Number of samples.
    facts
        Those of the files that have the samples.
    id
        The attribute that holds the ids.
    """

    def __init__(self, file: CheckedArrays, size: int, facts: Facts, id: str) -> None:
        self._file = file
        self._size = size
        self._numbers = {name: number for number, (name, _) in enumerate(facts.attributes)}
        self._embeddings = facts.embeddings
        self._id = id

    def axis(self) -> Axis:
        """Return the samples as an axis."""
        return Axis(self._size, tuple(self._numbers), self._column, self._index)

    def embedding(self, name: str) -> Points:
        """Return the points of an embedding."""
        return self._file[f"points{self._embeddings.index(name)}"]().reshape(-1, 2)

    def whole(self) -> Labels:
        """Return all of the labels."""
        return Labels.of(self.axis(), self._id, {name: self.embedding(name) for name in self._embeddings})

    def _column(self, name: str) -> Column:
        number = self._numbers[name]
        for kind, column in (("numbers", Numbers), ("fixed", FixedText)):
            if f"{kind}{number}" in self._file:
                return column(self._file[f"{kind}{number}"])
        return LongText(self._file[f"texts{number}"], self._file[f"offsets{number}"])

    def _index(self, name: str) -> Index | None:
        return Index(self._file["ordered"](), self._file["positions"]()) if name == self._id else None


def _values(column: Column) -> NDArray[Any]:
    """Return values as they are stored, texts of fixed width as bytes."""
    return column.raw if isinstance(column, FixedText) else column.take(None)


def _concatenated(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    kinds = {array.dtype.kind for array in arrays}
    if "O" in kinds or ("S" in kinds and _is_wasteful(arrays)):
        arrays = [decode(array) if array.dtype.kind == "S" else array for array in arrays]
    return np.concatenate(arrays)


def _is_wasteful(arrays: Sequence[NDArray[Any]]) -> bool:
    """Return whether texts of different widths would take far more bytes as one array."""
    padded = sum(map(len, arrays)) * max(array.dtype.itemsize for array in arrays)
    return padded > max(_PADDED_BYTES, _MOST_PADDING * sum(array.nbytes for array in arrays))


def _stored(values: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    if values.dtype.kind not in "OS":
        yield "numbers", values
    elif not len(values) or not padding(values)[1]:
        yield "fixed", encode_all(values) if values.dtype.kind == "O" else values
    else:
        texts = [text.encode() for text in (values if values.dtype.kind == "O" else decode(values))]
        yield "texts", np.frombuffer(b"".join(texts), np.uint8)
        yield "offsets", np.cumsum([0, *map(len, texts)]).astype(np.int64)
