"""The cells of a sparse matrix into the chunks of a native store, past HDF5's filters."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.chunk_reader import chunk_places
from rnaget_server.stores.native.run_form import CODEC, LEVEL, EncodedCells, RunForm


class RunWriter:
    """A new dataset of one dimension, written from its beginning to its end.

    Parameters
    ----------
    group, name
        Where it is created.
    form
        Its form.
    """

    def __init__(self, group: h5py.Group, name: str, form: RunForm) -> None:
        self._form = form
        compression = hdf5plugin.Blosc(cname=CODEC, clevel=LEVEL, shuffle=form.shuffle)
        stored = {"chunks": (form.chunk,), "compression": compression} if form.size else {}
        self._dataset = group.create_dataset(name, (form.size,), form.dtype, **stored)
        self._held = np.empty(0, form.dtype)
        self._frames: list[NDArray[np.int64]] = []

    def append(self, part: EncodedCells) -> None:
        """Write the next cells, encoded with the number of those before them; none of their arrays is kept."""
        self._held = np.concatenate([self._held, part.before])
        if len(self._held) == self._form.chunk:
            self._write(self._form.encoded(self._held, 0))
            self._held = self._held[:0]
        self._write(part)
        if len(part.after):
            self._held = part.after.copy()

    def finish(self, file: h5py.File, name: str) -> None:
        """Write the last cells, and in a dataset of that name where the frames are."""
        form = self._form
        if not form.size:
            return
        if len(self._held):
            last = np.zeros(form.chunk, form.dtype)
            last[: len(self._held)] = self._held
            self._write(form.encoded(last, 0))
        chunks = chunk_places(self._dataset)
        frames = np.stack(self._frames)
        frames[:, :, 0] += chunks[:, np.newaxis, 0]
        places = file.create_dataset(name, data=frames.reshape(-1, 2)[: -(-form.size // form.frame)])
        places.attrs[layout.FRAME] = form.frame

    def _write(self, part: EncodedCells) -> None:
        end = 0
        for size, mask, frames in zip(part.sizes.tolist(), part.masks.tolist(), part.frames, strict=True):
            start, end = end, end + size
            place = len(self._frames) * self._form.chunk
            self._dataset.id.write_direct_chunk((place,), part.chunks[start:end].data, mask)
            self._frames.append(frames.copy())
