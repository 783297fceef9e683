"""Every case of the official RNAget suite passes when its dataset is served out of object storage."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from compliance import suite
from compliance.run import MODES, Mode, dataset
from compliance.server import serving
from rnaget_server.catalog.object_storage import directory_of, publish

pytestmark = [
    pytest.mark.skipif(not dataset().is_dir(), reason=f"shared data is absent: {dataset()}"),
    pytest.mark.skipif(not suite.TOOL.is_file(), reason="the compliance suite is not installed: `make test` does that"),
]


@pytest.mark.parametrize("mode", MODES[:2], ids=lambda mode: mode.name)
def test_every_case_passes(mode: Mode, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    mode.build(dataset(), tmp_path / "data")
    publish(tmp_path / "data", url, False, lambda _: None)
    with serving(directory_of(url), ()) as address:
        outcome = suite.run(f"{address}/rnaget/", set(suite.GROUPS), None)
    assert not outcome.not_passed, "\n".join(case.describe() for case in outcome.not_passed)
    assert len(outcome.cases) == outcome.expected
    assert outcome.complete
