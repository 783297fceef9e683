"""The context of a refget handler: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from rnaget_server.datasets.repository import LocatedSequence
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import UnknownId, shown
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.model.cancellation import Cancellation

_NAMESPACES = ("md5", "sha1", "trunc512", "ga4gh")
_HEX = frozenset("0123456789abcdef")
_HEX_LENGTHS = (32, 40, 48)


@dataclass(frozen=True)
class RefgetApi(DataApi):
    """refget as one running server offers it.

    Attributes
    ----------
    budget
        The memory of replies.
    """

    budget: ReplyBudget

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
    namespace, colon, rest = id.partition(":")
    if colon and namespace.lower() in _NAMESPACES:
        id = rest
    if len(id) in _HEX_LENGTHS and not set(id.lower()) - _HEX:
        return id.lower()
    return id
