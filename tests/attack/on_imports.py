"""Imports that are killed, and disks that they would fill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from rnaget_server.catalog import load
from rnaget_server.stores.native.dense import NativeStore
from tests.attack.base import Attacks
from tests.attack.commands import command

ATTACKS = Attacks("imports")
_TOOL = Path(sys.executable).with_name("rnaget-server")


def _table(path: Path, value: int, rows: int) -> Path:
    line = "\t".join([str(value)] * 100)
    head = "\t".join(["gene", *(f"S{number}" for number in range(100))])
    path.write_text("\n".join([head, *(f"g{number}\t{line}" for number in range(rows))]) + "\n")
    return path


def _options(directory: Path, source: Path, name: str) -> list[str]:
    data = str(directory / "data")
    ids = ["--data", data, "--project", "p", "--study", "s", "--id", "m", "--units", "TPM", "--name", name]
    return ["import", str(source), *ids, "--replace"]


def _said_and_stored(directory: Path) -> tuple[str | None, float]:
    """Return what the catalogue says of the matrix, and what its file holds."""
    catalog, problems = load(directory / "data")
    assert catalog is not None and not problems, f"the catalogue does not check: {problems}"
    matrix = catalog.matrices["m"]
    store = NativeStore(matrix.path)
    values = np.concatenate(list(store.blocks("TPM")))
    assert values.min() == values.max(), "half of the cells are new"
    return matrix.name, float(values[0, 0])


@ATTACKS("kill -9 of imports that replace a matrix, at moments of chance")
def killed_imports(directory: Path, short: bool) -> str:
    rows, kills = (2_000, 3) if short else (20_000, 20)
    sources = [_table(directory / f"{value}.tsv", value, rows) for value in (1, 2)]
    began = time.monotonic()
    assert command(*_options(directory, sources[0], "1"))[0] == 0
    whole = time.monotonic() - began
    chance = random.Random(5)
    left = 0
    for number in range(kills):
        value = 2 - number % 2
        process = subprocess.Popen(
            [str(_TOOL), *_options(directory, sources[value - 1], str(value))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(whole * chance.uniform(0.4, 1.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        name, stored = _said_and_stored(directory)
        assert name == str(int(stored)), f"the catalogue says {name}, the file holds {stored}"
        hidden = [path for path in (directory / "data").rglob(".*") if path.is_file()]
        words = command("check", str(directory / "data"))[1]
        assert all(path.name in words for path in hidden), f"check does not name {hidden}"
        left += len(hidden)
    assert command(*_options(directory, sources[1], "2"))[0] == 0
    files = sorted(path.name for path in (directory / "data" / "p" / "s").iterdir())
    assert len(files) == 2, f"after the next import there are {files}"
    assert _said_and_stored(directory) == ("2", 2.0)
    return f"catalogue and data agree after {kills} kills; {left} files were left, named, removed by the next import"


@ATTACKS("an import for which the disk has too little room")
def full_disk(directory: Path, short: bool) -> str:
    source = _table(directory / "1.tsv", 1, 100)
    code, said = command(*_options(directory, source, "1"), environment={"RNAGET_MIN_FREE_BYTES": str(1 << 60)})
    assert code == 1, f"code {code}"
    assert "make room" in said and "Traceback" not in said, said
    left = [path for path in (directory / "data").rglob("*") if path.is_file()] if (directory / "data").exists() else []
    assert not left, f"it left {left}"
    return "refused with what to do; nothing is left"
