"""Clients and caches of others, unmodified: refget's own, samtools, nginx and Squid."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner

from compliance.sequences import TOOL
from rnaget_server.cli.server import main
from tests.apis.refget.registry import Relay, relay
from tests.conftest import free_port

PYTHON = TOOL.with_name("python")
LETTERS = "".join(random.Random(13).choices("ACGT", k=300_000))
MD5 = hashlib.md5(LETTERS.encode()).hexdigest()
SHA1 = hashlib.sha1(LETTERS.encode()).hexdigest()


def installed(name: str) -> str:
    """Return the place of a program, or skip."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module")
def root(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a real server with one sequence."""
    directory = tmp_path_factory.mktemp("clients")
    source = directory / "one.fa"
    source.write_text(f">one\n{LETTERS}\n")
    data = directory / "data"
    data.mkdir()
    (data / "catalog.yaml").write_text("id: org.example.clients\nname: Clients\n")
    result = CliRunner().invoke(main, ["import", str(source), "--data", str(data), "--genome", "g"])
    assert result.exit_code == 0, result.output
    return serve(data)


@pytest.fixture
def counted(root: str) -> Iterator[Relay]:
    """The same server, with its requests counted."""
    with relay(root) as made:
        yield made


@pytest.mark.skipif(not PYTHON.is_file(), reason="the compliance suite is not installed: `make test` does that")
def test_the_client_of_refget(root: str) -> None:
    program = """
import json, sys
from refget.clients import SequenceClient
client = SequenceClient(urls=[sys.argv[1]], raise_errors=True)
digest = sys.argv[2]
metadata = client.get_metadata(digest)
whole, part = client.get_sequence(digest), client.get_sequence(metadata["metadata"]["ga4gh"], start=10, end=30)
print(json.dumps([whole, part, metadata]))
"""
    command = [str(PYTHON), "-c", program]
    for prefix in ("", "/ena/cram", "/"):
        result = subprocess.run([*command, root + prefix, MD5], capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        whole, part, metadata = json.loads(result.stdout)
        assert (whole, part) == (LETTERS, LETTERS[10:30])
        assert (metadata["metadata"]["length"], metadata["metadata"]["md5"]) == (len(LETTERS), MD5)


@pytest.mark.parametrize("prefix", ["/cram", "/ena/cram"])
def test_samtools_decodes_a_cram_by_one_request_and_then_by_none(counted: Relay, tmp_path: Path, prefix: str) -> None:
    samtools = installed("samtools")
    reference, sam, cram = tmp_path / "one.fa", tmp_path / "reads.sam", tmp_path / "reads.cram"
    reference.write_text(f">one\n{LETTERS}\n")
    starts = sorted(random.Random(7).randrange(len(LETTERS) - 100) for _ in range(2000))
    reads = []
    for number, at in enumerate(starts):
        bases = LETTERS[at : at + 50] + ("A" if LETTERS[at + 50] != "A" else "C") + LETTERS[at + 51 : at + 100]
        reads.append(f"r{number}\t0\tone\t{at + 1}\t60\t100M\t*\t0\t0\t{bases}\t{'I' * 100}")
    sam.write_text(f"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:one\tLN:{len(LETTERS)}\tM5:{MD5}\n" + "\n".join(reads) + "\n")
    made = subprocess.run([samtools, "view", "-C", "-T", reference, "-o", cram, sam], capture_output=True, timeout=60)
    assert made.returncode == 0, made.stderr
    reference.unlink()
    expected = hashlib.md5("".join(f"{read}\n" for read in reads).encode()).hexdigest()
    path = f"{counted.address}{prefix}/md5/%s"
    environment = {"PATH": os.environ["PATH"], "REF_PATH": path, "REF_CACHE": str(tmp_path / "cache" / "%s")}
    for _ in range(2):
        read = subprocess.run(
            [samtools, "view", "-x", "MD", "-x", "NM", cram], capture_output=True, env=environment, timeout=60
        )
        assert read.returncode == 0, read.stderr
        assert hashlib.md5(read.stdout).hexdigest() == expected
        assert counted.asked == [f"GET {prefix}/md5/{MD5}"]


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Run a proxy until the end of the block; its address."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "TMPDIR": str(log.parent)})
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            assert process.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def ask(address: str, path: str) -> requests.Response:
    """Ask a proxy, without any of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{address}{path}", timeout=60)


def answers_the_second_itself(address: str, counted: Relay) -> None:
    """Check that what is asked for twice came from the server once."""
    for path in (f"/cram/md5/{MD5}", f"/cram/sha1/{SHA1}", f"/sequence/{MD5}", f"/ena/cram/md5/{MD5}"):
        counted.asked.clear()
        for _ in range(2):
            reply = ask(address, path)
            assert (reply.status_code, reply.text) == (200, LETTERS)
        assert counted.asked == [f"GET {path}"]


def test_nginx_answers_the_second_request_itself(counted: Relay, tmp_path: Path) -> None:
    nginx, port = installed("nginx"), free_port()
    tmp_path.chmod(0o755)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (tmp_path / "nginx.conf").write_text(
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off; pid {tmp_path / 'pid'};\nevents {{}}\n"
        f"http {{ access_log off; {' '.join(f'{kind}_temp_path {tmp_path / kind};' for kind in kinds)}\n"
        f"proxy_cache_path {tmp_path / 'cache'} keys_zone=sequences:1m;\n"
        f"server {{ listen 127.0.0.1:{port};\n"
        f"location / {{ proxy_pass {counted.address}; proxy_cache sequences; }} }} }}\n"
    )
    command = [nginx, "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")]
    with running(command, port, tmp_path / "log") as address:
        answers_the_second_itself(address, counted)


def test_squid_answers_the_second_request_itself(counted: Relay, tmp_path: Path) -> None:
    squid, port = installed("squid"), free_port()
    behind = urlsplit(counted.address)
    lines = [
        f"http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1 no-vhost",
        f"cache_peer {behind.hostname} parent {behind.port} 0 no-query originserver no-digest name=server",
        *("http_access allow all", "cache_peer_access server allow all", "never_direct allow all"),
        *("cache_mem 64 MB", "maximum_object_size_in_memory 8 MB", "memory_cache_shared off", "workers 1"),
        *("access_log none", "cache_store_log none", "cache_log /dev/null", "pid_filename none", "coredump_dir none"),
        *("pinger_enable off", "netdb_filename none", "shutdown_lifetime 0 seconds", "visible_hostname localhost"),
    ]
    (tmp_path / "squid.conf").write_text("\n".join(lines) + "\n")
    # By its name it finds shared memory, of which another Squid of this machine has its own.
    command = [squid, "-n", f"test{port}", "-N", "-d", "1", "-f", str(tmp_path / "squid.conf")]
    with running(command, port, tmp_path / "log") as address:
        answers_the_second_itself(address, counted)
