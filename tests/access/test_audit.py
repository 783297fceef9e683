"""The audit log of the marked catalogue: a line each time, also where a reply is made from what was kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rnaget_server.app import create_app
from rnaget_server.datasets.repository import open_repository
from rnaget_server.model.principal import OPERATOR
from rnaget_server.settings import Settings
from tests.access.marked import PEOPLE, Client, own_sequence

READS = ("reads", "r-zqax/1")
GENOME = ("genomes", "g-zqgx")
SEQUENCE = hashlib.md5(own_sequence("zqgx").encode()).hexdigest()
GENES = '{genes(by_symbol: {genome_id: "g-zqgx", symbol: "SYMZQGX1"}) {stable_id}}'


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def audited(marked: Path, log: Path) -> Iterator[Client]:
    """A client of one with both grants; small blocks are within tickets."""
    with Client(create_app(Settings(data=marked, reload_seconds=60, audit_log=str(log), rate_limit=""))) as client:
        client.principal = PEOPLE["both grants"]
        yield client


@pytest.fixture(scope="module")
def collection(marked: Path) -> Any:
    view = open_repository(Settings(data=marked)).visible_to(OPERATOR)
    return view.stores.open_genome(view.catalog.genomes["g-zqgx"]).collection()


def lines_of(audited: Client, log: Path, path: str) -> list[dict[str, Any]]:
    """Return the lines that a request makes."""
    start = log.stat().st_size
    assert audited.get(path).status_code == 200
    return [json.loads(line) for line in log.read_bytes()[start:].splitlines()]


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("/reads/r-zqax/1?referenceName=chr1&start=0&end=9", READS),
        (f"/sequence/{SEQUENCE}?start=2&end=9", GENOME),
        (f"/graphql?query={quote(GENES)}", GENOME),
        ("/genes/gene-zqgx-1", GENOME),
        ("/seqcol/collection/{collection.digest}", GENOME),
        ("/seqcol/attribute/collection/names/{collection.digests[names]}", GENOME),
    ],
)
def test_each_reading_is_noted(audited: Client, log: Path, collection: Any, path: str, record: tuple[str, str]) -> None:
    path = path if "query=" in path else path.format(collection=collection)
    for _ in range(2):
        lines = lines_of(audited, log, path)
        assert ("cay", *record) in {(line["principal"], line["kind"], line["record"]) for line in lines}
