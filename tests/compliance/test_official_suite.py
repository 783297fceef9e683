"""Every case of the official RNAget suite passes, in every way of serving its dataset."""

from __future__ import annotations

import pytest

from compliance import suite
from compliance.run import MODES, Mode, dataset, run
from compliance.suite import Outcome

pytestmark = [
    pytest.mark.skipif(not dataset().is_dir(), reason=f"shared data is absent: {dataset()}"),
    pytest.mark.skipif(not suite.TOOL.is_file(), reason="the compliance suite is not installed: `make test` does that"),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[Mode, Outcome]:
    return dict(zip(MODES, run(MODES), strict=True))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_case_passes(mode: Mode, outcomes: dict[Mode, Outcome]) -> None:
    outcome = outcomes[mode]
    assert not outcome.not_passed, "\n".join(case.describe() for case in outcome.not_passed)
    assert len(outcome.cases) == outcome.expected
    assert outcome.complete
