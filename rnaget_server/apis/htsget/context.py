"""The context of a htsget handler: its request, and the alignments or variants of the server."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.apis.htsget.recent import RecentPlans
from rnaget_server.catalog import ReadSet
from rnaget_server.catalog.models import INDEX_SUFFIXES, ReadsKind
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.delivery.tickets import TicketSigner
from rnaget_server.errors import UnknownId, shown


class Context(RequestContext["HtsgetApi"]):
    """One request of htsget."""

    def read_set(self, id: str) -> ReadSet:
        """Return the alignments or variants of an id.

        Raises
        ------
        UnknownId
            If there are none.
        """
        found = self.view.catalog.read_sets.get((self.api.kind, id))
        if found is not None:
            return found
        if id.endswith(INDEX_SUFFIXES):
            raise UnknownId("no index is offered: name a region by referenceName, start and end instead")
        raise UnknownId(f"there are no {self.api.kind} of the id {shown(id)}: the page / lists those that are here")


@dataclass(frozen=True)
class HtsgetApi(DataApi):
    """One of the two parts of htsget as a running server offers it.

    Attributes
    ----------
    kind
        Alignments or variants.
    signer
        What signs the URLs of blocks.
    budget
        The memory of replies.
    recent
        What the URLs of the last tickets were for.
    """

    context_class = Context
    kind: ReadsKind
    signer: TicketSigner
    budget: ReplyBudget
    recent: RecentPlans
