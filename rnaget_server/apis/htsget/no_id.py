"""The answer to requests that name no id."""

from __future__ import annotations

from starlette.types import Scope

from rnaget_server.apis.htsget import BASE_PATHS
from rnaget_server.errors import UnknownId
from rnaget_server.http.mount import Check
from rnaget_server.http.request import ROUTE_PATH_KEY


class IdCheck:
    """Refuses what names no id, in the words of the standard; all else is left to another check."""

    marker = b""
    """In all requests."""

    def __init__(self, other: Check) -> None:
        self._other = other

    def guards(self, scope: Scope) -> bool:
        """Return whether a request names no id, or the other check is for it."""
        return _has_no_id(scope) or self._other.guards(scope)

    async def check(self, scope: Scope) -> None:
        """Refuse a request.

        Raises
        ------
        UnknownId
            If it names no id.
        Forbidden, InvalidQuery
            For the other check.
        """
        if _has_no_id(scope):
            path = scope[ROUTE_PATH_KEY]
            raise UnknownId(
                f"name what is wanted: {path}/ID; the page {path} lists the ids, and {path}/service-info the rest"
            )
        await self._other.check(scope)


def _has_no_id(scope: Scope) -> bool:
    return scope[ROUTE_PATH_KEY] in BASE_PATHS
