"""The context of a handler of sequence collections: its request, and the genomes of the server."""

from __future__ import annotations

from functools import cached_property

from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.errors import StoreFailure, UnknownId, shown
from rnaget_server.model.observation import note_reading
from rnaget_server.sequences.store import Collection


class Context(RequestContext["SeqcolApi"]):
    """One request of sequence collections."""

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

    def genomes_of(self, digest: str) -> list[str]:
        """Return the ids of the genomes that are of a collection."""
        genomes = self.view.catalog.genomes
        return [id for id in genomes if self.view.collection_of(id) == digest]

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
        self.note(found)
        return found

    def note(self, collection: Collection) -> None:
        """Note that values of a collection are sent: as those of the first genome that has it."""
        for id in self.genomes_of(collection.digest)[:1]:
            note_reading("genomes", id)


class SeqcolApi(DataApi):
    """Sequence collections as one running server offers them."""

    context_class = Context
