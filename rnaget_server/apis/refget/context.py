"""The context of a refget handler: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from rnaget_server.apis.refget.direct import RecentSequences
from rnaget_server.datasets.repository import LocatedSequence
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import UnknownId, shown
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.sequences.digests import NAMESPACES, PREFIX, is_digest


@dataclass(frozen=True)
class RefgetApi(DataApi):
    """refget as one running server offers it.

    Attributes
    ----------
    budget
        The memory of replies.
    recent
        What was found a moment ago.
    """

    budget: ReplyBudget
    recent: RecentSequences = field(default_factory=RecentSequences)

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> Context:
        """Return what the handler of a request gets."""
        return Context.of(self, request, received, cancellation)


class Context(RequestContext[RefgetApi]):
    """One request of refget."""

    def sequence(self, id: str) -> LocatedSequence:
        """Return the sequence of an id.

        Raises
        ------
        UnknownId
            If there is none.
        """
        found = self.view.find_sequence(normalised(id))
        if found is None:
            raise UnknownId(f"there is no sequence {shown(id)}: ask by MD5, TRUNC512, SHA-1, GA4GH digest or alias")
        return found


def normalised(id: str) -> str:
    """Return an id as stores hold it: digests without their namespace, hexadecimal ones in lower case."""
    namespace, _, rest = id.rpartition(":")
    if is_digest(rest) and (not namespace or NAMESPACES.get(namespace.lower()) == len(rest)):
        return rest if rest.startswith(PREFIX) else rest.lower()
    return id
