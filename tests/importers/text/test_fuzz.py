"""Half of the 30 s of random files in a normal run: text tables against pandas."""

from __future__ import annotations

import time

from tests.importers.text.fuzz_tables import run


def test_random_tables() -> None:
    assert run(15, time.time_ns() % 1_000_000) > 20
