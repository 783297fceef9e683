"""Cells are put in where HDF5 expects them, with any bytes between them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from rnaget_server.writers.skeleton import Gap, allocate, streamed


def test_chunks_with_parts_of_their_index_between_them(tmp_path: Path) -> None:
    cells = np.arange(1800, dtype=np.float64).reshape(3, 600)
    flat = np.arange(7, dtype=np.int32)

    def lay_out(file: h5py.File) -> list[Gap]:
        pieces = (np.ascontiguousarray(cells[:, [column]]).tobytes() for column in range(600))
        file["before"] = "x" * 5000
        gaps = allocate(file, "chunked", cells.dtype, cells.shape, pieces, chunk=(3, 1))[1]
        offsets = [gap.offset for gap in gaps]
        assert len(gaps) == 600 and max(np.diff(offsets)) > 24
        file["between"] = "y" * 5000
        gaps += allocate(file, "flat", flat.dtype, flat.shape, iter([flat[:3].tobytes(), flat[3:].tobytes()]))[1]
        return gaps[::-1][:1] + gaps[:-1]

    body = streamed(lay_out)
    data = b"".join(body.chunks)
    assert len(data) == body.length
    (tmp_path / "file.h5").write_bytes(data)
    with h5py.File(tmp_path / "file.h5") as file:
        assert np.array_equal(file["chunked"], cells)
        assert np.array_equal(file["flat"], flat)
        assert file["between"].asstr()[()] == "y" * 5000


def test_nothing_to_put_in(tmp_path: Path) -> None:
    body = streamed(lambda file: allocate(file, "none", np.dtype(np.float32), (0,), iter([]))[1])
    (tmp_path / "file.h5").write_bytes(b"".join(body.chunks))
    with h5py.File(tmp_path / "file.h5") as file:
        assert file["none"].shape == (0,)
