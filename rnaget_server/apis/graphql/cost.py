"""The cost of a query while it runs: it ends at too many values, or when its client has disconnected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphql import GraphQLError

from rnaget_server.model.cancellation import Cancellation, Cancelled

_MOST_VALUES = 200_000


class Stopped(BaseException):
    """The whole query has ended; no `Exception`, which would end one field of it and go on with the next.

    Parameters
    ----------
    reason
        Of the end.
    """

    def __init__(self, reason: GraphQLError | Cancelled) -> None:
        super().__init__(reason)
        self.reason = reason


class Cost:
    """The values of one query up to now: fields that were answered, items of their lists, and what was read for them.

    Parameters
    ----------
    cancellation
        Is checked at each value.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._left = _MOST_VALUES

    def spend(self, count: int) -> None:
        """Count values.

        Raises
        ------
        Stopped
            If the query has too many, or the client has disconnected.
        """
        try:
            self._cancellation.check()
        except Cancelled as cancelled:
            raise Stopped(cancelled) from None
        self._left -= count
        if self._left < 0:
            self.refuse(f"the query comes to more than {_MOST_VALUES:,} values: ask in several steps")

    def refuse(self, message: str) -> NoReturn:
        """Stop the query.

        Raises
        ------
        Stopped
            Always.
        """
        raise Stopped(GraphQLError(message, extensions={"code": "QUERY_TOO_COSTLY"}))

    def resolve(self, resolver: Callable[..., Any], source: Any, info: Any, **arguments: Any) -> Any:
        """Return the value of any field, also of those about the schema, and count it."""
        self.spend(1)
        value = resolver(source, info, **arguments)
        if isinstance(value, list):
            self.spend(len(value))
        return value
