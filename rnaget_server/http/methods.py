"""The methods that each address of a standard takes, for 405, OPTIONS and the header Allow (RFC 9110, 10.2.1)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import MethodNotAllowed
from rnaget_server.http.replies import error_response
from rnaget_server.http.request import ROUTE_PATH_KEY

_PARAMETER = re.compile(r"\{[^}]*\}")


class Methods:
    """The methods of the routes of one OpenAPI document.

    Parameters
    ----------
    paths
        What the document has under ``paths``.
    prefix
        The start of all of them.
    others
        Further addresses that take GET.
    with_slashes
        The parameters of paths whose values may have slashes.
    """

    def __init__(
        self,
        paths: Mapping[str, Mapping[str, Any]],
        prefix: str,
        others: Sequence[str] = (),
        with_slashes: Collection[str] = (),
    ) -> None:
        self._fixed = {f"{prefix}{path}": _methods(("get",)) for path in others}
        self._patterns: list[tuple[re.Pattern[str], tuple[str, ...]]] = []
        for path, operations in paths.items():
            if "{" in path:
                parts = _PARAMETER.split(prefix + path)
                names = [name[1:-1] for name in _PARAMETER.findall(path)]
                values = [".+" if name in with_slashes else "[^/]+" for name in names]
                pattern = "".join(map("".join, zip(map(re.escape, parts), [*values, ""], strict=True)))
                self._patterns.append((re.compile(pattern), _methods(operations)))
            else:
                self._fixed[prefix + path] = _methods(operations)

    def of(self, path: str) -> tuple[str, ...]:
        """Return the methods that an address takes; none, if there is no such address."""
        if path in self._fixed:
            return self._fixed[path]
        return next((methods for pattern, methods in self._patterns if pattern.fullmatch(path)), ())


def _methods(operations: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    has = {method for method in ("GET", "POST") if method.lower() in operations}
    return tuple(sorted({*has, "OPTIONS", *(("HEAD",) if "GET" in has else ())}))


def with_methods(methods: Methods, api: ASGIApp) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return `api` with OPTIONS answered, and other methods than those of an address refused."""

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            method, allowed = scope["method"], methods.of(scope[ROUTE_PATH_KEY])
            if allowed and method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": ", ".join(allowed)})(scope, receive, send)
            if allowed and method not in allowed:
                refusal = MethodNotAllowed(f"this address takes {', '.join(allowed)} only: /docs lists all", allowed)
                return error_response(Request(scope), refusal)(scope, receive, send)
        return api(scope, receive, send)

    return application
