"""Half of the 30 s of random files in a normal run: tracks; `make fuzz` draws for longer."""

from __future__ import annotations

from tests.fuzz import tracks


def test_random_tracks() -> None:
    assert tracks.run(15, 1) > 0
