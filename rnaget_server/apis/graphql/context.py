"""The context of a GraphQL handler: its request, and the genomes of the server."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.errors import GroupSwitchedOff
from rnaget_server.settings import shipped

if TYPE_CHECKING:
    from rnaget_server.apis.graphql.engine import Engine


class Context(RequestContext["GraphqlApi"]):
    """One request of GraphQL."""


class GraphqlApi(DataApi):
    """GraphQL as one running server offers it."""

    context_class = Context

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
