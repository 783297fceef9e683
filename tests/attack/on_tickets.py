"""Data without a valid ticket, and tickets that say what their asker wants."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

from benchmarks.servers import HOST
from tests.attack.base import Attacks
from tests.forked import rnaget

ATTACKS = Attacks("tickets")
_KEY = "a key of more than sixteen letters"
_MATRIX = "/rnaget/expressions/marioni_counts"
_SLICE = "format=tsv&featureIDList=ENSG00000188976"
HOSTS = ("a b", "a/b", "x@y", "a'b", '"', "a?b", "<x>", "é", "x" * 10_000, "a:b:c", "[::1", "a,b")


def _copy(directory: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parents[2] / "data", directory / "data"))


@ATTACKS("data by URLs whose signature was cut off, changed, or is of another URL")
def unsigned_urls(directory: Path, short: bool) -> str:
    with rnaget(_copy(directory), directory / "log", ticket_keys=_KEY, require_tickets=True) as server:
        root = f"http://{HOST}:{server.port}"
        url = requests.get(f"{root}{_MATRIX}/ticket?{_SLICE}", timeout=30).json()["url"]
        assert requests.get(url, timeout=30).status_code == 200, "a ticket does not hold"
        signature = url.partition("&_signature=")[2]
        tried = [
            url.partition("&_expires")[0],
            url.partition("&_signature")[0],
            url.replace("ENSG00000188976", "ENSG00000177757"),
            url.replace("_expires=", "_expires=9"),
            f"{root}{_MATRIX}/bytes?format=tsv",
            f"{root}{_MATRIX}/bytes/?format=tsv",
            f"{root}{_MATRIX}/byt%65s?format=tsv",
            f"{root}{_MATRIX}?format=tsv",
            f"{root}{_MATRIX}?format=tsv&_signature={signature}&_expires=9999999999",
            f"{root}/rnaget/expressions/bytes?format=tsv",
            f"{root}/rnaget/continuous/bytes?format=tsv",
        ]
        statuses = [requests.get(one, timeout=30).status_code for one in tried]
        assert set(statuses) == {403}, f"status {statuses}"
        posted = requests.post(f"{root}{_MATRIX}/bytes", json={"format": "tsv"}, timeout=30).status_code
        assert posted == 403, f"POST without signature: {posted}"
        assert requests.get(f"{root}{_MATRIX}/info", timeout=30).status_code == 200, "info is refused"
    return f"{len(tried) + 1} ways: 403; the ticket itself and info: 200"


@ATTACKS("a POST with a body to a signed URL")
def posted_to_signed(directory: Path, short: bool) -> str:
    with rnaget(_copy(directory), directory / "log", ticket_keys=_KEY) as server:
        url = requests.get(f"http://{HOST}:{server.port}{_MATRIX}/ticket?{_SLICE}", timeout=30).json()["url"]
        reply = requests.post(url, json={"featureIDList": ["ENSG00000177757"]}, timeout=30)
        assert reply.status_code == 400, f"status {reply.status_code}"
    return f"400: {reply.json()['message'][:60]}…"


@ATTACKS("a ticket asked for with an expiry and a signature of one's own")
def chosen_expiry(directory: Path, short: bool) -> str:
    with rnaget(_copy(directory), directory / "log", ticket_keys=_KEY, ticket_seconds=60) as server:
        asked = f"{_MATRIX}/ticket?{_SLICE}&_expires=9999999999&_signature=x&_other=1"
        ticket = requests.get(f"http://{HOST}:{server.port}{asked}", timeout=30).json()
        parameters = parse_qs(urlsplit(ticket["url"]).query)
        assert len(parameters["_expires"]) == len(parameters["_signature"]) == 1, "copied"
        assert "_other" not in parameters, "copied"
        assert int(parameters["_expires"][0]) <= time.time() + 60, "the expiry that was asked for"
    return "nothing was copied"


@ATTACKS("Host headers that are no host")
def hostile_hosts(directory: Path, short: bool) -> str:
    with rnaget(_copy(directory), directory / "log") as server:
        statuses = []
        for host in HOSTS:
            with socket.create_connection((HOST, server.port), timeout=30) as one:
                request = f"GET {_MATRIX}/ticket?{_SLICE} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                one.sendall(request.encode())
                statuses.append(one.recv(4096).split(b" ", 2)[1].decode())
        headers = {"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "evil.example"}
        url = requests.get(f"http://{HOST}:{server.port}{_MATRIX}/ticket?{_SLICE}", headers=headers, timeout=30).json()[
            "url"
        ]
    assert set(statuses) == {"400"}, f"status {statuses}"
    assert url.startswith(f"http://{HOST}:{server.port}/"), url
    return f"{len(HOSTS)} hosts: 400; a forwarded scheme and host: not believed"
