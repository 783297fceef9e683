"""The log of a real server, whose clients send what should not be in it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import requests

from tests.http.observing.served import Served, wait_for

SECRET = "s3cretThatNobodyMayKnow"
FORGED = "%0a%7b%22level%22:%22error%22,%22message%22:%22forged%22%7d%0d%e2%80%a8"


def test_lines_are_json_and_have_no_secrets(server: Served) -> None:
    headers = {
        "Authorization": f"Bearer {SECRET}",
        "Cookie": f"session={SECRET}",
        "X-Request-Id": f"{SECRET}",
        "User-Agent": SECRET,
    }
    addresses = [
        f"/rnaget/projects{FORGED}?_signature={SECRET}",
        f"/rnaget/expressions/marioni_counts/bytes?format=tsv&_expires=1&_signature={SECRET}",
        f"/rnaget/expressions/marioni_counts/bytes?sampleIDList=x{FORGED}{SECRET}",
        f"/no/page{FORGED}/_signature={SECRET}",
        f"/reads/data/x?_expires=99999999999&_signature={SECRET}",
        f"/?access_token={SECRET}",
    ]
    ids = {
        requests.get(server.root + address, headers=headers, timeout=60).headers["X-Request-Id"]
        for address in addresses
    }
    assert len(ids) == len(addresses)
    wait_for(lambda: ids <= {line.get("request_id") for line in server.lines()})
    text = server.log.read_text()
    assert SECRET not in text and not [line for line in server.lines() if line["message"] == "forged"]
    for line in server.lines():
        assert line["level"] in ("debug", "info", "warning", "error", "critical"), line
        assert {"time", "logger", "process", "message"} <= line.keys(), line


def test_what_is_no_http_makes_one_line(server: Served) -> None:
    address = urlsplit(server.root)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(b"GET /\r\nforged: \r\n{\n}\n\x00\xff HTTP/9\r\n\r\n")
        client.settimeout(30)
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
    assert server.lines()


def test_each_request_has_its_line(server: Served) -> None:
    reply = requests.get(f"{server.root}/rnaget/projects/none?x=1", timeout=60)
    id = reply.headers["X-Request-Id"]
    wait_for(lambda: any(line.get("request_id") == id for line in server.lines()))
    (line,) = [line for line in server.lines() if line.get("request_id") == id]
    assert (line["logger"], line["level"]) == ("rnaget_server.http.observing.logs", "info")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/rnaget/projects/none", 400)
    assert (line["route"], line["bytes"]) == ("/rnaget/projects/{projectId}", len(reply.content))
    assert 0 < line["milliseconds"] < 60_000


def test_other_threads_have_the_id_of_their_request(server: Served) -> None:
    """A handler runs in a thread, and so does what it opens: a file that is damaged is logged there."""
    path = next(path for path in (server.data).rglob("*.h5"))
    whole = path.read_bytes()
    temporary = path.with_suffix(".new")
    try:
        temporary.write_bytes(whole[: len(whole) // 2])
        temporary.replace(path)
        reply = requests.get(f"{server.root}/rnaget/expressions/marioni_counts/bytes?format=tsv", timeout=60)
    finally:
        temporary.write_bytes(whole)
        temporary.replace(path)
    assert reply.status_code == 503
    id = reply.headers["X-Request-Id"]
    wait_for(lambda: any(line.get("request_id") == id and line["level"] == "error" for line in server.lines()))
