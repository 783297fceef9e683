"""Replies are as the OpenAPI document says, in a process of its own: schemathesis draws its cases when it collects.

Every process of a run collects every test, so that the cases would be drawn twice, for seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("documented_replies.py")
COMMAND = [sys.executable, "-m", "pytest", "-p", "schemathesis.pytest.plugin", "-p", "no:cacheprovider"]


@pytest.mark.parametrize("examples", [5, pytest.param(30, marks=pytest.mark.long)])
def test_replies_are_as_documented(examples: int) -> None:
    environment = {**os.environ, "EXAMPLES": str(examples)}
    result = subprocess.run([*COMMAND, CASES], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-20_000:]
    assert " passed" in result.stdout
