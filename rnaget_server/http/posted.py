"""Parameters sent as a JSON object by POST, for requests longer than a URL may be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import InvalidQuery, ResultTooLarge
from rnaget_server.http.request import POSTED_KEY

_MOST_BYTES = 64 << 20
_EXAMPLE = '{"featureIDList": ["ENSG00000177757"], "format": "tsv"}'


class PostedParameters:
    """ASGI layer that reads the body of a POST before the handler runs; it stands behind the routing.

    Parameters
    ----------
    app
        What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its parameters in the scope.

        Raises
        ------
        InvalidQuery
            If the body is no JSON object of texts, numbers and lists of them.
        ResultTooLarge
            If it is longer than 64 MiB.
        """
        if scope["type"] == "http" and scope["method"] == "POST":
            posted = tuple(_pairs(_parsed(await _body(receive))))
            scope = {**scope, POSTED_KEY: posted}
        await self._app(scope, receive, send)


def pairs_of(request: Request) -> list[tuple[str, str]]:
    """Return names and values of the parameters: those of the URL, then those that were posted."""
    return [*request.query_params.multi_items(), *request.scope.get(POSTED_KEY, ())]


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST_BYTES:
            raise ResultTooLarge(f"the body is longer than {_MOST_BYTES >> 20} MiB: ask for fewer ids at once")
    return bytes(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body, object_pairs_hook=_once_each) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidQuery(f"the body is not JSON{place}: send an object such as {_EXAMPLE}") from None
    if not isinstance(parsed, dict):
        raise InvalidQuery(f"the body must be a JSON object, such as {_EXAMPLE}")
    return parsed


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidQuery("a name stands twice in the body: give a list instead")
    return found


def _pairs(parsed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in parsed.items():
        if isinstance(value, dict):
            yield name, json.dumps(value, separators=(",", ":"))
        elif isinstance(value, list):
            yield from ((name, text) for text in _texts(name, value))
        else:
            yield name, _text(name, value)


def _texts(name: str, values: Iterable[Any]) -> Iterator[str]:
    found = [_text(name, value) for value in values]
    if not found:
        raise InvalidQuery(f"the list {name} is empty: name at least one value, or leave it out")
    return iter(found)


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InvalidQuery(f"{name} holds half a character (\\ud800 to \\udfff alone): send whole ones")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    raise InvalidQuery(f"{name} must be a text, a number or a list of them: leave it out where nothing is wanted")
