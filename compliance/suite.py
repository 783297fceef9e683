"""Runs the official RNAget suite against a running server, and reads what it found.

The suite ends with exit code 0 even after failures, counts tests and not their cases, leaves the cases of a
skipped test out of its report altogether, and writes into its own installation. So cases are read out of its
``results.json`` and their number is compared with what the suite is known to hold; one run holds a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VENV = Path(__file__).parents[1] / ".venv-compliance"
TOOL = _VENV / "bin" / "rnaget-compliance"
GROUPS = ("projects", "studies", "expressions", "continuous")
# Cases of version 1.0.0 of the suite for each group: served, and switched off.
SERVED = {"projects": 8, "studies": 8, "expressions": 17 + 50, "continuous": 29 + 28}
SWITCHED_OFF = {"projects": 3, "studies": 3, "expressions": 6, "continuous": 6}
_STATUS = {1: "passed", -1: "failed", 0: "skipped"}
_LONGEST_AUDIT = 400


@dataclass(frozen=True)
class Case:
    """One case of the suite: where it stands, its status, and what the suite has to say about it."""

    name: str
    status: str
    message: str
    audit: tuple[str, ...]

    def describe(self) -> str:
        """Return the case as lines for people."""
        shown = [line if len(line) <= _LONGEST_AUDIT else line[:_LONGEST_AUDIT] + " …" for line in self.audit]
        return "\n    ".join([f"{self.status}: {self.name}", self.message, *shown])


@dataclass(frozen=True)
class Outcome:
    """The result of one run of the suite."""

    expected: int
    cases: tuple[Case, ...]

    @property
    def passed(self) -> int:
        """The number of cases that passed."""
        return len(self.cases) - len(self.not_passed)

    @property
    def not_passed(self) -> list[Case]:
        """The cases that ran and did not pass."""
        return [case for case in self.cases if case.status != "passed"]

    @property
    def left_out(self) -> int:
        """The number of cases that did not run, because a test before them failed."""
        return self.expected - len(self.cases)

    @property
    def complete(self) -> bool:
        """True if the suite ran exactly the cases that it is known to hold, and all of them passed."""
        return self.passed == self.expected == len(self.cases)


@dataclass(frozen=True)
class Target:
    """A server to ask: its address, its groups that are there, others answer 501, and a token to sign in by, if any."""

    base_url: str
    served: frozenset[str] = frozenset(GROUPS)
    token: str | None = None

    @property
    def expected(self) -> int:
        """The number of cases that the suite holds for it."""
        return sum(SERVED[group] if group in self.served else SWITCHED_OFF[group] for group in GROUPS)

    def described(self) -> dict[str, Any]:
        """Return the server as the suite's configuration has it."""
        return {
            "server_name": "rnaget-server",
            "base_url": self.base_url.rstrip("/") + "/",
            "implemented": {group: group in self.served for group in GROUPS},
            **({} if self.token is None else {"token": self.token}),
        }


def run(targets: Sequence[Target]) -> list[Outcome]:
    """Return what the suite finds of each of the targets: one run for all, for to start it takes longer than to ask.

    Raises
    ------
    RuntimeError
        If the suite broke off, with what it printed last.
    """
    with _alone(), tempfile.TemporaryDirectory() as directory:
        config, report = Path(directory, "config.yaml"), Path(directory, "report")
        config.write_text(yaml.safe_dump({"servers": [target.described() for target in targets]}))
        command: list[str | Path] = [TOOL, "report", "--no-tar", "-f", "-c", config, "-o", report]
        done = subprocess.run(
            command,
            cwd=directory,  # the suite leaves downloads where it is started
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        results = report / "results.json"
        if done.returncode or not results.is_file():
            raise RuntimeError(f"the suite broke off (exit code {done.returncode}):\n{done.stdout[-4000:]}")
        found = json.loads(results.read_text())
        pairs = zip(targets, found, strict=True)
        return [Outcome(target.expected, tuple(_cases(server))) for target, server in pairs]


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the suite's installation; a second run waits."""
    with (_VENV / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cases(server: dict[str, Any]) -> Iterator[Case]:
    """Yield the cases of a server in a report: group → object → test → component → case."""
    tests = (test for objects in server["test_results"].values() for tests in objects.values() for test in tests)
    for test in tests:
        for component in ("api_component", "content_component"):
            for case in (test["message"].get(component) or {"cases": ()})["cases"]:
                yield Case(
                    name=f"{test['name']}: {case['name']}",
                    status=_STATUS.get(case["status"], "broken"),
                    message=case["error_message"] or case["summary"],
                    audit=tuple(str(line) for line in case["audit"]),
                )
