"""Paths and names out of requests."""

from __future__ import annotations

import shutil
from pathlib import Path

import requests

from benchmarks.servers import HOST
from tests.attack.base import Attacks
from tests.forked import rnaget

PATHS = (
    "/rnaget/expressions/..%2f..%2f..%2fetc%2fpasswd/bytes",
    "/rnaget/projects/%2e%2e%2f%2e%2e",
    "/static/..%2f..%2fsettings.py",
    "/docs/..%2f..%2f..%2fetc%2fpasswd",
    "/rnaget/expressions/marioni_counts/bytes?format=..%2f..%2fetc%2fpasswd",
)

ATTACKS = Attacks("paths")


@ATTACKS("ids and files outside of the catalogue by .. in five places")
def traversal(directory: Path, short: bool) -> str:
    data = shutil.copytree(Path(__file__).parents[2] / "data", directory / "data")
    with rnaget(data, directory / "log") as server:
        replies = [requests.get(f"http://{HOST}:{server.port}{path}", timeout=30) for path in PATHS]
    found = [reply.status_code for reply in replies]
    assert all(status in (400, 404) for status in found), f"status {found}"
    assert not any("root:" in reply.text for reply in replies), "a file of the system"
    return f"status {', '.join(map(str, found))}"
