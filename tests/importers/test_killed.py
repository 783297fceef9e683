"""Imports that are killed at moments of chance: the catalogue stays as it was, and the next import cleans up."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import signal
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli import importing
from rnaget_server.datasets.opening import open_store
from rnaget_server.importers.text import lines
from rnaget_server.plugins import Registry
from rnaget_server.storage.files import leftovers

ROWS, COLUMNS, KILLS = 400, 20, 5
WHERE = ["--project", "p", "--study", "s", "--id", "m", "--units", "x", "--replace"]


def write_source(path: Path, factor: int) -> None:
    cells = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) * factor
    header = "\t".join(["gene", *(f"s{column}" for column in range(COLUMNS))])
    rows = ("\t".join([f"g{row}", *map(str, cells[row])]) for row in range(ROWS))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m.tsv.gz", gzip.compress("\n".join([header, *rows]).encode()))


def run(source: Path, data: Path) -> None:
    done = CliRunner().invoke(importing.import_command, [str(source), "--data", str(data), *WHERE])
    assert done.exit_code == 0, done.output


def stored(data: Path) -> int:
    """Return the factor of the cells in the catalogue, which must be in order."""
    catalog, problems = load(data)
    assert catalog is not None and not problems
    store = open_store(catalog.matrices["m"], Registry("rnaget_server.stores"))
    cells = np.concatenate(list(store.blocks("x"))).ravel()
    factor = int(cells[1])
    assert np.array_equal(cells, np.arange(ROWS * COLUMNS, dtype=np.float32) * factor)
    return factor


class SteppedImport:
    """An import in a process of its own, which goes on by one report of progress at a time."""

    def __init__(self, source: Path, data: Path) -> None:
        self._steps, steps = os.pipe()
        goes_on, self._go_on = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.close(self._go_on)
                self._import(source, data, steps, goes_on)
            finally:
                os._exit(1)
        os.close(steps)
        os.close(goes_on)

    def _import(self, source: Path, data: Path, steps: int, goes_on: int) -> None:
        def step(share: float) -> None:
            os.write(steps, b".")
            os.read(goes_on, 1)

        @contextlib.contextmanager
        def stepped() -> Iterator[object]:
            yield step

        importing.progress_bar = stepped  # type: ignore[assignment]
        run(source, data)
        os._exit(0)

    def advance(self) -> bool:
        """Wait for the next report; return false if the import has ended."""
        return bool(os.read(self._steps, 1))

    def go_on(self) -> None:
        os.write(self._go_on, b".")

    def end(self, sign: int | None = None) -> int:
        """Kill the process, or wait for its end; return how it ended."""
        if sign is not None:
            os.kill(self._pid, sign)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._steps)
        os.close(self._go_on)
        return os.waitstatus_to_exitcode(status)


def test_imports_killed_at_five_moments_leave_the_catalogue_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 4096)
    temporary, data = tmp_path / "tmp", tmp_path / "data"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    write_source(old, 1)
    write_source(new, 2)
    run(old, data)
    files = sorted(path for path in data.rglob("*") if path.is_file())

    whole, steps = SteppedImport(old, data), 0
    while whole.advance():
        steps += 1
        whole.go_on()
    assert whole.end() == 0 and steps > 2 * KILLS

    left_in_catalogue = left_in_temporary = 0
    # The last report comes when the new store is written, and not yet in its place.
    for moment in (*random.Random(17).sample(range(1, steps), KILLS - 1), steps):
        killed = SteppedImport(new, data)
        for number in range(moment):
            assert killed.advance()
            if number < moment - 1:
                killed.go_on()
        assert killed.end(signal.SIGKILL) == -signal.SIGKILL
        assert stored(data) == 1
        left_in_catalogue = max(left_in_catalogue, len(leftovers(data)))
        left_in_temporary = max(left_in_temporary, len(os.listdir(temporary)))
        assert len(os.listdir(temporary)) <= 2  # those of one import
    assert left_in_catalogue and left_in_temporary  # else nothing is shown by what follows
    run(new, data)
    assert stored(data) == 2
    assert os.listdir(temporary) == []
    assert not leftovers(data)
    assert len([path for path in data.rglob("*") if path.is_file()]) == len(files)
