"""The audit log: a line for each reading of controlled data, and none for any other."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.app import create_app
from rnaget_server.catalog import LiveCatalog
from rnaget_server.cli.server import main
from rnaget_server.datasets.controlled import READS_FILE, ControlledReadings
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.observation import Reading
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.settings import Settings
from tests.conftest import free_port, new_study, one_study

GRANTED = Principal("someone@institute", frozenset({"G"}))
OTHER = Principal("other@institute", frozenset({"H"}))
BYTES = "/rnaget/expressions/{}/bytes"
ENTRY = """
  - id: {id}
    file: marioni_counts.h5
    units: counts
    feature_id: gene_id
    sample_id: Sample
    {access}
"""


class Asks:
    """A client whose requests are those of a principal."""

    def __init__(self, app: ASGIApp) -> None:
        self.principal = ANYONE

        async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
            if self.principal != ANYONE:
                scope[PRINCIPAL_KEY] = self.principal
            await app(scope, receive, send)

        self.client = TestClient(signed_in)

    def get(self, path: str, principal: Principal = ANYONE, method: str = "GET") -> Any:
        self.principal = principal
        return self.client.request(method, path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = one_study(tmp_path_factory.mktemp("audit") / "demo")
    study = next(data.glob("*/marioni/study.yaml"))
    controlled = "access: {controlled: [G]}"
    samples = "access: {samples: [{where: {Tissue: liver}, controlled: [G]}], others_see: NaN}"
    entries = [ENTRY.format(id="controlled", access=controlled), ENTRY.format(id="partly", access=samples)]
    study.write_text(study.read_text().rstrip("\n") + "".join(entries))
    source = data / "g.fa"
    source.write_text(">chr1\n" + "ACGT" * 100 + "\n")
    arguments = ["import", str(source), "--data", str(data), "--genome", "g"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    genome = data / "genomes" / "g" / "genome.yaml"
    genome.write_text(genome.read_text().rstrip("\n") + "\naccess: {controlled: [G]}\n")
    return data


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def asks(data: Path, log: Path) -> Asks:
    return Asks(create_app(Settings(data=data, audit_log=str(log), cache_bytes=0)))


@pytest.fixture
def new_lines(log: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return the lines that the test has made so far."""
    start = log.stat().st_size if log.exists() else 0
    yield lambda: [json.loads(line) for line in log.read_bytes()[start:].splitlines()]


def test_a_reading_is_noted(asks: Asks, log: Path, new_lines: Callable[[], list[dict[str, Any]]]) -> None:
    reply = asks.get(BYTES.format("controlled") + "?format=tsv&sampleIDList=R1L1Kidney", GRANTED)
    assert reply.status_code == 200
    (line,) = new_lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "logger": "rnaget_server.audit",
        "event": "read",
        "request_id": reply.headers["x-request-id"],
        "principal": "someone@institute",
        "kind": "expressions",
        "record": "controlled",
        "method": "GET",
        "route": "/rnaget/expressions/{expressionId}/bytes",
        "status": reply.status_code,
        "bytes": len(reply.content),
    }
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("path", "principal", "records"),
    [
        (BYTES.format("marioni_counts"), GRANTED, []),
        (BYTES.format("controlled"), ANYONE, []),
        (BYTES.format("controlled"), OTHER, []),
        (BYTES.format("partly"), OTHER, []),
        (BYTES.format("partly"), GRANTED, [("expressions", "partly")]),
        ("/rnaget/expressions/controlled", GRANTED, [("expressions", "controlled")]),
        ("/rnaget/expressions", GRANTED, []),
        ("/matrices/controlled", GRANTED, [("expressions", "controlled")]),
        ("/matrices/controlled", OTHER, []),
        ("/sequence/g:chr1?start=1&end=9", GRANTED, [("genomes", "g")]),
        ("/sequence/g:chr1?start=1&end=9", ANYONE, []),
        ("/genomes/g/chrom.sizes", GRANTED, [("genomes", "g")]),
        # It shows the size of each matrix, for which its file is opened.
        ("/", GRANTED, [("expressions", "controlled"), ("expressions", "partly")]),
        ("/", OTHER, []),
    ],
)
def test_only_what_is_controlled_and_was_read_is_noted(
    asks: Asks,
    new_lines: Callable[[], list[dict[str, Any]]],
    path: str,
    principal: Principal,
    records: list[tuple[str, str]],
) -> None:
    reply = asks.get(path + ("?format=tsv" if path.endswith("/bytes") else ""), principal)
    found = {(line["kind"], line["record"]) for line in new_lines() if line["event"] != "ended"}
    assert found == set(records)
    for line in new_lines():
        assert (line["principal"], line["status"]) == (principal.name, reply.status_code)


def test_a_long_reply_is_noted_before_its_first_byte(
    asks: Asks, new_lines: Callable[[], list[dict[str, Any]]], data: Path
) -> None:
    file = next(file for file in asks.get("/files", GRANTED).json()["files"] if file["record"] == "controlled")
    asks.principal = GRANTED
    with asks.client.stream("GET", urlsplit(file["url"]).path) as reply:
        size = sum(map(len, reply.iter_bytes()))
    assert size == next(data.glob("*/marioni/marioni_counts.h5")).stat().st_size
    first, last = new_lines()
    assert (first["event"], first["bytes"], last["event"], last["bytes"]) == ("started", 0, "ended", size)
    assert first["request_id"] == last["request_id"]


def test_a_head_request_reads_no_bytes(asks: Asks, new_lines: Callable[[], list[dict[str, Any]]]) -> None:
    asks.get(BYTES.format("controlled") + "?format=tsv", GRANTED, method="HEAD")
    assert {(line["method"], line["bytes"]) for line in new_lines()} == {("HEAD", 0)}


def test_a_ticket_leads_to_whoever_asked_for_it(asks: Asks, new_lines: Callable[[], list[dict[str, Any]]]) -> None:
    reply = asks.get("/rnaget/expressions/controlled/ticket?format=tsv", GRANTED)
    url = urlsplit(reply.json()["url"])
    assert asks.get(f"{url.path}?{url.query}").status_code == 200
    given, *used = new_lines()
    assert given["principal"] == GRANTED.name
    assert {(line["principal"], line["ticket"]) for line in used} == {(None, given["request_id"])}


def test_what_cannot_be_noted_is_not_sent(
    asks: Asks, log: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rnaget_server.http.observing.audit._write", full)
    reply = asks.get(BYTES.format("controlled") + "?format=tsv", GRANTED)
    assert reply.status_code == 503 and reply.headers["retry-after"] == "60"
    assert reply.json() == {"message": "the server cannot note who reads these data at the moment: ask again later"}
    assert "No space left on device" in caplog.text and str(log) not in caplog.text
    # All others have what they ask for.
    assert asks.get(BYTES.format("marioni_counts") + "?format=tsv", GRANTED).status_code == 200


def test_the_log_may_be_moved_away(asks: Asks, log: Path) -> None:
    asks.get("/rnaget/expressions/controlled", GRANTED)
    os.replace(log, log.with_suffix(".1"))
    asks.get("/rnaget/expressions/controlled", GRANTED)
    assert len(log.read_text().splitlines()) == 1


def test_hashes_in_place_of_names(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    key = "a secret of the operator"
    asks = Asks(create_app(Settings(data=data, audit_log="stderr", audit_key=key)))  # type: ignore[arg-type]
    asks.get("/rnaget/expressions/controlled", GRANTED)
    lines = [line for line in capfd.readouterr().err.splitlines() if "rnaget_server.audit" in line]
    assert GRANTED.name is not None and GRANTED.name not in "".join(lines)
    expected = hmac.new(key.encode(), GRANTED.name.encode(), hashlib.sha256).hexdigest()
    assert [json.loads(line)["principal"] for line in lines] == [f"hmac-sha256:{expected}"]


def test_reads_are_named_by_their_record(tmp_path: Path) -> None:
    entry = "{id: r, samples: [x], files: [{file: a.bam, format: BAM}], access: registered}"
    new_study(tmp_path, f"id: s\nreads:\n- {entry}\n")
    live = LiveCatalog(tmp_path, 0)
    (reads,) = live.loaded.studies["s"].read_sets
    readings = [Reading(READS_FILE, reads.files[0].id), Reading("reads", "r"), Reading("reads", "no more")]
    assert ControlledReadings(live).among(readings) == [Reading("reads", "r")]


def test_a_place_that_cannot_be_written_ends_the_start(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_AUDIT_LOG", str(demo / "nothing" / "audit.log"))
    result = CliRunner().invoke(main, ["serve", str(demo), "--port", str(free_port())])
    assert result.exit_code == 1 and "audit_log cannot be written" in result.output


def test_short_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16 characters"):
        Settings(audit_key="short")  # type: ignore[arg-type]
