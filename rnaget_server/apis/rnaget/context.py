"""The context of a RNAget handler: its request, and the parts of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.rnaget.dialect import id_headers
from rnaget_server.datasets.repository import View
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.download import Delivery
from rnaget_server.delivery.formats import Formats
from rnaget_server.delivery.tickets import TicketSigner
from rnaget_server.http.ttl_cache import TTLCache


class Context(RequestContext["RnagetApi"]):
    """One request of RNAget."""

    def respond(
        self, payload: Any, title: str, missing: Iterable[str] = (), omitted: Iterable[str] = (), *, status: int = 200
    ) -> Response:
        """Return JSON, with headers for what was not found and what was left out."""
        response = super().respond(payload, title, status=status)
        response.headers.update(id_headers(missing, omitted))
        return response

    async def remembered(self, key: str, make: Callable[[View], Any]) -> Any:
        """Return what `make` finds out of the catalogue and its files, or what it found a short while ago."""
        view = self.view
        return await self.api.summaries.get((key, view.rights), view.catalog, lambda: make(view))


@dataclass(frozen=True)
class RnagetApi(DataApi):
    """RNAget as one running server offers it.

    Attributes
    ----------
    formats
        The output formats.
    delivery
        What sends slices.
    signer
        What signs the URLs of tickets.
    summaries
        What was found out of all data files together.
    """

    context_class = Context
    formats: Formats
    delivery: Delivery
    signer: TicketSigner
    summaries: TTLCache
