"""Random tracks for some seconds of processor time; `make fuzz` draws for longer."""

from __future__ import annotations

import pytest

from tests.fuzz import tracks


@pytest.mark.parametrize("seconds", [1.5, pytest.param(15, marks=pytest.mark.long)])
def test_random_tracks(seconds: float) -> None:
    assert tracks.run(seconds, 1) > 0
