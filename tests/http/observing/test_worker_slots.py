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


def test_the_slot_of_a_killed_worker_is_taken_over(tmp_path: Path) -> None:
    mine = WorkerSlot(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert (mine.number, process.stdout.readline()) == (0, "1\n")
        assert living_slots(tmp_path) == [0, 1]
        for name in ("counter_0.db", "counter_1.db", "gauge_livesum_0.db", "gauge_livesum_1.db", "histogram_1.db"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "counter_2.db").touch()
        assert len(mine.files()) == 5
        process.send_signal(signal.SIGKILL)
    assert living_slots(tmp_path) == [0]
    # Its counts stay, its states do not, and a file that is still empty is none.
    names = [path.name for path in mine.files()]
    assert names == ["counter_0.db", "counter_1.db", "gauge_livesum_0.db", "histogram_1.db"]
    assert WorkerSlot(tmp_path).number == 1
    mine.close()


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
