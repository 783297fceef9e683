from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnaget_server.http.observing.worker_slots import (
    WorkerSlot,
    living_slots,
    share_metrics,
    unshare_metrics,
    worker_slot,
)

HOLD = """
import sys, time
from pathlib import Path
from rnaget_server.http.observing.worker_slots import WorkerSlot
print(WorkerSlot(Path(sys.argv[1])).number, flush=True)
time.sleep(600)
"""

COUNT = """
import sys
from pathlib import Path
from rnaget_server.http.observing.measures import Measure
from rnaget_server.http.observing.metrics import Metrics
from rnaget_server.http.observing.worker_slots import WorkerSlot
from rnaget_server.model.observation import Observation

def files():
    return {path.name: path.stat().st_size for path in sorted(slot.directory.glob("*.db"))}

slot = WorkerSlot(Path(sys.argv[1]))
print(files())
metrics = Metrics([Measure("hits", "Hits.", lambda: {"a": 1}, "cache", grows=True)], slot)
for route in range(100):
    for status in (200, 206, 304, 400, 404, 429, 500, 503):
        for method in ("GET", "HEAD", "POST"):
            metrics.ended(Observation("x", method, "/", "/a/standard", f"/{route:060}/{{id}}", status, 1))
print(files())
"""


def test_the_slot_of_a_killed_worker_is_taken_over(tmp_path: Path) -> None:
    mine = WorkerSlot(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert (mine.number, process.stdout.readline()) == (0, "1\n")
        assert living_slots(tmp_path) == [0, 1]
        (tmp_path / "counter_2.db").touch()
        assert len(mine.files()) == 8
        process.send_signal(signal.SIGKILL)
    assert living_slots(tmp_path) == [0]
    # Its counts stay, its states do not, and a file that is still empty is none.
    names = {path.name for path in mine.files()}
    states = {"gauge_livesum_0.db", "gauge_livemax_0.db"}
    assert names == {"counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db", *states}
    assert WorkerSlot(tmp_path).number == 1
    mine.close()


def test_the_room_of_all_metrics_is_taken_at_the_start(tmp_path: Path) -> None:
    """Memory of a file for which a full disk has no room ends the process that writes to it."""
    command = [sys.executable, "-c", COUNT, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = found.stdout.splitlines()
    assert before == after and before.count(".db") == 4


def test_a_directory_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: int, kind: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match="No locks"):
        WorkerSlot(tmp_path)


def test_the_directory_is_of_one_master(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("_RNAGET_METRICS", raising=False)
    assert worker_slot() is None
    share_metrics()
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    share_metrics()
    assert list(tmp_path.iterdir()) == [directory]
    # This process is the master, and none of its workers.
    assert worker_slot() is None
    monkeypatch.setenv("_RNAGET_METRICS", f"{os.getppid()}:{directory}")
    slot = worker_slot()
    assert slot is not None and slot.number == 0
    slot.close()
    unshare_metrics()
    assert directory.is_dir()
    monkeypatch.setenv("_RNAGET_METRICS", f"{os.getpid()}:{directory}")
    unshare_metrics()
    assert not directory.exists()
