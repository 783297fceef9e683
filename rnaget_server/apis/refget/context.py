"""The context of a refget handler: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.apis.refget.upstream import Upstream
from rnaget_server.datasets.repository import LocatedSequence
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import UnknownId, shown
from rnaget_server.sequences.digests import NAMESPACES, PREFIX, is_digest
from rnaget_server.sequences.fetched import FetchedSequence


class Context(RequestContext["RefgetApi"]):
    """One request of refget."""

    def sequence(self, id: str) -> LocatedSequence | FetchedSequence:
        """Return the sequence of an id.

        Raises
        ------
        UnknownId
            If there is none.
        """
        found = self.view.find_sequence(normalised(id)) or self._fetched(normalised(id))
        if found is None:
            raise UnknownId(f"there is no sequence {shown(id)}: ask by MD5, TRUNC512, SHA-1, GA4GH digest or alias")
        return found

    def _fetched(self, id: str) -> FetchedSequence | None:
        upstream = self.api.upstream
        return upstream.sequences.find(id) if upstream is not None else None


@dataclass(frozen=True)
class RefgetApi(DataApi):
    """refget as one running server offers it.

    Attributes
    ----------
    budget
        The memory of replies.
    upstream
        The registry that is asked for what is not here; None if there is none.
    """

    context_class = Context
    budget: ReplyBudget
    upstream: Upstream | None = None


def normalised(id: str) -> str:
    """Return an id as stores hold it: digests without their namespace, hexadecimal ones in lower case."""
    namespace, _, rest = id.rpartition(":")
    if is_digest(rest) and (not namespace or NAMESPACES.get(namespace.lower()) == len(rest)):
        return rest if rest.startswith(PREFIX) else rest.lower()
    return id
