"""Runs the suites of refget and of sequence collections against the real server.

``refget-compliance`` ends with exit code 0 even after failures, so its report is read. The genomes are those that the
suites expect: looked for in ``../shared/data/sequences``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from compliance import server

_VENV = Path(__file__).parents[1] / ".venv-sequences"
TOOL = _VENV / "bin" / "refget-compliance"
SEQUENCES = Path(__file__).parents[2] / "shared" / "data" / "sequences"
EXPECTED = {"refget 1.2.6": (29, 1), "sequence collections 0.12.0": (65, 0)}
"""For each suite, how many cases pass and how many are skipped."""

_CIRCULAR = "NC_001422.1"
_STATUS = {1: "passed", 0: "skipped"}
_COLLECTIONS = "import json, sys, refget.compliance as c; print(json.dumps(c.run_compliance(sys.argv[1])['results']))"
_SECONDS = 300


@dataclass(frozen=True)
class SuiteResult:
    """The number of cases of a suite that passed and that were skipped, and the names of those that failed."""

    name: str
    passed: int
    skipped: int
    failed: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True if all passed that shall."""
        return not self.failed and (self.passed, self.skipped) == EXPECTED[self.name]


def run_sequences() -> list[SuiteResult]:
    """Return what both suites find.

    Raises
    ------
    RuntimeError
        If a genome cannot be imported, the server does not start, or a suite breaks off.
    """
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory, "data")
        data.mkdir()
        (data / "catalog.yaml").write_text("id: org.example.compliance\nname: Compliance\n")
        suite = [SEQUENCES / "refget_compliance" / f"{name}.faa" for name in ("I", "VI", "NC")]
        _import(data, "suite", suite, "--circular", _CIRCULAR)
        for path in sorted((SEQUENCES / "seqcol_suite").glob("*.fa")):
            _import(data, path.stem, [path])
        with server.serving(data) as address:
            return [_refget(address, Path(directory, "report.json")), _collections(f"{address}/seqcol")]


def _import(data: Path, genome: str, sources: list[Path], *options: str) -> None:
    code, said = server.run(["import", *sources, "--data", data, "--genome", genome, *options])
    if code:
        raise RuntimeError(f"the import of {genome} failed:\n{said}")


def _refget(address: str, report: Path) -> SuiteResult:
    _output([TOOL, "report", "-s", f"{address}/", "--json", report], report.parent)
    cases = json.loads(report.read_text())[0]["test_results"]
    counts = Counter(_STATUS.get(case["result"], "failed") for case in cases)
    failed = tuple(case["name"] for case in cases if case["result"] not in _STATUS)
    return SuiteResult("refget 1.2.6", counts["passed"], counts["skipped"], failed)


def _collections(root: str) -> SuiteResult:
    cases = json.loads(_output([TOOL.with_name("python"), "-c", _COLLECTIONS, root]))
    failed = tuple(case["name"] for case in cases if not case["passed"])
    return SuiteResult("sequence collections 0.12.0", len(cases) - len(failed), 0, failed)


def _output(command: list[str | Path], directory: Path | None = None) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, cwd=directory)
    if result.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {(result.stderr or result.stdout)[-2000:]}")
    return result.stdout


def main() -> int:
    """Run both suites, print a table, and return the exit code."""
    if not SEQUENCES.is_dir():
        print(f"the sequences of the suites are not in {SEQUENCES}", file=sys.stderr)
        return 2
    results = run_sequences()
    print(f"{'suite':30}{'passed':>8}{'skipped':>8}{'failed':>8}")
    for result in results:
        print(f"{result.name:30}{result.passed:8}{result.skipped:8}{len(result.failed):8}  {', '.join(result.failed)}")
    return 0 if all(result.complete for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
