"""The context of a handler of sequence collections: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.errors import StoreFailure, UnknownId, shown
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query import Parameters
from rnaget_server.sequences.store import Collection
from rnaget_server.settings import Settings


@dataclass(frozen=True)
class SeqcolApi:
    """Sequence collections as one running server offers them.

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
        Sequence collections as this server offers them.
    principal
        The one who asks.
    """

    request: Request
    received: ReceivedParameters
    api: SeqcolApi
    principal: Principal

    @cached_property
    def view(self) -> View:
        """The data that the one who asks may see."""
        return self.api.repository.visible_to(self.principal)

    @property
    def root(self) -> str:
        """The address that the client sees, without a slash at the end."""
        return self.api.settings.public_url or f"{self.request.url.scheme}://{self.request.url.netloc}"

    def parameters(self, *known: str) -> Parameters:
        """Return the parameters of a route that takes these and no others.

        Raises
        ------
        InvalidQuery
            If there is another.
        """
        return Parameters(self.received.pairs, known)

    @cached_property
    def collections(self) -> dict[str, Collection]:
        """The collection of each genome that can be read, by digest, in the order of the catalogue."""
        found: dict[str, Collection] = {}
        for genome in self.view.catalog.genomes.values():
            try:
                collection = self.view.stores.open_genome(genome).collection()
            except StoreFailure:
                continue
            found.setdefault(collection.digest, collection)
        return found

    def collection(self, digest: str) -> Collection:
        """Return the collection of a digest.

        Raises
        ------
        UnknownId
            If there is none.
        """
        found = self.collections.get(digest)
        if found is None:
            raise UnknownId(f"there is no collection {shown(digest)}: /seqcol/list/collection lists all")
        return found

    def respond(self, payload: Any, title: str) -> Response:
        """Return JSON."""
        return json_response(self.request, payload, title)
