"""The wire details of GraphQL: JSON, whose errors are a list."""

from __future__ import annotations

from typing import Any

from rnaget_server.http.dialect import JsonDialect


class GraphqlDialect(JsonDialect):
    """GraphQL over HTTP."""

    media_types = ("application/json", "application/graphql-response+json")

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error."""
        return {"errors": [{"message": message}]}
