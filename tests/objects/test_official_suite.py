"""Every case of the official RNAget suite passes when its dataset is served out of object storage."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from compliance import server, suite
from compliance.run import MODES, dataset
from rnaget_server.catalog.object_storage import directory_of, publish
from tests import forked

pytestmark = [
    pytest.mark.skipif(not dataset().is_dir(), reason=f"shared data is absent: {dataset()}"),
    pytest.mark.skipif(not suite.TOOL.is_file(), reason="the compliance suite is not installed: `make test` does that"),
]


def started(command: list[str | Path], environment: dict[str, str], log: Path) -> forked.Process:
    """Start the server of a command by gunicorn itself: a fork has not the threads of a command that asks the place."""
    _, _, data, *_, port = map(str, command)
    return forked.gunicorn({**environment, "RNAGET_DATA": data, "RNAGET_PORT": port}, log)


def test_every_case_passes(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setattr(server, "start", started)
    with ExitStack() as stack:
        targets = []
        for mode in MODES[:2]:
            data, place = tmp_path / mode.name, f"{url}/{mode.name}"
            mode.build(dataset(), data)
            publish(data, place, False, lambda _: None)
            address = stack.enter_context(server.serving(directory_of(place), ()))
            targets.append(suite.Target(f"{address}/rnaget/"))
        outcomes = suite.run(targets)
    for outcome in outcomes:
        assert not outcome.not_passed, "\n".join(case.describe() for case in outcome.not_passed)
        assert len(outcome.cases) == outcome.expected
        assert outcome.complete
