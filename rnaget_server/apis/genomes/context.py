"""The context of a handler of genomes: its request, and the genomes of the server."""

from __future__ import annotations

from rnaget_server.catalog import Genome
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.errors import UnknownId, unknown_name


class Context(RequestContext["GenomesApi"]):
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


class GenomesApi(DataApi):
    """Genomes as one running server offers them."""

    context_class = Context
