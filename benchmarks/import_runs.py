"""Imports as commands of their own: how long they take, their memory, and what is left if they are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.material import UNITS
from benchmarks.servers import RESIDENT, children, memory_of
from rnaget_server.cli.new import write_new_catalog

_LOOKED_EVERY = 0.02
_TOOL = (sys.executable, "-m", "rnaget_server.cli.server")


def run(command: Sequence[str | Path]) -> float:
    """Run a command and return the most memory that it and its children had at once, in MB."""
    # An installed program is compiled already, as the libraries are that it is compared with.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(_LOOKED_EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def import_command(source: Path, data: Path) -> list[str | Path]:
    """Return the command that imports a matrix into a catalogue."""
    place = ("--project", "made", "--study", "imported", "--id", "m", "--units", UNITS, "--replace")
    return [*_TOOL, "import", source, "--data", data, *place]


def export_command(data: Path, matrix: str, output: Path, format: str, genes: Sequence[str]) -> list[str | Path]:
    """Return the command that exports some genes of a matrix."""
    return [*_TOOL, "export", matrix, output, "--data", data, "--format", format, "--genes", ",".join(genes)]


def imported(source: Path, directory: Path) -> float:
    """Import a file into a new catalogue, which is removed again; return the peak of memory in MB."""
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        data = Path(temporary, "data")
        write_new_catalog(data, None)
        return run(import_command(source, data))


def faults_of_kills(source: Path, directory: Path, seconds: float, kills: int) -> int:
    """Kill imports at drawn moments of their first `seconds`, by turns alone and with their group; return the faults.

    A fault is a catalogue that does not check after a kill, and a temporary file that the next import leaves.
    """
    draw, faults = random.Random(17), 0
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        data, own = Path(temporary, "data"), Path(temporary, "tmp")
        own.mkdir()
        environment = {**os.environ, "TMPDIR": str(own)}
        write_new_catalog(data, None)
        command = import_command(source, data)
        for number in range(kills):
            # What comes from the standard input is copied to the directory of temporary files first.
            with source.open("rb") as stdin:
                process = subprocess.Popen(
                    [*command[:4], "-", *command[5:]],
                    stdin=stdin,
                    stdout=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,
                )
            time.sleep(draw.uniform(0, seconds))
            with suppress(ProcessLookupError):
                (os.killpg if number % 2 else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            checked = subprocess.run([*_TOOL, "check", data], capture_output=True, check=False, env=environment)
            faults += checked.returncode != 0
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, env=environment)
        left = [path for path in data.rglob("*") if ".import-" in path.name]
        return faults + len(left) + len(os.listdir(own))


def _resident(pid: int) -> float:
    """Return the memory that a process and all below it have, in MB."""
    below: list[int] = []
    with suppress(OSError):
        below = children(pid)
    return memory_of(pid, RESIDENT) + sum(map(_resident, below))
