"""The parameters of a request: those in its URL, and those that are sent as a JSON object by POST."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import InvalidQuery, ResultTooLarge
from rnaget_server.http.request import SCOPE_KEY
from rnaget_server.http.workload import LARGE_BYTES, MOST_VALUES, Share
from rnaget_server.query.json_object import NestedValue, RepeatedName, TooManyValues, read_object
from rnaget_server.query.parameters import shown
from rnaget_server.query.strings import Pair, query_pairs
from rnaget_server.service import Services

_SCOPE_KEY = "rnaget_server.parameters"
# What a large request takes while it is read and looked up, for each of its bytes: two dozen for ids, more for shorter
# values, of which there are not so many.
_TIMES = 24
_EXAMPLE = '{"featureIDList": ["ENSG00000177757"], "format": "tsv"}'
# By these the cells of very many features are read before a reply begins.
_READING_MUCH = frozenset({"top", "group_by", "feature_min_value", "feature_max_value", "bins"})


class ParametersSent:
    """What a request says of its parameters, as it came; it is read when a handler asks for it.

    Parameters
    ----------
    query
        What stands behind the question mark of the URL.
    body
        What was posted.
    share
        The memory that they take.
    """

    def __init__(self, query: bytes, body: bytes = b"", share: Share | None = None) -> None:
        self._query = query
        self._body = body
        self._share = share
        self.size = len(query) + len(body)

    @property
    def large(self) -> bool:
        """Whether to read it takes so long that others shall not wait."""
        return self.size > LARGE_BYTES

    @property
    def reads_much(self) -> bool:
        """Whether very many cells are read before the reply begins."""
        return any(name in _READING_MUCH for name, _ in self.pairs)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Names and values: those of the URL, then those that were posted.

        Raises
        ------
        InvalidQuery
            If the body is no JSON object of texts, numbers and lists of them.
        ResultTooLarge
            If there are too many values.
        """
        if self._query.count(b"&") > MOST_VALUES:
            raise _too_many()
        found = query_pairs(self._query.decode("latin-1"))
        if self._body.strip():
            found += _pairs(_parsed(self._body))
        if len(found) + sum(value.count(",") for _, value in found) > MOST_VALUES:
            raise _too_many()
        return found

    def forget(self) -> None:
        """Give back the memory, once all was looked up."""
        self._query = self._body = b""
        self.__dict__.pop("pairs", None)
        if self._share is not None:
            self._share.free()


class PostedParameters:
    """ASGI layer that takes the body of a POST before the handler runs; it stands behind the routing.

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
        ResultTooLarge
            If the body is too long.
        Busy
            If there is no memory for a large request at the moment.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services: Services = scope[SCOPE_KEY]
        share = services.workload.share()
        try:
            body: bytes | None = b""
            if scope["method"] == "POST":
                body = await _body(scope, receive, services.settings.max_body_bytes, share)
            if body is None:
                return
            sent = ParametersSent(scope["query_string"], body, share)
            del body
            if sent.large:
                await share.grow(_TIMES * sent.size)
            await self._app({**scope, _SCOPE_KEY: sent}, receive, send)
        finally:
            share.free()


def parameters_sent(scope: Scope) -> ParametersSent:
    """Return the parameters of a request as they came."""
    sent: ParametersSent | None = scope.get(_SCOPE_KEY)
    return sent or ParametersSent(scope["query_string"])


def pairs_of(request: Request) -> list[Pair]:
    """Return names and values of the parameters; see `ParametersSent.pairs`."""
    return parameters_sent(request.scope).pairs


async def _body(scope: Scope, receive: Receive, most: int, share: Share) -> bytes | None:
    """Return the body, None if the client goes before all has come. What is refused is left unread."""
    length = Headers(scope=scope).get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > most):
        raise _too_long(most)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_long(most)
        if len(body) > LARGE_BYTES:
            await share.grow(len(body))
        if not message.get("more_body", False):
            return bytes(body)


def _too_long(most: int) -> ResultTooLarge:
    return ResultTooLarge(f"the body is longer than {most:,} bytes: ask for fewer ids at once")


def _too_many() -> ResultTooLarge:
    return ResultTooLarge(f"the request has more than {MOST_VALUES:,} values: ask for fewer ids at once")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        if text.lstrip(" \t\n\r")[:1] != "{":
            _check_other(text)
        return read_object(text, MOST_VALUES)
    except NestedValue as error:
        raise InvalidQuery(_nested(*error.names)) from None
    except RepeatedName:
        raise InvalidQuery("a name stands twice in the body: give a list instead") from None
    except TooManyValues:
        raise _too_many() from None
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidQuery(f"the body is not JSON{place}: send an object such as {_EXAMPLE}") from None


def _check_other(text: str) -> None:
    """Refuse what is no object: as something else, or as no JSON at all if it is short enough to tell."""
    if len(text) <= LARGE_BYTES:
        try:
            json.loads(text)
        except RecursionError:
            raise ValueError from None
    raise InvalidQuery(f"the body must be a JSON object, such as {_EXAMPLE}")


def _nested(name: str, inner: str | None = None) -> str:
    if inner is None:
        return _wrong_kind(name)
    return f"{shown(name)} must give {shown(inner)} a number: what is nested deeper is not JSON of parameters"


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
    raise InvalidQuery(_wrong_kind(name))


def _wrong_kind(name: str) -> str:
    return f"{name} must be a text, a number or a list of them: leave it out where nothing is wanted"
