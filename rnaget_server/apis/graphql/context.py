"""The context of a GraphQL handler: its request, and the genomes of the server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.errors import GroupSwitchedOff
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query import Parameters
from rnaget_server.settings import shipped

if TYPE_CHECKING:
    from rnaget_server.apis.graphql.engine import Engine


class GraphqlApi:
    """GraphQL as one running server offers it.

    Parameters
    ----------
    repository
        The data.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    @cached_property
    def engine(self) -> Engine:
        """The schema, made when it is first asked for.

        Raises
        ------
        GroupSwitchedOff
            If its package is not installed.
        """
        try:
            from rnaget_server.apis.graphql.engine import Engine
        except ImportError:
            raise GroupSwitchedOff(
                "GraphQL is not installed on this server: pip install 'rnaget-server[graphql]'"
            ) from None
        return Engine((shipped("openapi") / "genes.graphql").read_text(encoding="utf-8"))

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
        GraphQL as this server offers it.
    principal
        The one who asks.
    """

    request: Request
    received: ReceivedParameters
    api: GraphqlApi
    principal: Principal

    @cached_property
    def view(self) -> View:
        """The data that the one who asks may see."""
        return self.api.repository.visible_to(self.principal)

    def parameters(self, *known: str) -> Parameters:
        """Return the parameters of a route that takes these and no others.

        Raises
        ------
        InvalidQuery
            If there is another.
        """
        return Parameters(self.received.pairs, known)

    def respond(self, payload: Any, status: int = 200) -> Response:
        """Return JSON."""
        response = json_response(self.request, payload, "GraphQL")
        response.status_code = status
        return response
