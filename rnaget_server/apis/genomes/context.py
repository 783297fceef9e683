"""The context of a handler of genomes: its request, and the genomes of the server."""

from __future__ import annotations

from starlette.requests import Request

from rnaget_server.catalog import Genome
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.errors import UnknownId, unknown_name
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.model.cancellation import Cancellation


class GenomesApi(DataApi):
    """Genomes as one running server offers them."""

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> Context:
        """Return what the handler of a request gets."""
        return Context.of(self, request, received, cancellation)


class Context(RequestContext[GenomesApi]):
    """One request for genomes."""

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
