"""A plus sign in a query string, which stands for a space there: ``strand=+`` asks for a blank."""

from __future__ import annotations

from collections.abc import Iterable

from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.model.lists import plain
from rnaget_server.query.strings import query_pairs

_HINT = "in a URL + stands for a space: write %2B for a plus sign"
_LONGEST = 1 << 16


def refuse_blanks(query: bytes, pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse a blank value, or a blank part of a list, in parameters whose query string has a plus sign.

    It would count as no value, and what else was asked for would be sent as the whole.

    Raises
    ------
    InvalidQuery
        Saying how a plus sign is written.
    """
    if b"+" not in query:
        return
    for name, value in pairs:
        if name[:1] != "_" and " " in value and any(part.isspace() for part in plain(value).split(",")):
            raise InvalidQuery(f"{shown(name)[1:-1]} has a blank value; {_HINT}")


def with_hint(query: bytes, message: str) -> str:
    """Return the message of an error, with a hint if it names a value that had a plus sign in the query string."""
    if b"+" not in query or len(query) > _LONGEST or _HINT in message:
        return message
    for part in query.split(b"&"):
        if b"+" not in part:
            continue
        for name, value in query_pairs(part.decode("latin-1")):
            values = [value, *(piece.strip() for piece in plain(value).split(","))]
            if name in message and any(" " in one and shown(one) in message for one in values):
                # Where a space is meant, what was meant has been found out without a plus sign.
                known = message.partition("did you mean")[2]
                return message if known and "+" not in known else f"{message}; {_HINT}"
    return message
