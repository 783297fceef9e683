"""Conditional requests (RFC 9110, 13): whether a reply is still what a client has, or expects."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from starlette.requests import Request

from rnaget_server.errors import PreconditionFailed
from rnaget_server.http.request import list_header

_TAG = re.compile(r'(W/)?("[^"]*")')
_SECOND = 1_000_000_000
CONDITIONAL = frozenset({"if-match", "if-none-match", "if-unmodified-since", "range"})
"""The headers of a request on which it depends whether a reply is sent, and which part of it."""


def check_preconditions(request: Request, tag: str | None, changed: int | None = None) -> None:
    """Refuse a reply that is not the one that the client expects, by ``If-Match`` or ``If-Unmodified-Since``.

    Parameters
    ----------
    request
        By GET or HEAD; others are not looked at.
    tag
        The strong entity tag of the reply, if it has one.
    changed
        When it was last changed, in nanoseconds since 1970, if that is known.

    Raises
    ------
    PreconditionFailed
        Saying what to do.
    """
    if request.method not in ("GET", "HEAD"):
        return
    expected = list_header(request, "if-match")
    if expected is not None:
        # A weak tag never matches, since the bytes may differ.
        if expected.strip() != "*" and (tag is None or ("", tag) not in _TAG.findall(expected)):
            raise PreconditionFailed("the data are not those of the entity tag in If-Match any more: ask without it")
        return
    since = _date(request, "if-unmodified-since")
    if since is not None and changed is not None and changed // _SECOND > since.timestamp():
        raise PreconditionFailed("the data have changed since the date in If-Unmodified-Since: ask without it")


def is_not_modified(request: Request, tag: str | None) -> bool:
    """Return whether the client has the bytes of that entity tag already, by its ``If-None-Match``."""
    asked = list_header(request, "if-none-match")
    if tag is None or asked is None or request.method not in ("GET", "HEAD"):
        return False
    return asked.strip() == "*" or any(text == tag for _, text in _TAG.findall(asked))


def _date(request: Request, name: str) -> datetime | None:
    """Return the date in a header, None if there is none or it is malformed; then it is to be ignored."""
    given = request.headers.getlist(name)
    if len(given) != 1:
        return None
    try:
        date = parsedate_to_datetime(given[0])
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
