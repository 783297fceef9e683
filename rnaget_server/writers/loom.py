"""Loom 2.0.1, as loompy 2 and 3 both read it, streamed with its length known from the start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py
import numpy as np

from rnaget_server.model.labels import is_text
from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.model.text import encode
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores import layout
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.deflated import GZIP, allocate_as, held_by
from rnaget_server.writers.fixed_texts import write_fixed, write_in_pieces
from rnaget_server.writers.prepared import OWN, PreparedFiles, shared_origin, whole_key
from rnaget_server.writers.skeleton import Allocate, Gap, create, row_pieces, streamed


class LoomWriter(Writer):
    """Writes every layer: the main one as ``/matrix``, further units under ``/layers``."""

    media_types = ("application/vnd.loom",)
    extension = "loom"
    groups = ("expressions", "continuous")

    def __init__(self, compression: str | None = None, prepared: PreparedFiles | None = None) -> None:
        self._prepared = PreparedFiles() if prepared is None else prepared
        self.compression = compression
        if compression is None:
            self.compressed = {GZIP: LoomWriter(GZIP, self._prepared)}

    def write(self, slice: Slice) -> Body:
        """Return the slice as a loom file and its exact length."""
        lay_out = partial(_lay_out, slice, allocate=allocate_as(self.compression))
        held = held_by(self.compression, slice.layers, slice.shape[1])
        return streamed(lay_out, held, partial(self._begin, slice))

    def _begin(self, slice: Slice) -> LocalFile:
        """Return the part of a file that others share: the labels of whole axes, and what every file has."""
        key = (*(whole_key(labels) for _, labels in _axes(slice)), *shared_origin(slice).items())
        return self._prepared.get(key, partial(_write_shared, slice))


def _write_shared(slice: Slice, path: Path) -> None:
    with create(path) as file:
        for key, value in {"LOOM_SPEC_VERSION": layout.LOOM_VERSION, **shared_origin(slice)}.items():
            file.attrs[key] = np.bytes_(encode(value))
        file.create_group(layout.LAYERS)
        for axis, labels in _axes(slice):
            file.create_group(axis.attributes)
            file.create_group(axis.graphs)
            if whole_key(labels) is not None:
                _write_labels(file[axis.attributes], labels)


def _lay_out(slice: Slice, file: h5py.File, allocate: Allocate) -> list[Gap]:
    """Write everything but the cells; return where they go."""
    if OWN in slice.origin:
        file.attrs[OWN] = np.bytes_(encode(slice.origin[OWN]))
    for axis, labels in _axes(slice):
        if whole_key(labels) is None:
            _write_labels(file[axis.attributes], labels)
    attributes = file[layout.SAMPLES.attributes]
    for name, points in slice.embeddings():
        attributes.create_dataset(layout.link_name(attributes, name), data=points)
    gaps = _write_layer(file, layout.MATRIX, slice.layers[0], slice.shape, allocate)
    further = file[layout.LAYERS]
    for layer in slice.layers[1:]:
        gaps += _write_layer(further, layout.link_name(further, layer.units), layer, slice.shape, allocate)
    return gaps


def _write_layer(
    group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int], allocate: Allocate
) -> list[Gap]:
    dataset, gaps = allocate(group, link, layer.dtype, shape, row_pieces(layer))
    dataset.attrs[layout.UNITS] = np.bytes_(encode(layer.units))
    return gaps


def _axes(slice: Slice) -> tuple[tuple[layout.AxisLayout, Labels], ...]:
    """Return where the labels of each axis are, and the labels."""
    return (layout.FEATURES, slice.features), (layout.SAMPLES, slice.samples)


def _write_labels(group: h5py.Group, labels: Labels) -> None:
    for name in labels.attributes:
        link = layout.link_name(group, name)
        if not is_text(labels, name):
            group.create_dataset(link, data=labels.column(name))
            continue
        width = _width_at_hand(labels, name)
        if width is not None:
            write_in_pieces(group, link, labels.pieces(name), labels.size, width)
        else:
            write_fixed(group, link, labels, name, lambda texts: [*map(encode, texts)])


def _width_at_hand(labels: Labels, name: str) -> int | None:
    """Return the width of the texts of an attribute, if all are at hand as bytes."""
    width = 1
    for values in labels.pieces(name):
        if values.dtype.kind != "S":
            return None
        width = max(width, values.dtype.itemsize)
    return width
