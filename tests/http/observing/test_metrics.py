"""The metrics of a real server with two workers, as Prometheus' own parser reads them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_newer
from pydantic import ValidationError
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.http.observing.served import Served, samples, total, wait_for


def test_sums_are_those_of_the_requests(server: Served) -> None:
    # Those of other tests are counted, though their clients have all of them.
    wait_for(lambda: total(server.numbers(), "rnaget_requests_in_progress") == 0)
    before = server.numbers()
    asked = {"/rnaget/projects": 23, "/rnaget/studies": 11, "/rnaget/projects/none": 7}
    sizes = dict.fromkeys(asked, 0)
    for path, times in asked.items():
        for _ in range(times):  # each by a connection of its own, which any worker may take
            sizes[path] += len(requests.get(server.root + path, timeout=30).content)
    # A client may have the last byte before the request is counted.
    counted = total(before, "rnaget_requests_total") + sum(asked.values())
    wait_for(lambda: server.count("rnaget_requests_total") >= counted)
    after = server.numbers()

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    for path, times in asked.items():
        route = path.replace("/none", "/{projectId}")
        status = "404" if path.endswith("none") else "200"
        assert more("rnaget_requests_total", route=route, standard="rnaget", method="GET", status=status) == times
        assert more("rnaget_response_bytes_total", route=route) == sizes[path]
        assert more("rnaget_request_seconds_count", route=route) == times
        assert more("rnaget_request_seconds_bucket", route=route, le="+Inf") == times
        assert 0 < more("rnaget_request_seconds_sum", route=route) < 60 * times
    assert more("rnaget_requests_total") == sum(asked.values())

    def has_each_answered() -> bool:
        # On a machine that is busy with others, one may have taken all until now.
        requests.get(f"{server.root}/rnaget/projects", timeout=30)
        return {line["process"] for line in server.lines() if line.get("route") in asked} == server.workers()

    wait_for(has_each_answered)


def test_labels_are_bounded(server: Served) -> None:
    for number in range(20):
        requests.request(f"M{number}", f"{server.root}/rnaget/projects/x{number}%0a", timeout=30)
        requests.get(f"{server.root}/nothing/{number}", timeout=30)
    numbers = server.numbers()
    of = {label: {dict(labels).get(label) for _, labels in numbers} for label in ("route", "method", "standard")}
    assert not [route for route in of["route"] if route and ("nothing" in route or "x1" in route)]
    assert of["method"] <= {None, "GET", "HEAD", "POST", "OPTIONS", "other"}
    assert of["standard"] <= {None, "rnaget", "reads", "pages"}


def test_states_of_the_server(server: Served) -> None:
    numbers = server.numbers()
    assert total(numbers, "rnaget_catalogue_records", kind="matrix") == 1
    assert total(numbers, "rnaget_catalogue_problems") == 0
    assert total(numbers, "rnaget_info") == 1
    wait_for(lambda: total(server.numbers(), "rnaget_requests_in_progress") == 0)
    address = f"{server.root}/rnaget/expressions/marioni_counts/bytes?format=tsv"
    for _ in range(2):
        assert requests.get(address, timeout=60).ok
    wait_for(lambda: total(server.numbers(), "rnaget_open_stores", kind="matrix") >= 1)
    wait_for(lambda: total(server.numbers(), "rnaget_cache_misses_total", cache="stores") >= 1)


def _processes(server: Served) -> list[int]:
    """Return which workers have answered the requests for studies, in their order."""
    return [line["process"] for line in server.lines() if line.get("route") == "/rnaget/studies"]


def test_a_killed_worker_takes_no_counts_with_it(server: Served) -> None:
    counted = server.count("rnaget_requests_total") + 20
    for _ in range(20):
        requests.get(f"{server.root}/rnaget/studies", timeout=30)
    wait_for(lambda: server.count("rnaget_requests_total") >= counted)
    workers = server.workers()
    assert len(workers) == 2
    # The one that has counted at least half of them, by the log.
    victim = max(workers, key=_processes(server)[-20:].count)
    before = server.numbers()
    os.kill(victim, signal.SIGKILL)
    starts = total(before, "rnaget_worker_starts_total") + 1
    wait_for(lambda: server.count("rnaget_worker_starts_total") == starts and server.alive() == 2)
    after = server.numbers()
    for name in ("rnaget_requests_total", "rnaget_request_seconds_count", "rnaget_response_bytes_total"):
        assert total(after, name, route="/rnaget/studies") == total(before, name, route="/rnaget/studies"), name
    # What the dead had open is not counted.
    assert total(after, "rnaget_open_stores", kind="matrix") <= 2
    assert requests.get(f"{server.root}/rnaget/studies", timeout=30).ok
    labels = {"route": "/rnaget/studies", "status": "200"}
    wait_for(
        lambda: server.count("rnaget_requests_total", **labels) == total(before, "rnaget_requests_total", **labels) + 1
    )


def test_a_reload_keeps_the_counts_and_the_address(server: Served) -> None:
    """Settings may name other addresses by then: gunicorn could not listen on them, and would end."""
    before = server.numbers()
    catalog = server.data / "catalog.yaml"
    text = catalog.read_text()
    starts = total(before, "rnaget_worker_starts_total")
    try:
        catalog.write_text(f"{text}\nsettings: {{host: 127.0.0.2}}\n")
        os.kill(server.master(), signal.SIGHUP)
        wait_for(lambda: server.count("rnaget_worker_starts_total") == starts + 2 and server.alive() == 2)
    finally:
        catalog.write_text(text)
    after = server.numbers()
    assert total(after, "rnaget_requests_total") >= total(before, "rnaget_requests_total") > 0
    assert requests.get(f"{server.root}/rnaget/projects", timeout=30).ok


def test_the_address_of_the_metrics_has_nothing_else(server: Served) -> None:
    for path in ("/", "/rnaget/projects", "/metrics/", "/healthz"):
        reply = requests.get(server.metrics + path, timeout=30)
        assert (reply.status_code, reply.text) == (404, "there is nothing here but /metrics\n")
    assert requests.post(f"{server.metrics}/metrics", timeout=30).status_code == 404
    assert requests.head(f"{server.metrics}/metrics", timeout=30).status_code == 200


def test_no_other_address_has_the_metrics(server: Served) -> None:
    host = server.metrics.removeprefix("http://")
    for headers in ({}, {"Host": host}, {"X-Forwarded-Host": host, "X-Forwarded-Port": host.rpartition(":")[2]}):
        reply = requests.get(f"{server.root}/metrics", headers=headers, timeout=30)
        assert reply.status_code == 404 and "rnaget_requests" not in reply.text


def test_a_process_alone_has_metrics_too(watched_data: Path) -> None:
    app = create_app(Settings(data=watched_data, metrics_address="127.0.0.1:9090"))
    with TestClient(app) as client, TestClient(app, base_url="http://testserver:9090") as metrics:
        for _ in range(3):
            client.get("/rnaget/projects")
        numbers = samples(metrics.get("/metrics").text)
        assert total(numbers, "rnaget_requests_total", route="/rnaget/projects") == 3
        assert total(numbers, "rnaget_workers") == 1
        assert client.get("/metrics").status_code == 404


def test_other_programs_get_the_newer_format(watched_data: Path) -> None:
    app = create_app(Settings(data=watched_data, metrics_address="127.0.0.1:9090"))
    reply = TestClient(app, base_url="http://testserver:9090").get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert "rnaget_workers" in {family.name for family in parse_newer(reply.text)}


@pytest.mark.parametrize("address", ["9090", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "::1:90", "a b:1", "x/y:1"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValidationError, match="a host and a port"):
        Settings(metrics_address=address)


def test_the_metrics_need_a_port_of_their_own() -> None:
    with pytest.raises(ValidationError, match="a port of its own"):
        Settings(port=9000, metrics_address="127.0.0.1:9000")
    assert Settings(metrics_address="[::1]:9090").metrics_address == "[::1]:9090"
    assert Settings().metrics_address == ""
