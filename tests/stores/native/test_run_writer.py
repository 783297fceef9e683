"""Runs of cells written past HDF5 are what HDF5's own filter reads, and are read by frames."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.storage.access import DEFAULT_LIMITS
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores import chunked_run
from rnaget_server.stores.chunk_reader import is_only_blosc
from rnaget_server.stores.chunked_run import ChunkedRun
from rnaget_server.stores.hdf5_dataset import Part
from rnaget_server.stores.joined_chunks import decode_together
from rnaget_server.stores.native.run_form import RunForm
from rnaget_server.stores.native.run_writer import RunWriter
from tests.conftest import examples

RANDOM = np.random.default_rng(20_261_121)


def write_run(path: Path, cells: NDArray[Any], frame: int) -> NDArray[np.int64]:
    """Write cells into a file of their own, and return the places of their frames."""
    with h5py.File(path, "w") as file:
        form = RunForm.of(len(cells), cells.dtype, frame)
        writer = RunWriter(file, "cells", form)
        writer.append(form.encoded(cells, 0))
        writer.finish(file, "places")
        places: NDArray[np.int64] = file["places"][()]
    return places


def run_of(file: h5py.File, name: str = "cells") -> ChunkedRun:
    """Return what reads a dataset that was written with the places of its frames."""
    dataset, places = file[name], file["places"][()]
    frame = int(file["places"].attrs["frame"])
    form = Part(name, dataset.shape, dataset.dtype, (frame,), True, None, {}, DEFAULT_LIMITS)
    return ChunkedRun(LocalFile.open(Path(file.filename)), form, lambda: places)


@pytest.mark.parametrize("pieces", [(), (0,), (1,), (8,), (5, 3), (3, 0, 20, 1), (700, 1, 9)])
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_hdf5_reads_runs_of_cells(tmp_path: Path, pieces: tuple[int, ...], dtype: type) -> None:
    cells = RANDOM.integers(0, 1000, sum(pieces)).astype(dtype)
    path = tmp_path / "cells.h5"
    with h5py.File(path, "w") as file:
        form, at = RunForm.of(len(cells), cells.dtype, 8), 0
        writer = RunWriter(file, "cells", form)
        for piece in np.split(cells, np.cumsum(pieces)[:-1]) if pieces else ():
            writer.append(form.encoded(piece.astype(np.int64), at))
            at += len(piece)
        writer.finish(file, "places")
    with h5py.File(path, "r") as file:
        assert file["cells"].dtype == dtype
        np.testing.assert_array_equal(file["cells"][()], cells)


def write_pieces(path: Path, form: RunForm, pieces: list[NDArray[Any]]) -> None:
    """Write cells that are encoded piece by piece, from wherever each begins."""
    at = 0
    with h5py.File(path, "w") as file:
        writer = RunWriter(file, "cells", form)
        for piece in pieces:
            writer.append(form.encoded(piece, at))
            at += len(piece)
        writer.finish(file, "places")


def chunks_of(path: Path) -> list[tuple[int, bytes]]:
    """Return the filters that each chunk was stored without, and its bytes."""
    with h5py.File(path) as file:
        dataset = file["cells"]
        return [dataset.id.read_direct_chunk((at,)) for at in range(0, len(dataset), dataset.chunks[0])]


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 700),
    cuts=st.lists(st.integers(0, 700), max_size=8),
    # Of uint8, a frame of 8 cells is too small to be compressed.
    frame=st.sampled_from([8, 32]),
    dtype=st.sampled_from(["u1", "u2", "i4", "f4", "f8"]),
    noise=st.booleans(),
)
@example(count=600, cuts=[1], frame=8, dtype="i4", noise=False)
@example(count=512, cuts=[128, 256, 256, 511], frame=32, dtype="f4", noise=True)
@example(count=700, cuts=[5, 6, 600], frame=8, dtype="u1", noise=False)
def test_pieces_that_begin_anywhere_give_what_is_encoded_at_once(
    tmp_path: Path, count: int, cuts: list[int], frame: int, dtype: str, noise: bool
) -> None:
    random = np.random.default_rng(count)
    cells = random.integers(0, 50, count).astype(dtype)
    if noise:  # in the middle of it, which does not become smaller
        middle = cells[count // 3 : count // 2]
        middle[:] = random.integers(0, 120, middle.nbytes, np.uint8).view(dtype)
    form = RunForm.of(count, cells.dtype, frame)
    write_pieces(tmp_path / "once.h5", form, [cells])
    write_pieces(tmp_path / "pieces.h5", form, np.split(cells, sorted(min(cut, count) for cut in cuts)))
    assert chunks_of(tmp_path / "once.h5") == chunks_of(tmp_path / "pieces.h5")
    for name in ("once.h5", "pieces.h5"):
        with h5py.File(tmp_path / name) as file:
            assert file["cells"][()].tobytes() == cells.tobytes()
            run = run_of(file)
            for low, high in ((0, count), (count // 3, count // 2), (count - 1, count)):
                assert run.read(np.array([low]), np.array([high])).tobytes() == cells[low:high].tobytes()


@pytest.mark.parametrize("frame", [8, 4096])
def test_frames_that_do_not_become_smaller(tmp_path: Path, frame: int) -> None:
    """Their chunks are stored without the filter, and those of others with it."""
    cells = np.zeros(frame * 16 * 3, np.float64)
    noisy = cells[frame * 16 : frame * 32]
    noisy[:] = RANDOM.integers(0, 256, noisy.nbytes, np.uint8).view(np.float64)
    form = RunForm.of(len(cells), cells.dtype, frame)
    write_pieces(tmp_path / "a.h5", form, np.split(cells, [5, frame * 20]))
    chunks = chunks_of(tmp_path / "a.h5")
    # HDF5 says by a bit for each filter which of them a chunk was stored without.
    expected = [0, 1, 0] if frame > 8 else [1, 1, 1]
    assert [mask for mask, _ in chunks] == expected
    assert chunks[1][1] == noisy.tobytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["cells"][()].tobytes() == cells.tobytes()


def test_encoded_cells_are_sent_as_they_lie_in_memory() -> None:
    cells = RANDOM.integers(0, 1000, 200_000).astype(np.int32)
    form = RunForm.of(1 << 20, cells.dtype, 4096)
    encoded = form.encoded(cells, 1000)
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(encoded, protocol=5, buffer_callback=buffers.append)
    arrays = vars(encoded)
    assert sum(buffer.raw().nbytes for buffer in buffers) == sum(array.nbytes for array in arrays.values())
    assert len(pickled) < 2_000 and len(encoded.chunks) > 100_000
    assert (len(encoded.before), len(encoded.after)) == (65_536 - 1_000, 200_000 - (65_536 - 1_000) - 2 * 65_536)
    sent = pickle.loads(pickled, buffers=[bytes(buffer.raw()) for buffer in buffers])
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(sent, name), array)
        assert getattr(sent, name).dtype == array.dtype


@pytest.mark.parametrize(("chunk", "at_once"), [(8, 100), (128, 1), (128, 3_000), (128, 1 << 20)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("noise", [False, True])
# Of frames of 128 cells: one a chunk, one whole chunk of sixteen, and two and a part.
@pytest.mark.parametrize("count", [1_003, 2_048, 5_000])
def test_ranges_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, at_once: int, dtype: type, noise: bool, count: int
) -> None:
    monkeypatch.setattr(chunked_run, "_BYTES_AT_ONCE", at_once)
    monkeypatch.setattr(chunked_run, "_MOST_ANNOUNCED", 5)
    cells = RANDOM.integers(0, 1000, count).astype(dtype)
    if noise:  # which does not become smaller, so that these chunks are not compressed
        cells[300:600] = RANDOM.integers(0, 256, 300 * cells.itemsize, np.uint8).view(dtype)
    path = tmp_path / "cells.h5"
    write_run(path, cells, chunk)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["cells"][()], cells)
        run = run_of(file)
        for _ in range(examples(200)):
            edges = np.sort(RANDOM.integers(0, len(cells) + 1, 2 * RANDOM.integers(1, 60)))
            begin, end = edges[::2], edges[1::2]
            expected = np.concatenate([cells[a:b] for a, b in zip(begin, end, strict=True)])
            run.announce(begin, end)
            np.testing.assert_array_equal(run.read(begin, end), expected)
        assert run.read(np.empty(0, np.int64), np.empty(0, np.int64)).shape == (0,)
        np.testing.assert_array_equal(run.read(np.array([0]), np.array([count])), cells)


@pytest.mark.parametrize("ranges", [([30], [40]), ([0, 30], [5, 100]), ([0, 10, 20], [1, 11, 40])])
@pytest.mark.parametrize("damage", ["table", "header", "beyond", "least", "none"])
def test_a_damaged_run_is_refused(tmp_path: Path, damage: str, ranges: tuple[list[int], list[int]]) -> None:
    cells = np.arange(100, dtype=np.int32)
    path = tmp_path / "cells.h5"
    places = write_run(path, cells, 8)
    if damage == "table":
        places = places[:-1]
    elif damage == "header":
        places[3] = places[3, 0] + 1, abs(places[3, 1])
    elif damage == "beyond":
        places[3, 0] = 1 << 40
    elif damage == "least":
        places[3, 1] = np.iinfo(np.int64).min
    else:
        places[3] = 0
    form = Part("cells", cells.shape, cells.dtype, (8,), True, None, {}, DEFAULT_LIMITS)
    run = ChunkedRun(LocalFile.open(path), form, lambda: places)
    with pytest.raises(OSError, match=r"damaged|cut off"):
        run.read(*map(np.array, ranges))


@pytest.mark.parametrize("word", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("value", [0, 1, 1 << 14, 0xFFFFFFFF])
def test_numbers_of_a_chunk_that_cannot_be_are_refused(tmp_path: Path, word: int, value: int) -> None:
    cells = np.arange(10_000, dtype=np.int32)
    path = tmp_path / "cells.h5"
    places = write_run(path, cells, 1000)
    with path.open("r+b") as raw:
        raw.seek(places[5, 0] + 4 * word)
        raw.write(np.array([value], "<u4").tobytes())
    with h5py.File(path, "r") as file:
        run = run_of(file)
        with pytest.raises(OSError, match="damaged"):
            run.read(np.array([0, 2_000]), np.array([1_500, 9_000]))
        whole = run.read(np.array([0, 6_000]), np.array([5_000, 9_000]))
        np.testing.assert_array_equal(whole, [*cells[:5_000], *cells[6_000:9_000]])


def test_a_chunk_that_was_cut_off_is_not_filled_up_from_the_next(tmp_path: Path) -> None:
    cells = np.random.default_rng(7).integers(0, 1000, (6, 512)).astype(np.int32)
    parts = [blosc.Blosc("lz4", 5, blosc.SHUFFLE).encode(part) for part in cells]
    size = len(parts[2]) - 3
    parts[2] = parts[2][:12] + size.to_bytes(4, "little") + parts[2][16:size]
    path = tmp_path / "chunks"
    path.write_bytes(b"".join(parts))
    sizes = np.array([*map(len, parts)])
    places = np.stack([np.cumsum(sizes) - sizes, sizes], axis=1)
    form = Part("cells", (cells.size,), cells.dtype, (512,), True, None, {}, DEFAULT_LIMITS)
    run = ChunkedRun(LocalFile.open(path), form, lambda: places)
    with pytest.raises(OSError, match="damaged"):
        run.read(np.array([0]), np.array([cells.size]))
    np.testing.assert_array_equal(run.read(np.array([1_536]), np.array([3_072])), cells[3:].ravel())


def test_chunks_that_are_alike_are_decoded_together() -> None:
    cells = np.sort(RANDOM.integers(0, 30_000, (20, 512)).astype(np.int32))
    codec = blosc.Blosc("lz4", 5, blosc.SHUFFLE)
    parts = [codec.encode(part) for part in cells]
    target = np.empty(cells.size, np.int32)
    assert decode_together(parts, np.array([*map(len, parts)]), 2048, target)
    np.testing.assert_array_equal(target, cells.ravel())
    for other in (blosc.Blosc("lz4", 5, blosc.NOSHUFFLE), blosc.Blosc("zstd", 5), blosc.Blosc("lz4", 0)):
        parts[7] = other.encode(cells[7])
        assert not decode_together(parts, np.array([*map(len, parts)]), 2048, target)


def test_a_run_that_somebody_has_written_again_is_left_to_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        form = RunForm.of(100, np.dtype(np.int32), 8)
        writer = RunWriter(file, "own", form)
        writer.append(form.encoded(np.arange(100), 0))
        writer.finish(file, "places")
        file.create_dataset("gzip", data=np.arange(100), chunks=(8,), compression="gzip")
        file.create_dataset("contiguous", data=np.arange(100))
        assert [is_only_blosc(file[name]) for name in ("own", "gzip", "contiguous")] == [True, False, False]
