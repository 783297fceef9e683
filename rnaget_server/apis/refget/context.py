"""The context of a refget handler: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.datasets.repository import LocatedSequence, Repository, View
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import UnknownId, shown
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query import Parameters
from rnaget_server.settings import Settings


@dataclass(frozen=True)
class RefgetApi:
    """refget as one running server offers it.

    Attributes
    ----------
    repository
        The data.
    budget
        The memory of replies.
    settings
        Those of the server.
    """

    repository: Repository
    budget: ReplyBudget
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
        refget as this server offers it.
    principal
        The one who asks.
    """

    request: Request
    received: ReceivedParameters
    api: RefgetApi
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

    def respond(self, payload: Any, title: str) -> Response:
        """Return JSON."""
        return json_response(self.request, payload, title)


def normalised(id: str) -> str:
    """Return an id as stores hold it: digests without their namespace, hexadecimal ones in lower case."""
    namespace, colon, rest = id.partition(":")
    if colon and namespace.lower() in _NAMESPACES:
        id = rest
    if len(id) in _HEX_LENGTHS and not set(id.lower()) - _HEX:
        return id.lower()
    return id


_NAMESPACES = ("md5", "sha1", "trunc512", "ga4gh")
_HEX = frozenset("0123456789abcdef")
_HEX_LENGTHS = (32, 40, 48)
