"""Runs the suite of DRS against the real server.

``drs-compliance-suite`` 1.0.3 imports a module that its wheel lacks, which is written for it, and ends with exit code 0
even after failures, so its report is read.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compliance.server import serving
from rnaget_server.catalog.offered import offered_id
from rnaget_server.settings import shipped

_VENV = Path(__file__).parents[1] / ".venv-drs"
TOOL = _VENV / "bin" / "drs-compliance-suite"
EXPECTED_OF_FILE, EXPECTED_OF_BOTH = 11, 17
"""Cases for a file, and for a file and a bundle; one of the latter is skipped."""

_VERSION = "1.2.0"
_MISSING_MODULE = f'SUPPORTED_DRS_VERSIONS = ["{_VERSION}"]\n'
_STUDY = "marioni"
_SECONDS = 300


@dataclass(frozen=True)
class DrsResult:
    """The number of cases that passed and that were skipped, and the names of those that failed."""

    passed: int
    skipped: int
    failed: tuple[str, ...]


def run_drs(with_bundle: bool = False) -> DrsResult:
    """Return what the suite finds for a file of the demo catalogue, and for the bundle of its study.

    Raises
    ------
    RuntimeError
        If the server does not start, or the suite breaks off.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        data = Path(shutil.copytree(shipped("data"), directory / "data"))
        (directory / "supported_drs_versions.py").write_text(_MISSING_MODULE)
        with serving(data) as address:
            (directory / "config.json").write_text(json.dumps(_configuration(address, with_bundle)))
            report = _report(directory, f"{address}/ga4gh/drs/v1")
    cases = list(_cases(report))
    status = [case["status"] for case in cases]
    failed = tuple(
        f"{case['case_name']}: {case['message']}" for case in cases if case["status"] not in ("PASS", "SKIP")
    )
    return DrsResult(status.count("PASS"), status.count("SKIP"), failed)


def _configuration(address: str, with_bundle: bool) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{address}/files?study={_STUDY}") as reply:
        (file,) = json.load(reply)["files"]
    access: dict[str, Any] = {"auth_type": "none", "auth_token": ""}
    objects = [{"drs_id": file["file_id"], "is_bundle": False, **access}]
    if with_bundle:
        objects.append({"drs_id": offered_id("studies", _STUDY), "is_bundle": True, **access})
    return {"service_info": access, "drs_object_info": objects, "drs_object_access": objects[:1]}


def _report(directory: Path, address: str) -> dict[str, Any]:
    command: list[str | Path] = [TOOL, "--server_base_url", address, "--platform_name", "rnaget-server"]
    command += ["--platform_description", "rnaget-server", "--drs_version", _VERSION, "--config_file", "config.json"]
    command += ["--report_path", "report.json"]
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory), "NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    report = directory / "report.json"
    if done.returncode or not report.is_file():
        raise RuntimeError(f"the suite of DRS broke off: {(done.stderr or done.stdout)[-2000:]}")
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def _cases(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (case for phase in report["phases"] for test in phase["tests"] for case in test["cases"])


def main() -> int:
    """Run the suite, print its result, and return the exit code."""
    result = run_drs()
    print(f"{'suite':30}{'passed':>8}{'skipped':>8}{'failed':>8}")
    print(f"{'DRS 1.0.3':30}{result.passed:8}{result.skipped:8}{len(result.failed):8}  {', '.join(result.failed)}")
    return 0 if (result.passed, result.skipped, result.failed) == (EXPECTED_OF_FILE, 0, ()) else 1


if __name__ == "__main__":
    sys.exit(main())
