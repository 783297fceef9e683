"""Loom 2.0.1, as loompy 2 and 3 both read it, streamed with its length known from the start."""

from __future__ import annotations

from functools import partial

import h5py
import numpy as np

from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.model.text import encode, encode_all, padding, write_padded
from rnaget_server.stores import layout
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.skeleton import Gap, allocate, row_pieces, streamed


class LoomWriter(Writer):
    """Writes every layer: the main one as ``/matrix``, further units under ``/layers``."""

    media_types = ("application/vnd.loom",)
    extension = "loom"
    groups = ("expressions", "continuous")

    def write(self, slice: Slice) -> Body:
        """Return the slice as a loom file and its exact length."""
        return streamed(partial(_lay_out, slice))


def _lay_out(slice: Slice, file: h5py.File) -> list[Gap]:
    """Write everything but the cells; return where they go."""
    for key, value in {"LOOM_SPEC_VERSION": layout.LOOM_VERSION, **slice.origin}.items():
        file.attrs[key] = np.bytes_(encode(value))
    further = file.create_group(layout.LAYERS)
    _write_axis(file, layout.FEATURES, slice.features)
    _write_axis(file, layout.SAMPLES, slice.samples)
    attributes = file[layout.SAMPLES.attributes]
    for name, points in slice.embeddings():
        attributes.create_dataset(layout.link_name(attributes, name), data=points)
    gaps = _write_layer(file, layout.MATRIX, slice.layers[0], slice.shape)
    for layer in slice.layers[1:]:
        gaps += _write_layer(further, layout.link_name(further, layer.units), layer, slice.shape)
    return gaps


def _write_layer(group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int]) -> list[Gap]:
    dataset, gaps = allocate(group, link, layer.dtype, shape, row_pieces(layer))
    dataset.attrs[layout.UNITS] = np.bytes_(encode(layer.units))
    return gaps


def _write_axis(file: h5py.File, axis: layout.AxisLayout, labels: Labels) -> None:
    group = file.create_group(axis.attributes)
    file.create_group(axis.graphs)
    for name in labels.attributes:
        texts = labels.ascii(name)
        values = labels.column(name) if texts is None else texts
        link = layout.link_name(group, name)
        if values.dtype.kind in "ifS":
            group.create_dataset(link, data=values)
            continue
        width, wasteful = padding(values)
        if wasteful:
            write_padded(group, link, values, width)
        else:
            group.create_dataset(link, data=encode_all(values))
