"""The start of a worker beyond the import of its packages, and its memory beyond that of a bare application.

``python -m benchmarks.starting DATA TARGET`` starts one in its own process and prints the seconds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.client import Client
from benchmarks.http import gene_targets
from benchmarks.material import Material
from benchmarks.measure import Figures, Row
from benchmarks.servers import bare, rnaget


def rows(material: Material) -> Iterator[Row]:
    """Yield time and memory from the start to the first gene."""
    target = gene_targets(material, 1)[0]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.starting", str(material.catalogue), target]
    taken, memory, whole, plain_whole = [], [], [], []
    for _ in range(max(3, material.size.slow_repeats)):
        taken.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        with rnaget(material.catalogue, material.log) as ours, bare(material.log) as plain:
            with Client(ours.port) as client, Client(plain.port) as other:
                client.get(target)
                other.get("/small")
                memory.append(ours.memory() - plain.memory())
            whole.append(ours.started_in)
            plain_whole.append(plain.started_in)
    yield Row(
        "start of a worker, until it has sent a gene", "beyond importing packages", Figures(tuple(taken)), most=1.5
    )
    yield Row("memory of a worker that has sent a gene", "beyond a bare app", Figures(tuple(memory), "MB"), most=64)
    yield Row("start of the server, until it answers", "a bare app", Figures(tuple(whole)), Figures(tuple(plain_whole)))


def _seconds(data: Path, target: str) -> float:
    """Import everything, then return how long it takes to start and to make the first reply."""
    from rnaget_server.app import create_app
    from rnaget_server.plugins import Registry
    from rnaget_server.settings import Settings

    for group in ("stores", "writers"):
        Registry(f"rnaget_server.{group}").all()
    began = perf_counter()
    app = create_app(Settings(data=data, cache_bytes=0))
    assert asyncio.run(_status(app, target)) == 200
    return perf_counter() - began


async def _status(app: Any, target: str) -> int:
    """Return the status of the reply that an application makes, after the message to start."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
    }
    scope |= {"headers": [(b"host", b"here")], "scheme": "http", "server": ("here", 80), "client": ("here", 1)}
    scope |= {"asgi": {"version": "3.0"}, "http_version": "1.1", "root_path": ""}
    statuses: list[int] = []
    received: list[bool] = []
    started, stop = asyncio.Event(), asyncio.Event()

    async def life() -> dict[str, str]:
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: dict[str, Any]) -> None:
        started.set()

    async def request() -> dict[str, Any]:
        if not received:
            received.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await stop.wait()
        return {"type": "http.disconnect"}

    async def reply(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, life, send))
    await started.wait()
    await app(scope, request, reply)
    stop.set()
    await running
    return statuses[0]


if __name__ == "__main__":
    print(_seconds(Path(sys.argv[1]), sys.argv[2]))
