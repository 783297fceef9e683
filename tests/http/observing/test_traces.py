"""The traces of a real server, as a receiver of OpenTelemetry's protocol gets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError

from rnaget_server.settings import Settings
from tests.conftest import new_study
from tests.http.observing.receiver import Receiver, attributes
from tests.http.observing.served import Served, wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
IMPORTED = """
import sys
from rnaget_server.app import create_app
from rnaget_server.settings import Settings
create_app(Settings(data=sys.argv[1]))
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""
OPTIONAL = ("opentelemetry", "prometheus_client", "redis", "valkey", "coredis", "joserfc", "authlib")


def test_a_request_and_its_stages(server: Served, receiver: Receiver) -> None:
    parameters = "format=tsv&_signature=s3cret"
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    address = f"{server.root}/rnaget/expressions/marioni_counts/bytes"
    reply = requests.get(f"{address}?format=tsv", headers={"traceparent": parent}, timeout=60)
    assert reply.ok
    id = reply.headers["X-Request-Id"]
    wait_for(lambda: bool(receiver.of_request(id)))
    spans = receiver.of_request(id)
    root = spans["GET /rnaget/expressions/{expressionId}/bytes"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")
    assert attributes(root) == {
        "http.request.method": "GET",
        "http.route": "/rnaget/expressions/{expressionId}/bytes",
        "http.response.status_code": 200,
        "http.response.body.size": len(reply.content),
        "rnaget.standard": "/rnaget",
        "rnaget.request_id": id,
    }
    assert {"answer", "select", "send"} <= spans.keys()
    for name, span in spans.items():
        if span is not root:
            assert span.parent_span_id == root.span_id, name
            assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.end_time_unix_nano <= root.end_time_unix_nano
    assert receiver.services == {"rnaget-server"}
    # The log leads to the trace.
    wait_for(lambda: any(line.get("request_id") == id for line in server.lines()))
    assert {line["trace_id"] for line in server.lines() if line.get("request_id") == id} == {TRACE}
    # No query, header or path of a client is in it.
    denied = requests.get(f"{address}?{parameters}", headers={"Cookie": "s3cret"}, timeout=60)
    wait_for(lambda: bool(receiver.of_request(denied.headers["X-Request-Id"])))
    assert "s3cret" not in str(receiver.of_request(denied.headers["X-Request-Id"]))


def test_a_trace_that_its_client_does_not_want(server: Served, receiver: Receiver) -> None:
    unwanted = requests.get(
        f"{server.root}/rnaget/projects", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b8-00"}, timeout=60
    )
    wanted = requests.get(f"{server.root}/rnaget/projects", headers={"traceparent": "x" * 3000}, timeout=60)
    wait_for(lambda: bool(receiver.of_request(wanted.headers["X-Request-Id"])))
    assert not receiver.of_request(unwanted.headers["X-Request-Id"])


def test_packages_of_extras_are_not_imported_unless_they_are_asked_for(tmp_path: Path) -> None:
    """Those of traces and metrics, of counts on another server, and of signing in: one process shows it of all."""
    new_study(tmp_path / "data")
    command = [sys.executable, "-W", "ignore", "-c", IMPORTED, str(tmp_path / "data"), *OPTIONAL]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_traces_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.operating.find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'rnaget-server\[otel\]'"):
        Settings(traces=True)
    with pytest.raises(ValidationError, match=r"pip install 'rnaget-server\[metrics\]'"):
        Settings(metrics_address="127.0.0.1:9090")
