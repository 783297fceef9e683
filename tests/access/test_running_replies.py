"""A download that runs while the catalogue becomes stricter: it ends as it began, and nothing begins any more."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import requests

from rnaget_server.http.auth.token_file import change_tokens, new_token
from tests.access.marked import dump, write_loom
from tests.conftest import new_study

SIZE = 900
PATH = "/rnaget/expressions/m/bytes?format=tsv"
LITTLE = 1 << 14


def put(study: Path, access: object) -> None:
    entry = {"id": "m", "file": "m.loom", "units": "u", "feature_id": "gene", "sample_id": "sample"}
    dump(study / "study.yaml", {"id": "s", "access": access, "expressions": [entry]})


def begun(root: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Return a reply of which little was read, on a connection that takes little without that."""
    parts = urlsplit(root)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
    connection.sock.settimeout(60)
    connection.sock.connect((parts.hostname, parts.port))
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    assert reply.status == 200
    return reply


def test_a_reply_that_runs_ends_and_its_rest_is_not_sent_again(serve: Callable[..., str], tmp_path: Path) -> None:
    study = new_study(tmp_path / "data", catalog="id: c\nname: C\nsettings: {auth: {tokens: tokens.json}}\n")
    names = [f"n{number}" for number in range(SIZE)]
    cells = np.random.default_rng(1).random((SIZE, SIZE), np.float32)
    write_loom(study / "m.loom", cells, {"gene": names}, {"sample": names})
    token, record = new_token("ann", grants=("grant-a",))
    change_tokens(tmp_path / "data" / "tokens.json", lambda _: [record])
    put(study, {"controlled": ["grant-a"]})
    # Nothing is kept, so that the bytes are still to be made when the conditions change.
    root = serve(
        tmp_path / "data",
        RNAGET_RELOAD_SECONDS="0.1",
        RNAGET_CACHE_BYTES="0",
        RNAGET_CACHE_DIRECTORY=str(tmp_path / "cache"),
    )
    signed_in = {"Authorization": f"Bearer {token}"}
    whole = requests.get(root + PATH, headers=signed_in, timeout=60)
    url = requests.get(root + PATH.replace("bytes", "ticket"), headers=signed_in, timeout=60).json()["url"]
    ticket = url.removeprefix(root)
    running = [begun(root, PATH, signed_in), begun(root, ticket, {})]
    starts = [reply.read(1000) for reply in running]

    put(study, {"controlled": ["grant-b"]})
    deadline = time.monotonic() + 30
    while requests.get(root + PATH, headers=signed_in, timeout=60).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    for path, headers in ((PATH, signed_in), (PATH, {}), (ticket, {})):
        for more in ({}, {"Range": "bytes=1000-"}, {"Range": "bytes=1000-", "If-Range": whole.headers["ETag"]}):
            refused = requests.get(root + path, headers={**headers, **more}, timeout=60)
            assert refused.status_code == 404, (path, more)
            assert "Content-Range" not in refused.headers and "n17" not in refused.text
        same = requests.get(root + path, headers={**headers, "If-None-Match": whole.headers["ETag"]}, timeout=60)
        assert same.status_code == 404, "a 304 would say that it is still there"
    # More than the system holds on the way, so that some of it was made after the change.
    assert len(whole.content) > 8 << 20
    for start, reply in zip(starts, running, strict=True):
        assert start + reply.read() == whole.content
    assert json.loads(requests.get(f"{root}/rnaget/studies", timeout=60).text) == []
