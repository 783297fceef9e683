"""Conditional requests for files that are sent with an entity tag, judged as those of the APIs are."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, g, request
from starlette.requests import Request

from rnaget_server.errors import PreconditionFailed
from rnaget_server.http.preconditions import check_preconditions
from rnaget_server.http.ranges import has_usable_range

_HEADERS = ("If-Match", "If-Unmodified-Since")
_SECOND = 1_000_000_000


def add_conditions(pages: Flask, refuse: Callable[[PreconditionFailed], Response]) -> None:
    """Have `pages` answer by `refuse` where a client expects another file than there is."""

    @pages.before_request
    def ignore_ranges() -> None:
        # Werkzeug answers 206 to HEAD as well, and 416 where a header means nothing or names several parts.
        headers = [(b"range", value.encode("latin-1")) for value in (request.environ.get("HTTP_RANGE"),) if value]
        asked = Request({"type": "http", "method": request.method, "headers": headers})
        if headers and not has_usable_range(asked, '""'):
            del request.environ["HTTP_RANGE"]

    @pages.before_request
    def take_conditions() -> None:
        # Werkzeug does not know the one, and takes ``*`` in the other for a tag.
        g.conditions = []
        for name in _HEADERS:
            value = request.environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)
            if value is not None:
                g.conditions.append((name.lower().encode(), value.encode("latin-1")))

    @pages.after_request
    def judge_conditions(reply: Response) -> Response:
        tag, is_weak = reply.get_etag()
        if g.get("conditions") and tag is not None and reply.status_code in (200, 206, 304):
            asked = Request({"type": "http", "method": request.method, "headers": g.conditions})
            changed = reply.last_modified
            try:
                check_preconditions(
                    asked,
                    None if is_weak else f'"{tag}"',
                    int(changed.timestamp()) * _SECOND if changed is not None else None,
                )
            except PreconditionFailed as refusal:
                reply.close()
                return refuse(refusal)
        return reply
