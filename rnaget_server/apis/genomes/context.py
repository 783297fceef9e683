"""The context of a handler of genomes: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.catalog import Genome
from rnaget_server.datasets.repository import Repository, View
from rnaget_server.errors import UnknownId, unknown_name
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query import Parameters
from rnaget_server.settings import Settings


@dataclass(frozen=True)
class GenomesApi:
    """Genomes as one running server offers them.

    Attributes
    ----------
    repository
        The data.
    settings
        Those of the server.
    """

    repository: Repository
    settings: Settings

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> Context:
        """Return what the handler of a request gets."""
        return Context(request, received, self, request.scope.get(PRINCIPAL_KEY, ANYONE))


@dataclass(frozen=True)
class Context:
    """One request, and what it is answered from.

    Attributes
    ----------
    request, received
        What came by HTTP, and its parameters.
    api
        Genomes as this server offers them.
    principal
        The one who asks.
    """

    request: Request
    received: ReceivedParameters
    api: GenomesApi
    principal: Principal

    @cached_property
    def view(self) -> View:
        """The data that the one who asks may see."""
        return self.api.repository.visible_to(self.principal)

    def address(self, *parts: str) -> str:
        """Return the address of a path of this server, as the client sees it."""
        root = self.api.settings.public_url or f"{self.request.url.scheme}://{self.request.url.netloc}"
        return "/".join((root, *(quote(part, safe="") for part in parts)))

    def parameters(self, *known: str) -> Parameters:
        """Return the parameters of a route that takes these and no others.

        Raises
        ------
        InvalidQuery
            If there is another.
        """
        return Parameters(self.received.pairs, known)

    def genome(self, id: str) -> Genome:
        """Return the genome of an id.

        Raises
        ------
        UnknownId
            If there is none.
        """
        found = self.view.catalog.genomes.get(id)
        if found is None:
            raise UnknownId(unknown_name("genome", id, self.view.catalog.genomes))
        return found

    def respond(self, payload: Any, title: str, status: int = 200) -> Response:
        """Return JSON."""
        response = json_response(self.request, payload, title)
        response.status_code = status
        return response
