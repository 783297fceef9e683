"""AnnData's file format: samples as observations (rows), features as variables (columns).

Of signal tracks, the tracks are the observations and the positions the variables. The file is laid out by
only h5py and streamed with its length known from the start.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores.layout import link_name
from rnaget_server.stores.tracks.columns import PositionLabels
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.deflated import GZIP, allocate_as, held_by
from rnaget_server.writers.h5ad_cells import HELD, by_features, by_rows, csr, held_of
from rnaget_server.writers.h5ad_tables import set_encoding, write_table, write_text
from rnaget_server.writers.prepared import OWN, PreparedFiles, shared_origin, whole_key
from rnaget_server.writers.skeleton import Allocate, Gap, allocate, create, streamed

# The list of columns is an HDF5 attribute, of at most 64 KB: 16 bytes for each.
_MOST_ATTRIBUTES = 4_000
_TABLES = ("obs", "var")
_GROUPS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


class H5adWriter(Writer):
    """Writes every layer, the main one as ``X``, further units under ``layers``; sparse where the source is."""

    media_types = ("application/vnd.hdfgroup.hdf5", "application/x-hdf5")
    extension = "h5ad"
    aliases = ("anndata",)
    groups = ("expressions", "continuous")

    def check(self, slice: Slice) -> None:
        """Refuse what has more attributes than the format can name."""
        check_attributes(slice, "h5ad")

    def __init__(self, compression: str | None = None, prepared: PreparedFiles | None = None) -> None:
        self._prepared = PreparedFiles() if prepared is None else prepared
        self.compression = compression
        if compression is None:
            self.compressed = {GZIP: H5adWriter(GZIP, self._prepared)}

    def write(self, slice: Slice) -> Body:
        """Return the slice as an h5ad file and its exact length; see `check` for what is refused."""
        self.check(slice)
        held = (
            HELD
            + held_by(self.compression, (layer for layer in slice.layers if layer.sparse is None), slice.shape[1])
            + 8 * sum(slice.shape)
            + sum(held_of(layer, slice.shape) for layer in slice.layers)
        )
        lay_out = partial(_lay_out, slice, allocate=allocate_as(self.compression))
        return streamed(lay_out, held, partial(self._begin, slice))

    def _begin(self, slice: Slice) -> LocalFile:
        """Return the part of a file that others share: whole tables, and the groups that every file has."""
        key = (*map(whole_key, _axes(slice)), *shared_origin(slice).items())
        return self._prepared.get(key, partial(_write_shared, slice))


def check_attributes(slice: Slice, format: str) -> None:
    """Refuse what has more attributes than AnnData's tables can name.

    Raises
    ------
    InvalidQuery
        If features or samples have too many.
    """
    count = max(len(slice.features.attributes), len(slice.samples.attributes))
    if count > _MOST_ATTRIBUTES:
        raise InvalidQuery(
            f"{format} holds at most {_MOST_ATTRIBUTES:,} attributes of samples or features, and there are {count:,}: "
            "ask for another format, such as loom"
        )


def _write_shared(slice: Slice, path: Path) -> None:
    with create(path) as file:
        _lay_out_shared(slice, file)


def lay_out(slice: Slice, file: h5py.Group) -> list[Gap]:
    """Write everything but the cells into a group; return where they go."""
    _lay_out_shared(slice, file)
    return _lay_out(slice, file)


def _lay_out_shared(slice: Slice, file: h5py.Group) -> None:
    set_encoding(file, "anndata", "0.1.0")
    for name in _GROUPS:
        set_encoding(file.create_group(name), "dict", "0.1.0")
    for name, labels in zip(_TABLES, _axes(slice), strict=True):
        if whole_key(labels) is not None:
            write_table(file, name, labels)
    origin = set_encoding(file["uns"].create_group("origin"), "dict", "0.1.0")
    for key, value in shared_origin(slice).items():
        write_text(origin, key, value)


def _lay_out(slice: Slice, file: h5py.Group, allocate: Allocate = allocate) -> list[Gap]:
    """Write what is not shared, but for the cells; return where they go."""
    for name, labels in zip(_TABLES, _axes(slice), strict=True):
        if whole_key(labels) is None:
            write_table(file, name, labels)
    if OWN in slice.origin:
        write_text(file["uns/origin"], OWN, slice.origin[OWN])
    for name, points in slice.embeddings():
        link = link_name(file["obsm"], name)
        set_encoding(file["obsm"].create_dataset(link, data=points), "array", "0.2.0")
    gaps = _write_layer(file, "X", slice, slice.layers[0], allocate)
    further = file["layers"]
    for layer in slice.layers[1:]:
        gaps += _write_layer(further, link_name(further, layer.units), slice, layer, allocate)
    return gaps


def _axes(slice: Slice) -> tuple[Labels, Labels]:
    """Return the labels of observations and variables."""
    if isinstance(slice.samples, PositionLabels):
        return slice.features, slice.samples
    return slice.samples, slice.features


def _write_layer(group: h5py.Group, link: str, slice: Slice, layer: LayerInfo, allocate: Allocate) -> list[Gap]:
    features, samples = slice.shape
    if isinstance(slice.samples, PositionLabels):
        return by_rows(group, link, layer, (features, samples), allocate)
    if layer.sparse is not None:
        return csr(group, link, layer.sparse, layer.dtype, (samples, features), allocate)
    return by_features(group, link, layer, (samples, features), allocate)
