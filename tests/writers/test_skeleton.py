"""Cells are put in where HDF5 expects them, with any bytes between them."""

from __future__ import annotations

from collections.abc import Iterator
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


def test_small_pieces_are_sent_together(tmp_path: Path) -> None:
    cells = np.arange(1_000_000, dtype=np.float64)

    def lay_out(file: h5py.File) -> list[Gap]:
        gaps = allocate(file, "few", cells.dtype, (100,), iter([cells[:100].tobytes()]))[1]
        gaps += allocate(
            file, "many", cells.dtype, (1_000_000,), iter([cells[:500_000].tobytes(), cells[500_000:].tobytes()])
        )[1]
        pieces = (cells[start : start + 1000].tobytes() for start in range(0, 300_000, 1000))
        return gaps + allocate(file, "short", cells.dtype, (300_000,), pieces)[1]

    body = streamed(lay_out)
    pieces = list(body.chunks)
    assert len(pieces) <= 8 and max(map(len, pieces)) <= 4_000_000
    (tmp_path / "file.h5").write_bytes(b"".join(pieces))
    with h5py.File(tmp_path / "file.h5") as file:
        assert np.array_equal(file["many"], cells) and np.array_equal(file["short"], cells[:300_000])
        assert np.array_equal(file["few"], cells[:100])


def test_what_a_place_was_filled_from_is_let_go_before_the_next_is_filled() -> None:
    events = []

    def pieces(name: str) -> Iterator[bytes]:
        events.append(f"{name} begins")
        try:
            yield bytes(4_000)
            yield bytes(4_000)
        finally:
            events.append(f"{name} ends")

    def lay_out(file: h5py.File) -> list[Gap]:
        kind = np.dtype(np.float32)
        return [gap for name in ("a", "b") for gap in allocate(file, name, kind, (2_000,), pieces(name))[1]]

    b"".join(streamed(lay_out).chunks)
    assert events == ["a begins", "a ends", "b begins", "b ends"]
