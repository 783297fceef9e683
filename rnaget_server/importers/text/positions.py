"""Columns that hold positions of features, or samples that are called by such a word."""

from __future__ import annotations

from collections.abc import Sequence

from rnaget_server.importers.text.columns import describes_among, is_position, plain

_FAR = 1000  # a position of a gene
_MOST_DIGITS = 18


def doubtful_positions(headers: Sequence[str], columns: Sequence[Sequence[bytes]]) -> list[str]:
    """Return headers, a start and an end or another one, whose cells can be positions as well as values of a sample.

    Parameters
    ----------
    headers
        Of all columns; that of the ids is the first.
    columns
        The cells of each.
    """
    found = [
        column
        for column, header in enumerate(headers)
        if column and is_position(header) and not describes_among(header, headers)
    ]
    names = [plain(headers[column]) for column in found]
    pair = names[:2] == ["start", "end"] and found[0] + 1 == found[1]
    for group in [found[:2], *([column] for column in found[2:])] if pair else [[column] for column in found]:
        rows = list(zip(*(columns[column] for column in group), strict=False))
        if rows and all(_are_positions(row) for row in rows):
            return [headers[column] for column in group]
    return []


def _are_positions(cells: Sequence[bytes]) -> bool:
    """Return whether these can be a start and an end, or are further on than most counts are."""
    if not all(cell.isdigit() and len(cell) <= _MOST_DIGITS for cell in cells):
        return False
    places = [int(cell) for cell in cells]
    return places == sorted(places) and (len(places) > 1 or places[0] >= _FAR)
