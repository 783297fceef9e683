"""MuData's file format with one modality, which is AnnData within the file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import h5py
import numpy as np

from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.h5ad import check_attributes, lay_out
from rnaget_server.writers.h5ad_cells import HELD
from rnaget_server.writers.h5ad_tables import set_encoding, write_table
from rnaget_server.writers.skeleton import Gap, streamed

_MODALITY = "rna"
_VERSION = "0.1.0"
# HDF5 leaves a block to its writer, by which MuData knows its files.
_BLOCK = f"MuData (format-version={_VERSION};creator=rnaget-server)".encode().ljust(512, b"\0")


class H5muWriter(Writer):
    """Writes what `H5adWriter` writes, as the modality ``rna``."""

    media_types = ("application/vnd.hdfgroup.hdf5", "application/x-hdf5")
    extension = "h5mu"
    groups = ("exports",)

    def check(self, slice: Slice) -> None:
        """Refuse what h5ad refuses."""
        check_attributes(slice, "h5mu")

    def write(self, slice: Slice) -> Body:
        """Return the slice as an h5mu file and its exact length; see `check` for what is refused."""
        self.check(slice)
        body = streamed(partial(_lay_out, slice), HELD + 8 * sum(slice.shape))
        assert body.length is not None
        return Body(_behind_block(body.chunks), len(_BLOCK) + body.length, body.close, body.held)


def _behind_block(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield _BLOCK
    yield from chunks


def _lay_out(slice: Slice, file: h5py.File) -> list[Gap]:
    set_encoding(file, "MuData", _VERSION)
    file.attrs["axis"] = 0
    for axis, further, labels in (("obs", "obsm", slice.samples), ("var", "varm", slice.features)):
        write_table(file, axis, labels, attributes=())
        members = set_encoding(file.create_group(further), "dict", "0.1.0")
        places = set_encoding(file.create_group(f"{axis}map"), "dict", "0.1.0")
        # The members of the modality, and the place of each in it, counted from 1.
        for group, values in ((members, np.ones(labels.size, bool)), (places, np.arange(1, labels.size + 1))):
            set_encoding(group.create_dataset(_MODALITY, data=values), "array", "0.2.0")
        set_encoding(file.create_group(f"{axis}p"), "dict", "0.1.0")
    set_encoding(file.create_group("uns"), "dict", "0.1.0")
    modalities = file.create_group("mod")
    modalities.attrs["mod-order"] = [_MODALITY]
    return lay_out(slice, modalities.create_group(_MODALITY))
