"""Servers and commands of the suites by forks."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from compliance import server
from tests import forked


@pytest.fixture(autouse=True, scope="session")
def _forked() -> Iterator[None]:
    def run(arguments: Sequence[str | Path]) -> tuple[int, str]:
        return forked.command([*map(str, arguments)], resource.RLIM_INFINITY, os.environ)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "start", forked.start)
        patch.setattr(server, "run", run)
        yield
