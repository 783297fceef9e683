"""Servers of the suites by forks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compliance import server
from tests import forked


@pytest.fixture(autouse=True, scope="session")
def _forked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "start", forked.start)
        yield
