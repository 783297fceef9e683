"""The commands that take a catalogue by its URL, and servers that are started without them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from benchmarks.servers import children, free_port
from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.published import PUBLISHED
from tests import forked
from tests.forked import CONFIGURATION
from tests.objects.commands import done, run
from tests.objects.unruly import CALM, Unruly


@pytest.fixture
def signed_in(catalogue: Path, url: str) -> str:
    """A catalogue with a file of tokens, in object storage."""
    catalog = catalogue / "catalog.yaml"
    catalog.write_text(catalog.read_text() + "\nsettings:\n  auth: {tokens: tokens.json}\n")
    done("publish", catalogue, url)
    return url


def test_an_export_is_that_of_the_directory(catalogue: Path, published: str, tmp_path: Path) -> None:
    for data, name in ((str(catalogue), "here.tsv"), (published, "there.tsv")):
        done("export", "marioni_counts", tmp_path / name, "--data", data, "--filter", "Tissue=Liver")
    assert (tmp_path / "there.tsv").read_bytes() == (tmp_path / "here.tsv").read_bytes()
    # Whole, as it is stored.
    done("export", "er", tmp_path / "er.bw", "--data", published, "--filter", "sampleIDList=ER1")
    message = run("export", "marioni", tmp_path / "x.tsv", "--data", published).output
    assert f"its files are in {published}/demo/marioni" in message


def test_tokens_are_where_the_catalogue_is(signed_in: str) -> None:
    token = run("token", "add", "me", "--data", signed_in, "--project", "demo")
    assert token.exit_code == 0
    assert f"is in {signed_in}/tokens.json" in token.output
    (id,) = (line.split()[0] for line in token.output.splitlines() if "tokens.json;" in line)
    assert f"{id}  me  until" in done("token", "list", "--data", signed_in)
    given = token.output.splitlines()[0]
    assert "projects: demo" in done("who", given, "--data", signed_in)
    assert f"is revoked in {signed_in}/tokens.json" in done("token", "revoke", id, "--data", signed_in)
    assert run("who", given, "--data", signed_in).exit_code == 1
    assert "me  until" not in done("token", "list", "--data", signed_in)


def test_tokens_of_this_machine_stay_on_it(published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "auth.yaml").write_text("tokens: mine.json\n")
    monkeypatch.setenv("RNAGET_AUTH", str(tmp_path / "auth.yaml"))
    before = Client(published, 20).listing()
    assert f"is in {tmp_path}/mine.json" in done("token", "add", "me", "--data", published)
    assert (tmp_path / "mine.json").is_file()
    assert Client(published, 20).listing() == before


def test_a_place_without_tokens_says_where_to_name_them(published: str) -> None:
    assert f"{published}/catalog.yaml" in run("token", "list", "--data", published).output


def test_what_is_no_token_is_refused(signed_in: str) -> None:
    for argument, stdin in ((os.fsdecode(b"\xff\xfe"), None), ("-", b"\xff\xfe")):
        command = [sys.executable, "-m", "rnaget_server.cli.server", "who", argument, "--data", signed_in]
        result = subprocess.run(command, input=stdin, capture_output=True)
        assert result.returncode == 1
        assert result.stderr.decode() == "Error: this is no token: all its characters are ASCII; copy it again\n"


def test_the_name_of_the_place_is_that_of_a_new_project(url: str, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\ta\tb\nG1\t1\t2\n")
    out = done("import", tmp_path / "m.tsv", "--data", f"{url}/liver", "--units", "TPM", "--id", "m")
    assert "--project liver: by the name of the place" in out
    assert f"m is now in {url}/liver/liver/liver/study.yaml" in out
    assert "tmp" not in out.replace(str(tmp_path), "")


def test_doctor_asks_the_place(catalogue: Path, published: str) -> None:
    out = done("doctor", published)
    assert re.search(rf"ok +place: {published} answers in \d+ ms, and has 22 files", out)
    # Both caches count, and of what stands for data nothing.
    assert re.search(r"MiB are free, [0-9] of at most \d,\d{3} MiB are used", out)
    client = Client(published, 20)
    client.delete([PUBLISHED])
    assert f"there is no {PUBLISHED}" in done("doctor", published)
    broken = catalogue / "demo" / "project.yaml"
    client.put("demo/project.yaml", broken.read_bytes() + b"nonsense: 1\n")
    out = run("doctor", published).output
    assert f"{published}/demo/project.yaml" in out


def test_a_mirror_that_is_named_by_its_path_is_shown_by_its_url(published: str) -> None:
    data = directory_of(published)
    (data / "demo" / "project.yaml").write_text("id: [")
    assert f"{published}/demo/project.yaml" in run("check", data).output


@contextmanager
def gunicorn(data: str, log: Path, workers: int = 1, reloads: bool = False) -> Iterator[tuple[int, int]]:
    """Run gunicorn as docs/object-storage.md says, and give its port and its process id."""
    port = free_port()
    environment = {**os.environ, "RNAGET_DATA": data, "RNAGET_PORT": str(port), "RNAGET_WORKERS": str(workers)}
    process = forked.gunicorn(environment, log)
    try:
        end = time.monotonic() + 300
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).close()
                break
            except OSError:
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
        yield port, process.pid
        if reloads:
            os.kill(process.pid, signal.SIGHUP)
            time.sleep(0.5)
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60).close()
    finally:
        process.terminate()
        process.wait(60)


_ASKING = """
import os, sys, time
from rnaget_server.catalog.object_storage import _by_another_process
def ask(parent):
    print(os.getpid(), flush=True)
    time.sleep(600)
_by_another_process(ask, os.getpid())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_who_asks_the_place_at_the_start_ends_with_a_server_that_is_killed(by: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _ASKING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        asking = Path(f"/proc/{int(process.stdout.readline())}/cmdline")
        assert b"_by_another_process" in asking.read_bytes()
        process.send_signal(by)
        process.wait(60)
        until(lambda: not (asking.exists() and asking.read_bytes()))


def test_gunicorn_itself_serves_a_place_that_is_asked_for_once(published: str, proxy: Unruly, tmp_path: Path) -> None:
    with gunicorn(published, tmp_path / "log", workers=2, reloads=True) as (port, _):
        for _ in range(4):
            query = f"http://127.0.0.1:{port}/rnaget/expressions/marioni_counts/bytes?format=tsv&featureIDList=none"
            address = query.partition("&")[0]
            assert urllib.request.urlopen(address, timeout=60).read(10)
    assert sum("list-type=2" in path for _, path, _ in proxy.requests) == 1
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_reload_asks_the_place_at_once(
    catalogue: Path, published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNAGET_RELOAD_SECONDS", "0")
    with gunicorn(published, tmp_path / "log") as (port, pid):
        address = f"http://127.0.0.1:{port}/rnaget/projects"

        def names() -> list[str]:
            with urllib.request.urlopen(address, timeout=60) as reply:
                return [project["id"] for project in json.load(reply)]

        before = names()
        (catalogue / "later").mkdir()
        (catalogue / "later" / "project.yaml").write_text("id: later\n")
        done("publish", catalogue, published)
        assert names() == before
        os.kill(pid, signal.SIGHUP)
        end = time.monotonic() + 120
        while (found := names()) == before and time.monotonic() < end:  # of the old workers
            time.sleep(0.2)
        assert sorted(found) == sorted([*before, "later"])
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("hangs", ["place", "lock", "killed", "place, and it is asked again"])
def test_a_reload_ends_though_the_place_cannot_be_asked(
    published: str, proxy: Unruly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    monkeypatch.setenv("RNAGET_RELOAD_SECONDS", "0")
    monkeypatch.setenv("RNAGET_OBJECT_TIMEOUT", "60" if hangs == "killed" else "3")
    log = tmp_path / "log"
    with gunicorn(published, log) as (port, pid), ExitStack() as stack:
        address = f"http://127.0.0.1:{port}/rnaget/projects"

        def asked() -> bytes:
            with urllib.request.urlopen(address, timeout=60) as reply:
                return bytes(reply.read())

        before = asked()
        if hangs == "lock":
            lock = next((tmp_path / "cache" / "objects").glob("*/data")).with_name("lock")
            fcntl.flock(stack.enter_context(lock.open("ab")), fcntl.LOCK_EX)
        else:
            proxy.delay, proxy.mood = 20, lambda method, path: "delay"
        workers = set(children(pid))
        os.kill(pid, signal.SIGHUP)
        began = time.monotonic()
        while "cannot be looked for" not in log.read_text() and time.monotonic() < began + 120:
            assert asked() == before
            if hangs == "killed":
                for other in set(children(pid)) - workers:
                    os.kill(other, signal.SIGKILL)
            if "again" in hangs:
                os.kill(pid, signal.SIGHUP)
            time.sleep(0.2)
        assert "Changes of the catalogue cannot be looked for" in log.read_text()
        proxy.mood = lambda method, path: CALM
        while not workers.isdisjoint(children(pid)) and time.monotonic() < began + 120:
            assert asked() == before
            time.sleep(0.1)
        assert workers.isdisjoint(children(pid))
        assert asked() == before
    assert "Traceback" not in log.read_text()


def test_a_server_ends_at_once_though_a_place_hangs_at_a_reload(
    published: str, proxy: Unruly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNAGET_RELOAD_SECONDS", "0")
    monkeypatch.setenv("RNAGET_OBJECT_TIMEOUT", "60")
    with gunicorn(published, tmp_path / "log") as (_, pid):
        proxy.delay, proxy.mood = 40, lambda method, path: "delay"
        workers, asked = set(children(pid)), len(proxy.requests)
        os.kill(pid, signal.SIGHUP)
        until(lambda: len(proxy.requests) > asked)
        (looking,) = set(children(pid)) - workers
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{looking}").exists())
        until(lambda: not Path(f"/proc/{pid}/exe").exists())
        assert time.monotonic() - began < 20
    assert "Traceback" not in (tmp_path / "log").read_text()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_gunicorn_says_in_a_line_what_keeps_it_from_serving(url: str, tmp_path: Path) -> None:
    for data, words in (
        (url, f"there is no catalog.yaml in {url}: copy a catalogue there by"),
        (str(tmp_path), "catalog.yaml"),
    ):
        with gunicorn(data, tmp_path / "log"):
            pass
        text = (tmp_path / "log").read_text()
        assert "The catalogue cannot be served: " in text
        assert words in text
        assert "Traceback" not in text


def test_gunicorn_without_the_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "obstore.py").write_text("raise ModuleNotFoundError('No module named obstore', name='obstore')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    # In a new Python, since others have the package by now.
    command = [sys.executable, "-m", "gunicorn", "-c", CONFIGURATION, "rnaget_server.asgi:app"]
    environment = {**os.environ, "RNAGET_DATA": "s3://bucket/catalogue"}
    with (tmp_path / "log").open("wb") as output:
        subprocess.run(command, env=environment, stderr=output, timeout=300)
    text = (tmp_path / "log").read_text()
    assert "this needs a package: pip install 'rnaget-server[cloud]'" in text
    assert "Traceback" not in text
