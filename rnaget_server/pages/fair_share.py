"""The fair share of a client: the cells that pages read for it count as those that the APIs send."""

from __future__ import annotations

from flask import request

from rnaget_server.http.request import CELLS_KEY


def count_cells(cells: int) -> None:
    """Count cells that are to be read for the client of the request.

    Raises
    ------
    TooManyRequests, ResultTooLarge
        If the client has asked for too many.
    """
    count = request.environ.get("asgi.scope", {}).get(CELLS_KEY)
    if count is not None:
        count(cells)
