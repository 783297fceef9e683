"""Two servers of one catalogue behind the nginx of ``deploy/many``, with what they share in a real Valkey."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from redis import Redis

from benchmarks.servers import HOST, Server
from rnaget import get
from rnaget_server.cli.server import main
from tests.conftest import free_port, new_study
from tests.delivery.conftest import write_wide
from tests.deploy.nginx import MANY, NGINX, plain_site, running
from tests.forked import rnaget
from tests.valkey import PASSWORD, PROGRAM, Valkey

pytestmark = pytest.mark.skipif(NGINX is None or PROGRAM is None, reason="nginx or Valkey is not installed")
SHAPE = (2000, 600)
STUDY = """\
id: s
expressions:
  - id: wide
    file: wide.h5
    units: TPM
    feature_id: gene
    sample_id: Sample
    filters: {Half: {attribute: Half, axis: sample}}
    access:
      samples:
        - {where: {Half: second}, controlled: [committee]}
      others_see: NaN
"""
SLICE = "/rnaget/expressions/wide/bytes?format=tsv"
TICKET = "/rnaget/expressions/wide/ticket?format=tsv"
PATIENCE = 60.0


def write_matrix(study: Path, seed: int) -> None:
    cells = np.round(np.random.default_rng(seed).gamma(2.0, 50.0, SHAPE), 2).astype(np.float32)
    write_wide(study / "new.h5", cells)
    (study / "new.h5").replace(study / "wide.h5")


@dataclass(frozen=True)
class Site:
    """The servers, and the address in front of them."""

    root: str
    servers: tuple[Server, Server]
    metrics: tuple[int, int]
    valkey: Valkey
    study: Path
    token: str
    directory: Path

    def of(self, number: int) -> str:
        """Return the address of one of them alone."""
        return f"http://{HOST}:{self.servers[number].port}"

    def count(self, number: int, name: str) -> float:
        """Return how often one of them had, or had not, what was asked of the shared cache."""
        time.sleep(1.5)  # they are read once a second
        text = requests.get(f"http://{HOST}:{self.metrics[number]}/metrics", timeout=PATIENCE).text
        wanted = f'rnaget_cache_{name}_total{{cache="shared"}} '
        return sum(float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted))

    def log(self, number: int) -> str:
        return (self.directory / f"log{number}").read_text()

    def forget(self) -> None:
        """Remove what the servers have kept on their disks."""
        for number in (0, 1):
            for path in (self.directory / f"cache{number}").iterdir():
                if path.is_file() and len(path.name) == 64:
                    path.unlink()

    def entries(self) -> int:
        with Redis(port=self.valkey.port, password=PASSWORD) as client:
            return len(client.keys("{rnaget-slices}:e:*"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("many")
    directory.chmod(0o755)
    settings = "id: c\nname: C\nsettings: {auth: {tokens: ../tokens.yaml}}\n"
    study = new_study(directory / "data", STUDY, settings)
    write_matrix(study, 1)
    command = ["token", "add", "committee", "--data", str(directory / "data"), "--grant", "committee"]
    added = CliRunner().invoke(main, command)
    assert added.exit_code == 0, added.output
    token = next(word for word in added.output.split() if word.startswith("rnaget_"))
    port, metrics, valkey = free_port(), (free_port(), free_port()), Valkey(directory)
    with ExitStack() as stack:
        stack.callback(valkey.stop)
        servers = tuple(start(directory, number, metrics[number], valkey, port) for number in (0, 1))
        for server in servers:
            stack.enter_context(server)
        upstreams = [f"{HOST}:{server.port}" for server in servers]
        stack.enter_context(running(directory, plain_site(directory, upstreams, port), port))
        yield Site(f"http://{HOST}:{port}", servers, metrics, valkey, study, token, directory)  # type: ignore[arg-type]


def start(directory: Path, number: int, metrics: int, valkey: Valkey, port: int) -> Server:
    return rnaget(
        directory / "data",
        directory / f"log{number}",
        workers=2,
        log_level="info",
        cache_bytes=256 << 20,
        cache_directory=directory / f"cache{number}",
        ticket_keys="a key that both of the servers have",
        shared_cache=valkey.address,
        rate_limit_storage=valkey.address,
        rate_limit="40/10minute",
        rate_limit_exempt="127.0.0.0/9",
        metrics_address=f"{HOST}:{metrics}",
        public_url=f"http://{HOST}:{port}",
        shutdown_timeout=20,
        reload_seconds=0.2,
    )


@pytest.fixture
def grown(site: Site) -> Site:
    """Returns the site with both servers and Valkey up, and nothing in their caches."""
    if site.valkey.process.poll() is not None:
        site.valkey.start()
    with Redis(port=site.valkey.port, password=PASSWORD) as client:
        client.flushall()
    site.forget()
    return site


def read(url: str, token: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reply = requests.get(url, headers=headers, timeout=PATIENCE)
    assert reply.status_code == 200, reply.text
    return reply


def until(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_ticket_of_one_server_holds_at_the_other(grown: Site) -> None:
    ticket = read(grown.of(0) + TICKET, grown.token).json()
    parts = urlsplit(ticket["url"])
    assert ticket["url"].startswith(grown.root) and "_signature=" in parts.query
    replies = [read(f"{root}{parts.path}?{parts.query}") for root in (grown.of(0), grown.of(1), grown.root)]
    assert len({reply.content for reply in replies}) == 1 and b"nan" not in replies[0].content.lower()
    changed = parts.query.replace("_signature=", "_signature=0")
    assert requests.get(f"{grown.of(1)}{parts.path}?{changed}", timeout=PATIENCE).status_code == 403


def test_requests_are_counted_over_both_servers(grown: Site) -> None:
    # A client of any other address than those that are exempt, as its proxy on this machine says.
    for attempt in range(3):
        headers = {"X-Forwarded-For": f"203.0.113.{attempt + 7}"}
        roots = (grown.of(0), grown.of(1))
        path = "/rnaget/service-info"
        found = [
            requests.get(roots[number % 2] + path, headers=headers, timeout=PATIENCE).status_code
            for number in range(50)
        ]
        assert set(found) <= {200, 429} and found.count(200) >= 40
        # A reply of the store that comes too late, on a busy machine, lets a request pass.
        if found.count(200) == 40:
            break
    assert found.count(200) == 40


def test_a_slice_of_one_server_is_answered_by_the_other_from_the_cache(grown: Site) -> None:
    made = read(grown.of(0) + SLICE)
    until(lambda: grown.entries() == 1)
    before = grown.count(1, "hits")
    for _ in range(5):  # a busy machine may be too late for one
        again = read(grown.of(1) + SLICE)
        assert (again.content, again.headers["ETag"]) == (made.content, made.headers["ETag"])
        if grown.count(1, "hits") > before:
            break
        shutil.rmtree(grown.directory / "cache1", ignore_errors=True)
    assert grown.count(1, "hits") > before
    assert "Content-Length" in again.headers and "Content-Length" not in made.headers


def test_no_slice_goes_from_one_principal_to_another(grown: Site) -> None:
    whole = read(grown.of(0) + SLICE, grown.token)
    until(lambda: grown.entries() == 1)
    seen = read(grown.of(1) + SLICE)
    assert whole.headers["ETag"] != seen.headers["ETag"]
    row, hidden = (reply.text.splitlines()[-1].split("\t") for reply in (whole, seen))
    half = len(row) - SHAPE[1] // 2
    assert row[:half] == hidden[:half]
    assert all(float(cell) >= 0 for cell in row[half:]) and {cell.lower() for cell in hidden[half:]} == {"nan"}
    until(lambda: grown.entries() == 2)
    grown.forget()
    assert read(grown.of(1) + SLICE, grown.token).content == whole.content
    assert read(grown.of(0) + SLICE).content == seen.content


def test_no_slice_is_of_a_file_that_was_replaced(grown: Site) -> None:
    before = read(grown.of(0) + SLICE)
    until(lambda: grown.entries() == 1)
    write_matrix(grown.study, 2)
    time.sleep(0.5)
    after = [read(root + SLICE) for root in (grown.of(1), grown.of(0))]
    assert after[0].content == after[1].content != before.content
    assert after[0].headers["ETag"] == after[1].headers["ETag"] != before.headers["ETag"]


def test_an_entry_that_was_changed_is_not_sent(grown: Site) -> None:
    made = read(grown.of(0) + SLICE)
    until(lambda: grown.entries() == 1)
    with Redis(port=grown.valkey.port, password=PASSWORD) as client:
        (entry,) = client.keys("{rnaget-slices}:e:*")
        piece = bytearray(client.hget(entry, "5"))
        piece[1000] ^= 4
        client.hset(entry, "5", bytes(piece))

        def is_made_again() -> bool:
            grown.forget()  # where Valkey is late, the server makes the slice without a look at it
            assert read(grown.of(1) + SLICE).content == made.content
            return client.hget(entry, "5") not in (None, bytes(piece))

        until(is_made_again)
    assert "a damaged slice was removed from shared_cache" in grown.log(1)


class Load:
    """Clients that ask through nginx all the time, each time on a new connection or on one that is kept."""

    def __init__(self, site: Site, paths: tuple[str, ...]) -> None:
        self._site, self._paths = site, paths
        self._done = threading.Event()
        self.pause = 0.02
        self.problems: list[str] = []
        self.counts = [0] * 4
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(len(self.counts))]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with requests.Session() as session:
            while not self._done.is_set():
                path = self._paths[self.counts[number] % len(self._paths)]
                ask = session if number % 2 else requests
                try:
                    method = "POST" if path.endswith("/bytes") else "GET"
                    body = {"featureIDList": ["G00007"], "format": "tsv"} if method == "POST" else None
                    reply = ask.request(method, self._site.root + path, json=body, timeout=PATIENCE)
                    if reply.status_code != 200:
                        self.problems.append(f"{path}: {reply.status_code}")
                except requests.RequestException as error:
                    self.problems.append(f"{path}: {error!r}")
                self.counts[number] += 1
                self._done.wait(self.pause)

    def go_on(self, count: int = 5) -> None:
        """Wait until each client has had so many more replies."""
        before = list(self.counts)
        until(lambda: all(now >= then + count for now, then in zip(self.counts, before, strict=True)))


def start_again(server: Server, load: Load) -> None:
    """Start a server that has ended, and wait until nginx asks it again, which it does not for a time.

    The clients ask less often meanwhile: the other server answers all of them.
    """
    often, load.pause = load.pause, 0.2
    server.__enter__()
    time.sleep(max(map(int, re.findall(r"fail_timeout=(\d+)s", MANY))) + 0.5)
    load.pause = often


SMALL = ("/rnaget/expressions/wide/bytes?format=tsv&featureIDList=G00003", "/rnaget/projects")
POST = "/rnaget/expressions/wide/bytes"


def test_all_requests_go_on_when_valkey_is_killed(grown: Site) -> None:
    paths = (*SMALL, f"{SLICE}&Half=first", SLICE)
    with Load(grown, paths) as load:
        load.go_on()
        grown.valkey.stop()
        load.go_on(15)
        grown.valkey.start()
        load.go_on(10)
    assert load.problems == [] and sum(load.counts) > 100
    for number in (0, 1):
        assert PASSWORD not in grown.log(number) and "Traceback" not in grown.log(number)


def test_no_request_fails_over_a_rolling_restart(grown: Site) -> None:
    with Load(grown, (*SMALL, POST)) as load:
        for server in grown.servers:
            load.go_on()
            server.__exit__(None, None, None)
            load.go_on()
            start_again(server, load)
            load.go_on()
    assert load.problems == [] and sum(load.counts) > 60


def test_of_a_server_that_is_killed_only_running_requests_break_and_those_resume(grown: Site, tmp_path: Path) -> None:
    expected = read(grown.of(1) + SLICE).content
    until(lambda: grown.entries() == 1)
    read(grown.of(0) + SLICE)
    progress, go_on = threading.Event(), threading.Event()

    def pause(count: int, _: int | None) -> None:
        if count and not progress.is_set():
            progress.set()
            go_on.wait(PATIENCE)

    outputs = [tmp_path / "first", tmp_path / "second"]
    threads = [
        threading.Thread(target=get, args=(grown.root + SLICE, path), kwargs={"progress": pause, "retry_wait": 0.2})
        for path in outputs
    ]
    with Load(grown, SMALL) as load:
        for thread in threads:
            thread.start()
        assert progress.wait(PATIENCE)
        victims = [grown.servers[0].pid, *grown.servers[0].workers]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        go_on.set()
        for thread in threads:
            thread.join()
        load.go_on(10)
        grown.servers[0].wait(PATIENCE)
        start_again(grown.servers[0], load)
        load.go_on()
    sums = {hashlib.md5(path.read_bytes()).hexdigest() for path in outputs}
    assert sums == {hashlib.md5(expected).hexdigest()}
    # A request that was on the server without a byte of its reply is sent to the other one by nginx.
    assert len(load.problems) <= len(load.counts)
    assert all("Connection" in problem or "Chunked" in problem for problem in load.problems), load.problems
