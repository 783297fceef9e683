"""Tickets that were asked for before are answered from memory, and never for another state of the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.apis.htsget import tickets
from rnaget_server.apis.htsget.recent import RecentPlans
from rnaget_server.apis.htsget.values import Block, ReadsQuery, RequestedRegion
from rnaget_server.catalog import ReadsFile
from rnaget_server.datasets.guarded import Guard
from rnaget_server.datasets.reads import IndexCache, OpenReads
from tests.apis.htsget.conftest import READS_ID, fetched, ticket_of

PATH = f"/reads/{READS_ID}?referenceName=chr1&start=400000&end=401000"


class Opened:
    """A file that somebody may replace."""

    def __init__(self, record: str) -> None:
        self.record: Any = record
        self.version = "v"
        self.is_current = True


def query(start: int, md5: str | None = None) -> ReadsQuery:
    return ReadsQuery(regions=(RequestedRegion("chr1", md5, start, start + 1),))


def test_a_second_ticket_is_the_same_and_finds_no_blocks(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ticket_of(client, PATH)
    monkeypatch.setattr(tickets, "_blocks", None)
    second = ticket_of(client, PATH)
    assert fetched(client, first) == fetched(client, second)
    assert second["format"] == "BAM"


def test_errors_are_those_of_the_route(client: TestClient) -> None:
    ticket_of(client, PATH)
    for _ in range(2):
        assert client.get(f"{PATH}&end=1").status_code == 400
        assert client.get("/reads/none").status_code == 404
        assert client.get(PATH, headers={"Accept": "image/png"}).status_code == 406


def test_a_version_is_believed_for_a_second_unless_the_file_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("rnaget_server.apis.htsget.recent.monotonic", lambda: now)
    recent, opened = RecentPlans(), Opened("file")
    assert recent.opened(opened.record) is None
    recent.saw(opened)  # type: ignore[arg-type]
    assert recent.opened(opened.record) is opened
    opened.is_current = False
    assert recent.opened(opened.record) is None
    opened.is_current = True
    assert recent.opened(opened.record) is opened
    record = opened.record
    del opened
    assert recent.opened(record) is None, "nothing is held"
    opened = Opened("file")
    recent.saw(opened)  # type: ignore[arg-type]
    now += 1.1
    assert recent.opened(opened.record) is None


def test_the_plans_are_bounded_and_of_one_version() -> None:
    recent, record = RecentPlans(100_000), Opened("file").record
    blocks = [Block("body", bytes(10_000))]
    for start in range(10):
        recent.keep(record, "v", query(start), "", blocks)
    kept = [start for start in range(10) if recent.get(record, "v", query(start), "") is not None]
    assert kept == [7, 8, 9]  # each takes some 25 kB
    assert recent.get(record, "w", query(9), "") is None
    recent.keep(record, "w", query(9), "", blocks)
    assert recent.get(record, "w", query(9), "") is blocks
    assert recent.get(record, "v", query(9), "") is None
    assert recent.get(record, "w", query(9), "of others") is None


def test_what_may_change_without_the_file_is_not_kept() -> None:
    recent, record = RecentPlans(), Opened("file").record
    large = [Block("body", bytes(300_000))]
    for asked, blocks in [(query(1, "0" * 32), []), (ReadsQuery(tags=("NM",)), []), (query(1), large)]:
        recent.keep(record, "v", asked, "", blocks)
        assert recent.get(record, "v", asked, "") is None


def test_a_file_is_current_until_it_is_touched(files: dict[str, Path], tmp_path: Path) -> None:
    bam, index = tmp_path / "a.bam", tmp_path / "a.bam.bai"
    bam.write_bytes(files["BAM"].read_bytes())
    index.write_bytes(files["BAM"].with_name("a.bam.bai").read_bytes())
    record = ReadsFile("r", "BAM", bam, index, None, None)
    opened = OpenReads(record, Guard(lambda error: error), IndexCache())  # type: ignore[arg-type,return-value]
    assert opened.is_current
    os.utime(index, (1, 1))
    assert not opened.is_current
