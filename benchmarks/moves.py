"""The moves between files of the server that one request makes: ``python -m benchmarks.moves``.

The request is for one gene of a native store as TSV, sent to the ASGI application in process; one like it, for another
gene, has gone before, so that all files are open and all modules loaded. Every function of ``rnaget_server`` that is
entered is counted (`sys.setprofile`, in all threads): also one that goes on, as generators and coroutines do, and
comprehensions; no functions of libraries, whoever calls them. Two counts are made of what is recorded:

calls
    The times that a function is entered whose file is not that of the function of ``rnaget_server`` that ran last,
    which is the one that calls, or the one that calls the library that calls.
calls and returns
    The same, and the times that to return leads to a function in another file.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from starlette.types import ASGIApp

import rnaget_server
from benchmarks.material import ArrayValues, made_cells, sample_ids
from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

_PACKAGE = f"{Path(rnaget_server.__file__).parent}/"
_SHAPE = (200, 300)
_PATH = "/rnaget/expressions/made/bytes"
_STUDY = """\
id: study
expressions:
  - {id: made, file: made.h5, units: TPM, feature_id: GeneID, feature_name: GeneName, sample_id: Sample}
"""


@dataclass
class Trace:
    """The functions of the server that ran, in order.

    Attributes
    ----------
    entered
        Each function that was entered, as ``file:function``, with whether that was a move.
    moves
        How often the file changed by a call.
    moves_with_returns
        How often it changed by a call or a return.
    """

    entered: list[tuple[str, bool]] = field(default_factory=list)
    moves: int = 0
    moves_with_returns: int = 0
    on: bool = False
    _last: str = ""
    _stacks: dict[int, list[str]] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take an event of `sys.setprofile`."""
        path = frame.f_code.co_filename
        if not self.on or event not in ("call", "return") or not path.startswith(_PACKAGE):
            return
        file = path.removeprefix(_PACKAGE)
        stack = self._stacks.setdefault(threading.get_ident(), [])
        if event == "call":
            stack.append(file)
            is_move = file != self._last
            self.entered.append((f"{file}:{frame.f_code.co_qualname}", is_move))
            self.moves += is_move
            self.moves_with_returns += is_move
            self._last = file
        elif stack:
            stack.pop()
            if stack and stack[-1] != self._last:
                self.moves_with_returns += 1
                self._last = stack[-1]


def trace_one_gene(directory: Path) -> Trace:
    """Return what ran for one gene, of a matrix that is made in a directory."""
    ids = _write_catalogue(directory)
    trace = Trace()
    # The catalogue is not looked at again meanwhile, however slow the machine is.
    settings = Settings(data=directory, cache_directory=directory / "cache", reload_seconds=3600)
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        asyncio.run(_answer(create_app(settings), ids, trace))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return trace


async def _answer(app: ASGIApp, ids: list[str], trace: Trace) -> None:
    await _get(app, ids[10])
    # What the first request has put off until the loop is idle is done.
    await asyncio.sleep(0.1)
    await _get(app, ids[20])
    trace.on = True
    body = await _get(app, ids[120])
    trace.on = False
    assert body.splitlines()[1].startswith(ids[120].encode()), body[:200]


async def _get(app: ASGIApp, id: str) -> bytes:
    body: list[bytes] = []
    messages: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        body.append(message.get("body", b""))
        assert message.get("status", 200) == 200, message

    headers = [
        (b"host", b"localhost"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"made"),
    ]
    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": _PATH,
            "raw_path": _PATH.encode(),
            "query_string": f"format=tsv&featureIDList={id}".encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "state": {},
        },
        receive,
        send,
    )
    return b"".join(body)


def _write_catalogue(directory: Path) -> list[str]:
    """Write a catalogue of one matrix; return the ids of its features."""
    study = directory / "project" / "study"
    study.mkdir(parents=True)
    ids = [f"ENSG{number:011}.1" for number in range(_SHAPE[0])]
    names = [f"GENE{number}" for number in range(_SHAPE[0])]
    features = AxisTable("GeneID", {"GeneID": np.array(ids, object), "GeneName": np.array(names, object)}, "GeneName")
    samples = AxisTable("Sample", {"Sample": np.array(sample_ids(_SHAPE[1]), object)})
    values = ArrayValues(made_cells(_SHAPE, 0))
    write_native(study / "made.h5", features, samples, [LayerSource("TPM", values, np.dtype(np.float32), False)])
    (study / "study.yaml").write_text(_STUDY, encoding="utf-8")
    (study.parent / "project.yaml").write_text("id: project\n", encoding="utf-8")
    (directory / "catalog.yaml").write_text("{id: org.example.moves, name: Moves}\n", encoding="utf-8")
    return ids


def main() -> None:
    """Print each function that was entered, with an arrow where that was a move, and the counts."""
    with tempfile.TemporaryDirectory() as directory:
        trace = trace_one_gene(Path(directory))
    for function, is_move in trace.entered:
        print("→" if is_move else " ", function)
    print(f"{len(trace.entered)} calls of {len(set(trace.entered))} functions")
    print(f"{trace.moves} moves by calls, {trace.moves_with_returns} by calls and returns")


if __name__ == "__main__":
    main()
