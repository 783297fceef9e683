"""Random text tables against pandas for some seconds of processor time; `make fuzz` draws for longer."""

from __future__ import annotations

import time

import pytest

from tests.importers.text.fuzz_tables import run


@pytest.mark.parametrize("seconds", [4, pytest.param(15, marks=pytest.mark.long)])
def test_random_tables(seconds: float) -> None:
    assert run(seconds, time.time_ns() % 1_000_000) > seconds
