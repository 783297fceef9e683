"""AnnData's file format: samples as observations (rows), features as variables (columns).

Of signal tracks, the tracks are the observations and the positions the variables. The file is laid out by
only h5py and streamed with its length known from the start.
"""

from __future__ import annotations

from functools import partial

import h5py

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.stores.layout import link_name
from rnaget_server.stores.tracks.columns import PositionLabels
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.h5ad_cells import HELD, by_features, by_rows, csr
from rnaget_server.writers.h5ad_tables import set_encoding, write_table, write_text
from rnaget_server.writers.skeleton import Place, streamed

# The list of columns is an HDF5 attribute, of at most 64 KB: 16 bytes for each.
_MOST_ATTRIBUTES = 4_000


class H5adWriter(Writer):
    """Writes every layer, the main one as ``X``, further units under ``layers``; sparse where the source is."""

    media_types = ("application/vnd.hdfgroup.hdf5", "application/x-hdf5")
    extension = "h5ad"
    aliases = ("anndata",)
    groups = ("expressions", "continuous")

    def check(self, slice: Slice) -> None:
        """Refuse what has more attributes than the format can name."""
        check_attributes(slice, "h5ad")

    def write(self, slice: Slice) -> Body:
        """Return the slice as an h5ad file and its exact length; see `check` for what is refused."""
        self.check(slice)
        return streamed(partial(lay_out, slice), HELD + 8 * sum(slice.shape))


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


def lay_out(slice: Slice, file: h5py.Group) -> list[Place]:
    """Write everything but the cells; return where they go."""
    set_encoding(file, "anndata", "0.1.0")
    observations, variables = _axes(slice)
    write_table(file, "obs", observations)
    write_table(file, "var", variables)
    further, multidimensional, _, _, _, unstructured = (
        set_encoding(file.create_group(name), "dict", "0.1.0")
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns")
    )
    origin = set_encoding(unstructured.create_group("origin"), "dict", "0.1.0")
    for key, value in slice.origin.items():
        write_text(origin, key, value)
    for name, points in slice.embeddings():
        link = link_name(multidimensional, name)
        set_encoding(multidimensional.create_dataset(link, data=points), "array", "0.2.0")
    places = _write_layer(file, "X", slice, slice.layers[0])
    for layer in slice.layers[1:]:
        places += _write_layer(further, link_name(further, layer.units), slice, layer)
    return places


def _axes(slice: Slice) -> tuple[Labels, Labels]:
    """Return the labels of observations and variables."""
    if isinstance(slice.samples, PositionLabels):
        return slice.features, slice.samples
    return slice.samples, slice.features


def _write_layer(group: h5py.Group, link: str, slice: Slice, layer: LayerInfo) -> list[Place]:
    features, samples = slice.shape
    if isinstance(slice.samples, PositionLabels):
        return by_rows(group, link, layer, (features, samples))
    if layer.sparse is not None:
        return csr(group, link, layer.sparse, layer.dtype, (samples, features))
    return by_features(group, link, layer, (samples, features))
