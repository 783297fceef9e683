"""Two servers behind nginx against one: what the second adds where each may use so much of a processor and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.client import flood
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from benchmarks.servers import HOST, Server, answers, free_port, rnaget
from rnaget_server.settings import shipped

_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_TARGETS = [
    "/rnaget/expressions/marioni_counts/bytes?format=tsv",
    "/rnaget/expressions/marioni_counts/info",
    "/rnaget/projects",
]
_CONNECTIONS = 16
_REQUESTS = 300
_REPEATS = 5
_SHARE = 0.2
_PERIOD = 20_000
_GROUPS = Path("/sys/fs/cgroup")
_LEAST = 1.8
_MOST_TIME = 1 / 0.9


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the throughput of both, the processor time of a request, and what this machine allows."""
    if _NGINX is None:
        yield Note("servers: nginx is not installed")
        return
    material.directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(rnaget(shipped("data"), material.log)) for _ in range(2)]
        ports = stack.enter_context(_nginx(directory, [server.port for server in servers]))
        limits = [stack.enter_context(_limited(server)) for server in servers]
        yield from _measured(servers, ports, all(limits))
    allowed = len(os.sched_getaffinity(0))
    how = (
        f"each server has {_SHARE:.0%} of a processor (cgroup)" if all(limits) else "processors cannot be limited here"
    )
    yield Note(f"servers: {allowed} of {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {how}")


def _measured(servers: list[Server], ports: tuple[int, int], is_limited: bool) -> Iterator[Row]:
    taken: dict[int, list[float]] = {port: [] for port in ports}
    busy: dict[int, list[float]] = {port: [] for port in ports}
    for port in ports:
        flood(port, _TARGETS, _REQUESTS // 3, _CONNECTIONS)
    for _ in range(_REPEATS):
        for port in ports:
            before = sum(server.busy() for server in servers)
            taken[port].append(flood(port, _TARGETS, _REQUESTS, _CONNECTIONS))
            busy[port].append((sum(server.busy() for server in servers) - before) / _REQUESTS)
    one, two = ports
    # Without limits both need all processors that there are, and the machine may have no more than one server uses.
    least = _LEAST if is_limited else 0
    ours, theirs = Figures(tuple(taken[two])), Figures(tuple(taken[one]))
    yield Row("throughput of 2 servers behind nginx", "1 server", ours, theirs, least=least)
    ours, theirs = Figures(tuple(busy[two])), Figures(tuple(busy[one]))
    yield Row("processor time of a request, 2 servers", "1 server", ours, theirs, most=_MOST_TIME)


@contextmanager
def _nginx(directory: Path, ports: list[int]) -> Iterator[tuple[int, int]]:
    """Run nginx in front of the first server, and of all; yield the port of each."""
    sites = ""
    listening = (free_port(), free_port())
    for name, port, upstreams in (("one", listening[0], ports[:1]), ("all", listening[1], ports)):
        places = " ".join(f"server {HOST}:{upstream};" for upstream in upstreams)
        sites += f"upstream {name} {{ least_conn; {places} keepalive 32; }}\n"
        sites += f"server {{ listen {HOST}:{port}; location / {{ proxy_pass http://{name}; proxy_buffering off; }} }}\n"
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid {directory}/pid; error_log {directory}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} scgi_temp_path {directory}/scgi; keepalive_requests 1000000;\n"
        f'proxy_http_version 1.1; proxy_set_header Connection "";\n{sites} }}\n'
    )
    command = [str(_NGINX), "-p", str(directory), "-e", f"{directory}/error.log", "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not all(answers(port, "/healthz") for port in listening):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("nginx did not start")
            time.sleep(0.05)
        yield listening
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _limited(server: Server) -> Iterator[bool]:
    """Let a server have no more than a share of a processor; yield whether this machine can do that."""
    group = None
    try:
        group = _new_group(server.pid)
        for pid in (server.pid, *server.workers):
            (group / "cgroup.procs").write_text(str(pid))
        is_limited = True
    except OSError:
        is_limited = False
    try:
        yield is_limited
    finally:
        if group is not None:
            with suppress(OSError):
                for left in (group / "cgroup.procs").read_text().split():
                    (group.parent / "cgroup.procs").write_text(left)
                group.rmdir()


def _new_group(number: int) -> Path:
    quota = int(_SHARE * _PERIOD)
    if (_GROUPS / "cgroup.controllers").exists():
        group = _GROUPS / f"rnaget-bench-{number}"
        group.mkdir()
        (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        return group
    group = _GROUPS / "cpu" / f"rnaget-bench-{number}"
    group.mkdir()
    (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
    (group / "cpu.cfs_quota_us").write_text(str(quota))
    return group
