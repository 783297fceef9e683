"""Signed URLs: they say until when they hold, and cannot be changed. Nothing about them is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Sequence

from anyio.to_thread import run_sync
from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import Forbidden, InvalidQuery, RnagetError
from rnaget_server.http.replies import error_reply
from rnaget_server.http.request import SCOPE_KEY
from rnaget_server.http.workload import LARGE_BYTES, MOST_VALUES
from rnaget_server.query.strings import query_pairs, query_string

_EXPIRES = "_expires"
_SIGNATURE = "_signature"
# Routes whose replies hold cells or signal; the draft of the next version sends them for the id alone.
_DATA_ROUTE = re.compile(
    r".*/(?:expressions|continuous)(?:/[^/]+)?/bytes"
    r"|.*/expressions/(?!(?:bytes|ticket|formats|filters|units|info)$)[^/]+"
)
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)

Pairs = Sequence[tuple[str, str]]


def signed(path: str, parameters: Pairs, keys: Sequence[SecretStr], seconds: int) -> list[tuple[str, str]]:
    """Return the parameters with those added that make the URL of `path` hold for so many seconds.

    Without keys, they are returned as they are.
    """
    if not keys:
        return list(parameters)
    limited = [*parameters, (_EXPIRES, str(int(time.time()) + seconds))]
    return [*limited, (_SIGNATURE, _signature(keys[0], path, limited))]


def check_signed(path: str, query: str, keys: Sequence[SecretStr], required: bool = False) -> None:
    """Refuse a signed URL that was changed or has expired; one that is not signed passes unless it is `required`.

    Raises
    ------
    Forbidden
        Saying which of the two it is.
    """
    pairs = query_pairs(query)
    signatures = [value for name, value in pairs if name == _SIGNATURE]
    limits = [value for name, value in pairs if name == _EXPIRES]
    if not signatures and not limits and not required:
        return
    rest = [pair for pair in pairs if pair[0] != _SIGNATURE]
    if len(signatures) != 1 or len(limits) != 1 or not _TIME.fullmatch(limits[0]):
        raise _changed()
    # All keys are tried whichever matches, so that the time taken tells nothing.
    matches = [hmac.compare_digest(_signature(key, path, rest).encode(), signatures[0].encode()) for key in keys]
    if not any(matches):
        raise _changed()
    if time.time() >= int(limits[0]):
        raise Forbidden("this ticket has expired: ask for a new one by the ticket route")


def guarded(application: ASGIApp, keys: Sequence[SecretStr], required: bool) -> ASGIApp:
    """Return `application` with signed URLs of data routes checked before anything else.

    Parameters
    ----------
    application
        The API.
    keys
        The secrets that are believed.
    required
        Whether data are sent for signed URLs alone.
    """

    async def checking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "OPTIONS" and _DATA_ROUTE.fullmatch(scope["path"]):
            try:
                query = scope["query_string"].decode("latin-1")
                asked = (scope["method"], scope["path"], query, keys, required)
                if query.count("&") > MOST_VALUES:
                    raise Forbidden("no ticket has so many parameters: use its URL as it was given")
                if len(query) > LARGE_BYTES:
                    await run_sync(_check_request, *asked, limiter=scope[SCOPE_KEY].workload.costly)
                else:
                    _check_request(*asked)
            except RnagetError as refusal:
                await error_reply(Request(scope), refusal)(scope, receive, send)
                return
        await application(scope, receive, send)

    return checking if keys else application


def _check_request(method: str, path: str, query: str, keys: Sequence[SecretStr], required: bool) -> None:
    is_signed = any(name in (_SIGNATURE, _EXPIRES) for name, _ in query_pairs(query))
    if is_signed and method == "POST":
        raise InvalidQuery(
            f"a signed URL is asked for by GET, since its signature covers no body: send the URL of the ticket as it "
            f"is, or leave {_EXPIRES} and {_SIGNATURE} out"
        )
    if required and not is_signed:
        raise Forbidden("this server sends data for the URL of a ticket only: ask for one by the ticket route")
    if is_signed:
        check_signed(path, query, keys, required)


def _signature(key: SecretStr, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    # Decoded and in order, since clients encode and sort parameters in their own way.
    text = f"{path}\n{query_string(sorted(pairs))}"
    return hmac.new(key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()


def _changed() -> Forbidden:
    return Forbidden("this ticket was changed: use its URL as it was given, or ask for a new one by the ticket route")
