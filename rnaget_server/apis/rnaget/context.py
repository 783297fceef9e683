"""The context of a RNAget handler: its request, and the parts of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget.dialect import id_headers
from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.download import Delivery
from rnaget_server.delivery.formats import Formats
from rnaget_server.delivery.tickets import TicketSigner
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY, ROOT_KEY
from rnaget_server.http.ttl_cache import TTLCache
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query import Parameters
from rnaget_server.settings import Settings


@dataclass(frozen=True)
class RnagetApi:
    """RNAget as one running server offers it.

    Attributes
    ----------
    repository
        The data.
    formats
        The output formats.
    delivery
        What sends slices.
    signer
        What signs the URLs of tickets.
    summaries
        What was found out of all data files together.
    settings
        Those of the server.
    """

    repository: Repository
    formats: Formats
    delivery: Delivery
    signer: TicketSigner
    summaries: TTLCache
    settings: Settings

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> Context:
        """Return what the handler of a request gets."""
        principal: Principal = request.scope.get(PRINCIPAL_KEY, ANYONE)
        return Context(request, received, cancellation, self, principal)


@dataclass(frozen=True)
class Context:
    """One request, and what it is answered from.

    Attributes
    ----------
    request, received, cancellation
        What came by HTTP, the parameters, and the flag that says if the client has gone.
    api
        RNAget as this server offers it.
    principal
        The one who asks.
    """

    request: Request
    received: ReceivedParameters
    cancellation: Cancellation
    api: RnagetApi
    principal: Principal

    @cached_property
    def view(self) -> View:
        """The data that the one who asks may see: the same for all of one answer."""
        return self.api.repository.visible_to(self.principal)

    @property
    def root(self) -> str:
        """The address that the client sees, without a slash at the end."""
        url = self.request.url
        return self.api.settings.public_url or f"{url.scheme}://{url.netloc}{self.request.scope[ROOT_KEY]}"

    def parameters(self, *known: str) -> Parameters:
        """Return the parameters of a route that takes these and no others.

        Raises
        ------
        InvalidQuery
            If there is another.
        """
        return Parameters(self.received.pairs, known)

    def respond(self, payload: Any, title: str, missing: Iterable[str] = (), omitted: Iterable[str] = ()) -> Response:
        """Return JSON, with headers for what was not found and what was left out."""
        response = json_response(self.request, payload, title)
        response.headers.update(id_headers(missing, omitted))
        return response

    async def remembered(self, key: str, make: Callable[[View], Any]) -> Any:
        """Return what `make` finds out of the catalogue and its files, or what it found a short while ago."""
        view = self.view
        return await self.api.summaries.get((key, view.rights), view.catalog, lambda: make(view))
