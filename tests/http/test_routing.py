"""A route is answered by its function, with what stands in its path; a coroutine needs no thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Scope

from rnaget_server.http.mount import MOUNT_KEY, Mount
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.routing import Handler
from rnaget_server.http.workload import Workload
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.limits import Limits
from rnaget_server.model.memory import MemoryBudget


class Api:
    """Hands its handlers the path of the request, in upper case."""

    def __init__(self, is_due: bool = False) -> None:
        self.is_due = is_due
        self.looked_in: list[str] = []

    def look_for_changes(self) -> None:
        self.looked_in.append(threading.current_thread().name)

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> str:
        return request.url.path.upper()


def in_a_thread(context: str, expression_id: str) -> Response:
    return PlainTextResponse(f"{expression_id} {context} {threading.current_thread().name}")


async def in_the_loop(context: str, expression_id: str) -> Response:
    return in_a_thread(context, expression_id)


def answer(function: Callable[..., Any], path: str, api: Api | None = None, busy: int = 0) -> str:
    """Return what is sent, while so many of the threads of all requests are busy."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        scope: Scope = {**Request({"type": "http", "headers": []}).scope, "method": "GET", "path": path}
        mount = Mount("/", routes=None, dialect=None, api=api or Api(), workload=Workload(MemoryBudget(1), Limits()))  # type: ignore[arg-type]
        scope |= {
            "path_params": {"expressionId": "m"},
            MOUNT_KEY: mount,
            "query_string": b"",
            "server": ("here", 80),
        }
        for borrower in range(busy):
            current_default_thread_limiter().acquire_on_behalf_of_nowait(borrower)
        await asyncio.wait_for(Handler(function)(scope, lambda: asyncio.sleep(60), send), 30)

    asyncio.run(run())
    return b"".join(message.get("body", b"") for message in sent).decode()


@pytest.mark.parametrize(("function", "in_loop"), [(in_a_thread, False), (in_the_loop, True)])
def test_the_function_gets_its_context_and_what_stands_in_the_path(function: Callable[..., Any], in_loop: bool) -> None:
    id, context, thread = answer(function, "/here").split(" ", 2)
    assert (id, context) == ("m", "/HERE")
    assert (thread == threading.current_thread().name) == in_loop


@pytest.mark.parametrize(("function", "looks"), [(in_a_thread, False), (in_the_loop, True)])
def test_no_file_is_looked_at_in_the_loop(function: Callable[..., Any], looks: bool) -> None:
    """In a thread, the first who needs the catalogue looks at its files himself."""
    api = Api(is_due=True)
    answer(function, "/here", api)
    assert len(api.looked_in) == looks and threading.current_thread().name not in api.looked_in


def test_a_look_waits_for_no_thread_of_slow_requests() -> None:
    api = Api(is_due=True)
    assert answer(in_the_loop, "/here", api, busy=40).startswith("m /HERE") and len(api.looked_in) == 1
