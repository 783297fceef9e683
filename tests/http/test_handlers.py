"""A route is answered by its function, with what stands in its path; a coroutine needs no thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Scope

from rnaget_server.http.handlers import Handler
from rnaget_server.http.request import SCOPE_KEY, current

IN_PATH = {"expressionId": "m"}


def in_a_thread(expression_id: str) -> Response:
    request, services = current()
    return PlainTextResponse(f"{expression_id} {request.url.path} {services} {threading.current_thread().name}")


async def in_the_loop(expression_id: str) -> Response:
    return in_a_thread(expression_id)


def answer(function: Callable[..., Any], path: str) -> str:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        scope: Scope = {**Request({"type": "http", "headers": []}).scope, "method": "GET", "path": path}
        scope |= {"path_params": IN_PATH, SCOPE_KEY: "services", "query_string": b"", "server": ("here", 80)}
        await Handler(function, {"expressionId": "expression_id"})(scope, lambda: asyncio.sleep(60), send)

    asyncio.run(run())
    return b"".join(message.get("body", b"") for message in sent).decode()


@pytest.mark.parametrize(("function", "in_loop"), [(in_a_thread, False), (in_the_loop, True)])
def test_the_function_gets_what_stands_in_the_path_and_the_request_at_hand(
    function: Callable[..., Any], in_loop: bool
) -> None:
    told = answer(function, "/here").split(" ", 3)
    assert told[:3] == ["m", "/here", "services"]
    assert (told[3] == threading.current_thread().name) == in_loop
