"""Sources of sparse matrices that change before or while processes read them, or may not be read by processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers import sparse_lines
from rnaget_server.importers.matrices import sparse_reading
from rnaget_server.importers.sparse_blocks import BlockFiles
from rnaget_server.importers.sparse_source import SourceLines
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import CompressedMatrix, open_compressed
from rnaget_server.stores.hdf5_file import File


def _spooled_here(path: Path) -> None:
    sparse_reading._MANY_CELLS = 1  # of the process that this runs in
    spooled = sparse_reading.spool_lines(path, _lines(path), "samples", path.parent, lambda _: None)
    os._exit(0 if spooled.count == 4 else 2)


def _lines(path: Path) -> CompressedMatrix:
    return open_compressed(File(path).group("X"), 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of two samples and three features, whose cells lie in it as they are."""
    with h5py.File(tmp_path / "source.h5ad", "w") as file:
        file["X/indptr"] = np.array([0, 2, 4])
        file["X/indices"] = np.array([0, 2, 0, 1], np.int32)
        file["X/data"] = np.array([1, 2, 3, 4], np.float32)
    place = _lines(tmp_path / "source.h5ad").place
    assert place is not None and place.is_flat
    return tmp_path / "source.h5ad"


def test_in_a_process_that_may_start_none(source: Path) -> None:
    """Such are those of some pools of processes: there the cells are read without others."""
    process = multiprocessing.get_context("spawn").Process(target=_spooled_here, args=(source,), daemon=True)
    process.start()
    process.join()
    assert process.exitcode == 0


SCRIPT = """
import sys
from contextlib import closing
from pathlib import Path
from rnaget_server.importers.matrices import sparse_reading
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.compressed import open_compressed

sparse_reading._MANY_CELLS, sparse_reading.PROCESSORS = 1, 2
path = Path(sys.argv[1])
lines = open_compressed(File(path).group("X"), 3)
with closing(sparse_reading.spool_lines(path, lines, "samples", path.parent, lambda _: None)) as spooled:
    print(spooled.count)
"""


@pytest.mark.parametrize("way", ["a file", "the standard input"])
def test_from_a_script_that_does_not_look_at_its_name(source: Path, tmp_path: Path, way: str) -> None:
    """Python would run it again in each process that it starts."""
    script, named = tmp_path / "script.py", way == "a file"
    script.write_text(SCRIPT)
    command = [sys.executable, script if named else "-", source]
    done = subprocess.run(command, input=None if named else SCRIPT, text=True, capture_output=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("4\n", "", 0)


def _rewritten(path: Path) -> None:
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(first)
    # The clock of files may still say what it did before.
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))


def test_changed_before_processes_open_it(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process opens the file by itself: none takes another one for it."""
    monkeypatch.setattr(sparse_reading, "_MANY_CELLS", 1)
    monkeypatch.setattr(sparse_reading, "PROCESSORS", 2)
    lines = _lines(source)
    _rewritten(source)
    with pytest.raises(ImportFailure, match="the file was changed while it was read"):
        sparse_reading.spool_lines(source, lines, "samples", source.parent, lambda _: None)


def test_written_to_while_lines_are_used(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that are looked at in the file itself may change between a look and the next."""
    place = _lines(source).place
    assert place is not None
    part = SourceLines(source, place, 0, 2)
    files = BlockFiles(source.parent, 1)
    assert part.spool(files, 0).counts.tolist() == [2, 1, 1]
    append = sparse_lines.HeldLines.append

    def append_late(self: sparse_lines.HeldLines, piece: CompressedBlock) -> None:
        append(self, piece)
        _rewritten(source)

    monkeypatch.setattr(sparse_lines.HeldLines, "append", append_late)
    with pytest.raises(ImportFailure, match="written to while it was open"):
        part.spool(files, 0)
    files.close()
