"""Several matrices as one: samples side by side, features by id in an outer join, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import LABELS_AT_ONCE, WholeLabels, is_text, joined_pieces, texts_of
from rnaget_server.model.slice import Labels, LayerInfo
from rnaget_server.model.text import encode_all
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.blocks import panel_rows, parts_of_panel, steps
from rnaget_server.stores.placing import place

SOURCE_ATTRIBUTE = "expressionID"


@dataclass(frozen=True)
class Part:
    """The part that one matrix contributes: its selection, and the labels of it."""

    matrix_id: str
    store: MatrixStore
    units: str
    features: Positions | None
    samples: Positions | None
    feature_labels: Labels
    sample_labels: Labels


@dataclass(frozen=True)
class _JoinedFeatures(WholeLabels):
    """Features of all parts; a row takes its labels from the first part that has it."""

    parts: Sequence[Part]
    rows: Sequence[NDArray[np.int64]]
    """For each part, where each joined feature is in it, or -1."""

    @property
    def size(self) -> int:
        return len(self.rows[0])

    @property
    def id(self) -> str:
        return self.parts[0].feature_labels.id

    @property
    def name(self) -> str | None:
        return self.parts[0].feature_labels.name

    @property
    def attributes(self) -> tuple[str, ...]:
        return _union([part.feature_labels for part in self.parts])

    def column(self, attribute: str) -> NDArray[Any]:
        joined = np.full(self.size, None, object)
        unset = np.ones(self.size, bool)
        for part, rows in zip(self.parts, self.rows, strict=True):
            own = _own_name(attribute, self, part.feature_labels)
            here = unset & (rows >= 0)
            if own is not None:
                joined[here] = part.feature_labels.column(own)[rows[here]]
            unset &= rows < 0
        return _filled(joined)

    def ascii(self, attribute: str) -> None:
        return None


@dataclass(frozen=True)
class _JoinedSamples:
    """Samples of all parts in turn, with an attribute that says which matrix each comes from."""

    parts: Sequence[Part]

    @property
    def size(self) -> int:
        return sum(part.sample_labels.size for part in self.parts)

    @property
    def id(self) -> str:
        return self.parts[0].sample_labels.id

    @property
    def name(self) -> str | None:
        return None

    @property
    def attributes(self) -> tuple[str, ...]:
        union = _union([part.sample_labels for part in self.parts])
        return union if SOURCE_ATTRIBUTE in union else (*union, SOURCE_ATTRIBUTE)

    def column(self, attribute: str) -> NDArray[Any]:
        return joined_pieces(self.pieces(attribute))

    def ascii(self, attribute: str) -> None:
        return None

    def pieces(self, attribute: str, size: int = LABELS_AT_ONCE) -> Iterator[NDArray[Any]]:
        """Yield the values part by part, gaps filled: as texts all of them, or all as numbers of one type."""
        names = [_own_name(attribute, self, part.sample_labels) for part in self.parts]
        dtype = self._number_type(attribute, names)
        for part, own in zip(self.parts, names, strict=True):
            if own is not None:
                for values in part.sample_labels.pieces(own, size):
                    yield np.array(_texts(values), object) if dtype is None else values.astype(dtype)
                continue
            gap = (part.matrix_id if attribute == SOURCE_ATTRIBUTE else "") if dtype is None else np.nan
            for start in range(0, max(1, part.sample_labels.size), size):
                yield np.full(min(size, part.sample_labels.size - start), gap, dtype or object)

    def _number_type(self, attribute: str, names: Sequence[str | None]) -> np.dtype[Any] | None:
        """Return the type that holds the numbers of all parts, None if there are texts."""
        types = [np.dtype(np.float64)] if None in names else []
        for part, own in zip(self.parts, names, strict=True):
            if own is not None:
                if is_text(part.sample_labels, own):
                    return None
                types.append(next(part.sample_labels.pieces(own, 1)).dtype)
        return None if attribute == SOURCE_ATTRIBUTE and None in names else np.result_type(*types)


def join(parts: Sequence[Part]) -> tuple[Labels, Labels, LayerInfo]:
    """Return the labels and the cells of the outer join of `parts`, in their order.

    Features are in the order of the first part, then those that only later ones have; a cell that a
    matrix lacks is NaN.
    """
    rows = _row_plan([part.feature_labels for part in parts])
    dtype = np.result_type(*(part.store.dtype(part.units) for part in parts))
    width = sum(part.sample_labels.size for part in parts)
    layer = LayerInfo(
        units=parts[0].units,
        dtype=dtype,
        whole=all(part.store.whole(part.units) for part in parts),
        blocks=lambda: _blocks(parts, rows, dtype),
        held=lambda: min(len(rows[0]), panel_rows(width * dtype.itemsize, len(parts))[1]) * width * dtype.itemsize,
    )
    return _JoinedFeatures(parts, rows), _JoinedSamples(parts), layer


def _row_plan(features: Sequence[Labels]) -> list[NDArray[np.int64]]:
    """Return for each part where each joined feature is in it, or -1; one array for all with the same features."""
    order: dict[str, int] = {}
    numbers: dict[bytes, NDArray[np.int64]] = {}
    plan = []
    for labels in features:
        # Of thousands of matrices most have the same ones, of which no text need be made.
        key = _digest(labels)
        if key not in numbers:
            ids = as_texts(labels.column(labels.id))
            numbers[key] = np.array([order.setdefault(id, len(order)) for id in ids], np.int64)
        plan.append(key)
    rows = {}
    for key, places in numbers.items():
        rows[key] = np.full(len(order), -1, np.int64)
        rows[key][places] = np.arange(len(places))
    return [rows[key] for key in plan]


def _digest(labels: Labels) -> bytes:
    ids = labels.ascii(labels.id)
    raw = ids if ids is not None else encode_all(as_texts(labels.column(labels.id)))
    return hashlib.sha256(f"{raw.dtype.str} ".encode() + raw.tobytes()).digest()


def _blocks(parts: Sequence[Part], rows: Sequence[NDArray[np.int64]], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield blocks of rows, of which many are read at once: of each of thousands of files a few more than one."""
    width = sum(part.sample_labels.size for part in parts)
    step, height = panel_rows(width * dtype.itemsize, len(parts))
    for start, stop in steps(len(rows[0]), height):
        # Kept by no variable here, or it would be held while the next one is made.
        yield from parts_of_panel(_panel(parts, [plan[start:stop] for plan in rows], dtype), step)


def _panel(parts: Sequence[Part], rows: Sequence[NDArray[np.int64]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return some rows of the join, which are given as positions in each part's selection, -1 for none."""
    widths = [part.sample_labels.size for part in parts]
    panel = np.full((len(rows[0]), sum(widths)), np.nan, dtype)
    for part, wanted, end, width in zip(parts, rows, np.cumsum(widths), widths, strict=True):
        _place(part, wanted, panel[:, end - width : end])
    return panel


def _place(part: Part, wanted: NDArray[np.int64], to: NDArray[Any]) -> None:
    """Put the features `wanted` (positions in the part's selection, -1 for none) into the rows of `to`."""
    here = np.flatnonzero(wanted >= 0)
    if len(here):
        chosen = wanted[here] if part.features is None else part.features[wanted[here]]
        place(part.store, part.units, chosen, part.samples, to, here)


def _union(labels: Sequence[Labels]) -> tuple[str, ...]:
    first = labels[0]
    names = list(first.attributes)
    for axis_labels in labels[1:]:
        names += [
            name
            for name in axis_labels.attributes
            if name not in (axis_labels.id, axis_labels.name) and name not in names
        ]
    return tuple(names)


def _own_name(attribute: str, joined: Labels, own: Labels) -> str | None:
    """Return what a part calls an attribute of the join: ids and names go by their role."""
    if attribute == joined.id:
        return own.id
    if attribute == joined.name:
        return own.name
    return attribute if attribute in own.attributes and attribute not in (own.id, own.name) else None


def _texts(values: NDArray[Any]) -> list[str]:
    return texts_of(values) if values.dtype.kind in "OSU" else [str(value) for value in values.tolist()]


def _filled(column: NDArray[Any]) -> NDArray[Any]:
    """Return the column with gaps filled: NaN among numbers, nothing among text."""
    present = [value for value in column if value is not None]
    if present and not any(isinstance(value, str) for value in present):
        return np.array(
            [np.nan if value is None else value for value in column],
            np.float64 if len(present) < len(column) else None,
        )
    return np.array(["" if value is None else str(value) for value in column], object)
