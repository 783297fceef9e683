"""Random text tables against pandas, for as long as a normal run allows."""

from __future__ import annotations

import time

from tests.importers.text.fuzz_tables import run


def test_random_tables() -> None:
    assert run(10, time.time_ns() % 1_000_000) > 20
