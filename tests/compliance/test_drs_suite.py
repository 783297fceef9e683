"""The suite of DRS passes whole, for a file and for the bundle of a study."""

from __future__ import annotations

import pytest

from compliance.drs import EXPECTED_OF_BOTH, EXPECTED_OF_FILE, TOOL, run_drs

pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="the suite of DRS is not installed: `make test` does that")


@pytest.mark.parametrize(("with_bundle", "expected"), [(False, EXPECTED_OF_FILE), (True, EXPECTED_OF_BOTH)])
def test_every_case_passes(with_bundle: bool, expected: int) -> None:
    result = run_drs(with_bundle)
    assert (result.failed, result.passed + result.skipped) == ((), expected)
    assert result.skipped <= with_bundle
