"""A real scheduler of Dask with workers on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parent.parent
_SECONDS = 120
# As docs/compute.md has it: what Dask keeps of where tasks spend their time takes some of that.
_SETTINGS = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms"}


class Cluster:
    """A scheduler and two workers of one thread, each of which a nanny replaces when it dies."""

    def __init__(self, directory: Path, workers: int = 2) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers = workers
        file = directory / "scheduler.json"
        try:
            self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
            address = self._address(file)
            self.address = f"dask://{address}"
            if workers:
                where = ["--host", "127.0.0.1", "--local-directory", str(directory)]
                self._start("dask_worker", address, "--nworkers", str(workers), "--nthreads", "1", *where)
            self.client = Client(address, set_as_default=False, timeout=_SECONDS)
            if workers:
                self.client.wait_for_workers(workers, timeout=_SECONDS)
        except BaseException:
            self.stop()
            raise

    def pids(self) -> list[int]:
        """Return the processes of the workers, once all are there."""
        self.client.wait_for_workers(self._workers, timeout=_SECONDS)
        return sorted(self.client.run(os.getpid, on_error="ignore").values())

    def freeze(self) -> None:
        """Keep the scheduler from answering."""
        self._processes[0].send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._processes[0].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End all processes, the scheduler last."""
        if hasattr(self, "client"):
            self.client.close()
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, program: str, *options: str) -> None:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with (self._directory / f"{program}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.{program}", *options, "--no-dashboard"],
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    env=os.environ | _SETTINGS | {"PYTHONPATH": path},
                )
            )

    def _address(self, file: Path) -> str:
        """Return host and port of the scheduler."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and self._processes[0].poll() is None:
            try:
                return str(json.loads(file.read_text())["address"]).removeprefix("tcp://")
            except (OSError, ValueError):
                time.sleep(0.05)
        raise AssertionError("the scheduler did not start")
