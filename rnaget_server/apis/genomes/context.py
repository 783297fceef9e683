"""The context of a handler of genomes: its request, and the genomes of the server."""

from __future__ import annotations

from rnaget_server.catalog import Genome
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.model.observation import note_reading
from rnaget_server.slicing.lookup import known_record


class Context(RequestContext["GenomesApi"]):
    """One request for genomes."""

    def genome(self, id: str) -> Genome:
        """Return the genome of an id.

        Raises
        ------
        UnknownId
            If there is none.
        """
        genome = known_record("genome", id, self.view.catalog.genomes)
        note_reading("genomes", genome.id)
        return genome


class GenomesApi(DataApi):
    """Genomes as one running server offers them."""

    context_class = Context
