"""The suites of refget and of sequence collections pass whole."""

from __future__ import annotations

import pytest

from compliance.sequences import SEQUENCES, TOOL, run_sequences

pytestmark = [
    pytest.mark.skipif(not SEQUENCES.is_dir(), reason=f"shared data is absent: {SEQUENCES}"),
    pytest.mark.skipif(not TOOL.is_file(), reason="the compliance suite is not installed: `make test` does that"),
]


def test_every_case_passes() -> None:
    for result in run_sequences():
        assert result.complete, result
