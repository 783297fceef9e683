"""The example unit for systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rnaget_server.settings import Settings
from tests.conftest import ROOT

UNIT = ROOT / "deploy" / "rnaget-server.service"
# systemd-analyze's own scale: 0 is best, and its example of an ordinary service has 9.6.
_MOST_EXPOSED = 2.5


@pytest.mark.parametrize(
    "line",
    [
        "SystemCallFilter=@system-service",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
        "UMask=0077",
        "ProtectSystem=strict",
    ],
)
def test_the_unit_takes_away_what_is_not_needed(line: str) -> None:
    assert line in UNIT.read_text(encoding="utf-8").splitlines()


def test_the_unit_has_a_bound_of_memory() -> None:
    assert "\nMemoryMax=" in UNIT.read_text(encoding="utf-8")


def test_the_unit_waits_longer_than_the_server_does() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert int(found.group(1)) > Settings().drain_seconds + Settings().shutdown_timeout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_mistake_and_little_exposure(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/rnaget-server/.venv/bin/rnaget-server", "/bin/true"))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert UNIT.name not in verified.stderr, verified.stderr
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={int(_MOST_EXPOSED * 10)}", unit]
    judged = subprocess.run(command, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-500:] + judged.stderr
