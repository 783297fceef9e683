"""GCTX, CMap's GCT within HDF5: samples × features, and a dataset for each attribute."""

from __future__ import annotations

from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.stores.layout import link_name
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.fixed_texts import write_column, write_texts
from rnaget_server.writers.h5ad_cells import HELD, feature_chunks
from rnaget_server.writers.skeleton import Gap, streamed

_NULL, _NULL_TEXTS = -666, frozenset({"-666", "-666.0"})


class GctxWriter(Writer):
    """Writes the main layer, with all attributes of features and samples."""

    media_types = ("application/vnd.hdfgroup.hdf5", "application/x-hdf5")
    extension = "gctx"
    groups = ("exports",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as a GCTX file and its exact length."""
        return streamed(partial(_lay_out, slice), HELD + 8 * sum(slice.shape))


def attributes_with_null(slice: Slice) -> list[str]:
    """Return the attributes that hold -666, which readers of GCTX take as a missing value."""
    found: list[str] = []
    for labels in (slice.features, slice.samples):
        others = (name for name in labels.attributes if name != labels.id)
        found += [name for name in others if any(map(_has_null, labels.pieces(name)))]
    return found


def _has_null(values: NDArray[Any]) -> bool:
    if values.dtype.kind in "OSU":
        return not _NULL_TEXTS.isdisjoint(texts_of(values))
    return bool((values == _NULL).any())


def _lay_out(slice: Slice, file: h5py.File) -> list[Gap]:
    file.attrs["version"] = np.bytes_("GCTX1.0")
    file.attrs["src"] = slice.origin.get("expression", "")
    for side, labels in (("ROW", slice.features), ("COL", slice.samples)):
        _write_labels(file.create_group(f"0/META/{side}"), labels)
    features, samples = slice.shape
    return feature_chunks(file.create_group("0/DATA/0"), "matrix", slice.layers[0], (samples, features))[1]


def _write_labels(group: h5py.Group, labels: Labels) -> None:
    write_texts(group, "id", labels, labels.id)
    for name in labels.attributes:
        if name != labels.id:
            write_column(group, link_name(group, name), labels, name)
