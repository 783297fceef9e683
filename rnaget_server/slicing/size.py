"""The limit of what one reply holds, and what to ask for instead."""

from __future__ import annotations

from rnaget_server.errors import ResultTooLarge
from rnaget_server.writers.base import Slice


def check_size(made: Slice, limit: int, columns: str) -> None:
    """Refuse a slice of more than `limit` cells; 0 is no limit. `columns` says what its columns are.

    Raises
    ------
    ResultTooLarge
        With a smaller query that works.
    """
    features, others = made.shape
    if not limit or features * others <= limit:
        return
    raise ResultTooLarge(
        f"{features:,} features × {others:,} {columns} are more than the {limit:,} cells that this server "
        f"gives in one reply: {smaller(made, columns, limit)}"
    )


def smaller(made: Slice, columns: str, limit: int) -> str:
    """Return how to ask for at most `limit` cells of a slice whose columns are `columns`."""
    features, others = made.shape
    if columns != "samples" and limit < others:
        return f"select samples of at most {limit:,} {columns}"
    if columns == "samples" and limit >= features:
        some = made.samples.column(made.samples.id)[: min(3, limit // features)]
        return f"ask for at most {limit // features:,} samples at once, such as sampleIDList={','.join(some)}"
    some = made.features.column(made.features.id)[: max(1, min(3, limit // others))]
    if limit >= others:
        return f"ask for at most {limit // others:,} features at once, such as featureIDList={','.join(some)}"
    column = made.samples.column(made.samples.id)[0]
    return f"ask for fewer of both, such as featureIDList={some[0]}&sampleIDList={column}"
