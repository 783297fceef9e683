"""Imports by several processes, of which one ends, fails, or finds another file than the one that was opened."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnaget_server.compute.processes import Processes
from rnaget_server.errors import ComputeFailure, ImportFailure
from rnaget_server.importers import sparse_lines, sparse_spool
from rnaget_server.importers.matrices import sparse_reading
from rnaget_server.importers.sparse_blocks import BlockFile
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import CompressedMatrix, open_compressed
from rnaget_server.stores.hdf5_file import File

_FILE_SIZE = 1 << 20


class _TwoArguments(Exception):
    """An error that Python pickles and cannot read again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def _ended_by(_: None, number: int) -> None:
    os.kill(os.getpid(), number)


def _asleep(_: None, seconds: float) -> None:
    time.sleep(seconds)


def _failing(_: None, part: int) -> None:
    raise _TwoArguments("one", "two") if part else OSError(28, "no room")


def _numbers(_: None, part: int) -> np.ndarray:
    return np.arange(part, part + 1000)


def _spooled_here(path: Path) -> None:
    sparse_reading._MANY_CELLS = 1  # of the process that this runs in
    spooled = _spooled(path)
    os._exit(0 if spooled.count == 4 else 2)


def _spooled(path: Path) -> sparse_spool.SpooledSparse:
    return sparse_reading.spool_lines(path, _lines(path), "samples", path.parent, lambda _: None)


def _lines(path: Path) -> CompressedMatrix:
    return open_compressed(File(path).group("X"), 3)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(1, tmp_path, None)
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of two samples and three features, whose cells lie in it as they are."""
    with h5py.File(tmp_path / "source.h5ad", "w") as file:
        file["X/indptr"] = np.array([0, 2, 4])
        file["X/indices"] = np.array([0, 2, 0, 1], np.int32)
        file["X/data"] = np.array([1, 2, 3, 4], np.float32)
    assert _lines(tmp_path / "source.h5ad").is_flat
    return tmp_path / "source.h5ad"


@pytest.mark.parametrize(
    ("number", "message"), [(signal.SIGKILL, "memory enough"), (signal.SIGBUS, "the file was cut short")]
)
def test_ended_process(processes: Processes, number: int, message: str) -> None:
    with pytest.raises(ComputeFailure, match=message):
        list(processes.map(_ended_by, [number]))


def test_closed_while_at_work(tmp_path: Path) -> None:
    """Whoever breaks off does not wait for a part, and nothing of the processes stays."""
    processes, threads = Processes(2, tmp_path, None), threading.active_count()
    results = processes.map(_asleep, [0.0, 60.0, 60.0])
    next(results)
    begun = time.monotonic()
    results.close()
    processes.close()
    assert time.monotonic() - begun < 30
    assert multiprocessing.active_children() == []
    assert threading.active_count() == threads


def test_closed_by_an_interrupted_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second Ctrl-C, while the first one ends the processes, they can still be closed."""
    processes = Processes(2, tmp_path, None)
    list(processes.map(_asleep, [0.0]))
    pool = processes._threads
    monkeypatch.setattr(pool, "shutdown", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.close()
    monkeypatch.undo()
    processes.close()
    assert multiprocessing.active_children() == []


def _interrupted(**_: object) -> None:
    raise KeyboardInterrupt


def test_errors_as_they_are(processes: Processes) -> None:
    with pytest.raises(OSError, match="no room") as raised:
        list(processes.map(_failing, [0]))
    assert raised.value.errno == 28


def test_error_that_cannot_be_sent(processes: Processes) -> None:
    with pytest.raises(ComputeFailure, match="_TwoArguments: one and two"):
        list(processes.map(_failing, [1]))
    assert [array.sum() for array in processes.map_arrays(_numbers, [0])] == [499500]  # it goes on


def test_small_files_only(tmp_path: Path) -> None:
    """The results of all parts take files no larger than a result: some systems limit how large a file may be."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    processes = Processes(2, tmp_path, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_SIZE, before[1]))
    try:
        sums = [int(array.sum()) for array in processes.map_arrays(_numbers, range(9))]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        processes.close()
    assert sums == [499500 + 1000 * part for part in range(9)]


def test_in_a_process_that_may_start_none(source: Path) -> None:
    """Such are those of some pools of processes: there the cells are read without others."""
    process = multiprocessing.get_context("spawn").Process(target=_spooled_here, args=(source,), daemon=True)
    process.start()
    process.join()
    assert process.exitcode == 0


def _rewritten(path: Path) -> None:
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(first)
    os.utime(path)


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [_rewritten, _replaced])
def test_changed_before_processes_open_it(
    source: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process opens the file by itself: none takes another one for it."""
    monkeypatch.setattr(sparse_reading, "_MANY_CELLS", 1)
    monkeypatch.setattr(sparse_reading, "PROCESSORS", 2)
    lines = _lines(source)
    change(source)
    with pytest.raises(ImportFailure, match="the file was changed while it was read"):
        sparse_reading.spool_lines(source, lines, "samples", source.parent, lambda _: None)


def test_written_to_while_lines_are_used(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that are looked at in the file itself may change between a look and the next."""
    place = _lines(source).place
    assert place is not None
    part = sparse_reading._Part(source, place, 0, 2, 0)
    file = BlockFile(source.parent)
    assert sparse_reading._read_part(file, part).counts.tolist() == [2, 1, 1]
    append = sparse_lines.HeldLines.append

    def append_late(self: sparse_lines.HeldLines, piece: CompressedBlock) -> None:
        append(self, piece)
        _rewritten(source)

    monkeypatch.setattr(sparse_lines.HeldLines, "append", append_late)
    with pytest.raises(ImportFailure, match="written to while it was open"):
        sparse_reading._read_part(file, part)
    file.close()


def test_numbers_of_fewer_bits_than_their_bytes(source: Path) -> None:
    """HDF5 shifts them as it reads: they are not taken as they lie."""
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(10)
    kind.set_offset(3)
    with h5py.File(source, "r+") as file:
        del file["X/data"]
        data = h5py.h5d.create(file["X"].id, b"data", kind, h5py.h5s.create_simple((4,)))
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 3, 4], np.uint16))
    place = _lines(source).place
    assert place is not None
    pieces = list(place.open().pieces(None, None, np.dtype(np.float32)))
    assert [piece.data.tolist() for piece in pieces] == [[1, 2, 3, 4]]
