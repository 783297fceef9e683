"""The limits of one request and one reply: the one place that decides what is too large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnaget_server.errors import ResultTooLarge

MAX_VALUES = 1_100_000
MAX_REGIONS = 5_000
"""A request may have no more values, names of parameters included."""
MAX_HEAT_MAP = 500
"""A heat map may have no more rows, nor more columns."""

_TYPICAL_CELL_BYTES = 16

Suggest = Callable[[int], str]
"""A function that says how to ask for no more than so many cells."""


@dataclass(frozen=True)
class Limits:
    """The most that one reply may have, and the body of a request; 0 means any number.

    Attributes
    ----------
    cells
        Features × samples.
    positions
        Single bases or bins of signal tracks.
    reply_bytes
        Bytes of a reply.
    body_bytes
        Bytes of the body of a request.
    """

    cells: int = 0
    positions: int = 0
    reply_bytes: int = 0
    body_bytes: int = 0

    def check_cells(self, shape: tuple[int, int], columns: str, suggest: Suggest) -> None:
        """Refuse a slice of too many cells; `columns` says what its columns are.

        Raises
        ------
        ResultTooLarge
            With a smaller query that works.
        """
        features, others = shape
        if self.cells and features * others > self.cells:
            raise ResultTooLarge(
                f"{features:,} features × {others:,} {columns} are more than the {self.cells:,} cells that this server "
                f"gives in one reply: {suggest(self.cells)}"
            )

    def max_columns(self, tracks: int) -> int | None:
        """Return how many bases or bins a reply of so many tracks may have, None for any number."""
        limits = [self.positions] if self.positions else []
        limits += [self.cells // max(1, tracks)] if self.cells else []
        return min(limits, default=None)

    def check_columns(self, columns: int, tracks: int, suggest: Suggest) -> None:
        """Refuse a slice of too many bases or bins of signal tracks.

        Raises
        ------
        ResultTooLarge
            With a smaller query that works.
        """
        limit = self.max_columns(tracks)
        if limit is not None and columns > limit:
            raise ResultTooLarge(
                f"{columns:,} columns for each of {tracks:,} track{'s' if tracks > 1 else ''} are more than this "
                f"server gives in one reply (here at most {limit:,}): {suggest(limit * tracks)}"
            )

    def exceeds_reply(self, size: int | None) -> bool:
        """Return whether a reply of so many bytes is too large; None, an unknown number, is not."""
        return bool(self.reply_bytes) and size is not None and size > self.reply_bytes

    def check_part(self, size: int) -> None:
        """Refuse a part of a file that is larger than a reply may be.

        Raises
        ------
        ResultTooLarge
            If it is.
        """
        if self.exceeds_reply(size):
            raise ResultTooLarge(
                f"{size:,} bytes are more than the {self.reply_bytes:,} that this server sends at once: ask for parts, "
                f"the first by the header Range: bytes=0-{self.reply_bytes - 1}"
            )

    def check_reply(self, size: int | None, cells: int, suggest: Suggest) -> None:
        """Refuse a reply of too many bytes, which hold so many cells.

        Raises
        ------
        ResultTooLarge
            With a smaller query that is likely to work.
        """
        if self.exceeds_reply(size):
            raise self.reply_too_large(size, cells, suggest)

    def reply_too_large(self, size: int | None, cells: int, suggest: Suggest) -> ResultTooLarge:
        """Return the error for a reply of so many bytes; None where all that is known is that they are too many."""
        counted = size or max(cells * _TYPICAL_CELL_BYTES, self.reply_bytes)
        # Half of what would fit by the cells, since labels take room as well.
        fitting = max(1, cells * self.reply_bytes // counted // 2)
        number = f"{size:,}" if size else f"more than {self.reply_bytes:,}"
        return ResultTooLarge(
            f"the reply has {number} bytes, and this server sends at most {self.reply_bytes:,} at once: "
            f"{suggest(fitting)}"
        )

    def check_body(self, size: int) -> None:
        """Refuse the body of a request if it is too long.

        Raises
        ------
        ResultTooLarge
            If it is.
        """
        if size > self.body_bytes:
            raise ResultTooLarge(
                f"the body is longer than {self.body_bytes:,} bytes: ask for fewer ids or regions at once"
            )


def check_values(count: int) -> None:
    """Refuse a request of too many values.

    Raises
    ------
    ResultTooLarge
        If there are more than 1,100,000.
    """
    if count > MAX_VALUES:
        raise too_many_values()


def too_many_values(subject: str = "the request has", things: str = "values") -> ResultTooLarge:
    """Return the error for more values than a request may have."""
    return ResultTooLarge(f"{subject} more than {MAX_VALUES:,} {things}: ask for fewer ids or regions at once")


def check_regions(count: int) -> None:
    """Refuse a request of too many regions of reads or variants.

    Raises
    ------
    ResultTooLarge
        If there are more than 5,000.
    """
    if count > MAX_REGIONS:
        raise ResultTooLarge(f"there are more than {MAX_REGIONS:,} regions: ask for them in several requests")


def check_made_reads(size: int, most: int) -> None:
    """Refuse reads without some of their fields or tags that have more bytes than one reply may have.

    Raises
    ------
    ResultTooLarge
        If they have.
    """
    if size > most:
        raise ResultTooLarge(
            f"these reads take more than the {most:,} bytes that this server sends in one reply: ask for smaller "
            "regions, or without fields, tags and notags, which is sent by several URLs"
        )


def check_cut_reads(decoded: int, most: int) -> None:
    """Refuse regions for which too many bytes are decoded to leave out all other records.

    Raises
    ------
    ResultTooLarge
        If they are.
    """
    if decoded > most:
        raise ResultTooLarge("these regions take too much work to leave out the records around them: ask for fewer")


def check_ticket_url(tags: int, places: int, regions: int, most: int) -> None:
    """Refuse fields, tags and regions that take more letters than a URL of a ticket can have.

    Parameters
    ----------
    tags
        The letters of fields and tags.
    places
        The letters of the regions.
    regions
        The number of regions.
    most
        Most letters.

    Raises
    ------
    ResultTooLarge
        If they do.
    """
    if tags > most // 2:
        raise ResultTooLarge("there are more tags than a URL of the ticket can have: name fewer in tags and notags")
    if tags + places > most:
        about = max(1, regions * (most - tags) // places)
        raise ResultTooLarge(
            f"with fields, tags or notags a URL of the ticket cannot have {regions:,} regions: ask for at most "
            f"{about:,} of them in each request, or leave out fields, tags and notags"
        )


def check_objects(number: int, most: int) -> None:
    """Refuse a request of too many objects.

    Raises
    ------
    ResultTooLarge
        If there are more.
    """
    if number > most:
        raise ResultTooLarge(f"{number:,} objects are more than the {most:,} of one request: ask for them in parts")


def check_client_cells(cells: int, most: int) -> None:
    """Refuse a slice of more cells than one client may ask for in a minute, which could never be sent.

    Raises
    ------
    ResultTooLarge
        If it has more.
    """
    if cells > most:
        raise ResultTooLarge(
            f"{cells:,} cells are more than the {most:,} that one client may ask for in a minute: ask for fewer "
            "features or samples at once"
        )


def check_heat_map_genes(number: int) -> None:
    """Refuse a heat map of too many genes.

    Raises
    ------
    ResultTooLarge
        If there are more than 500.
    """
    if number > MAX_HEAT_MAP:
        raise ResultTooLarge(
            f"{number:,} genes are more than the {MAX_HEAT_MAP} of one heat map: leave some out, or download their "
            "values as a table"
        )


def check_heat_map_columns(number: int, columns: str) -> None:
    """Refuse a heat map of too many columns; `columns` says what they are.

    Raises
    ------
    ResultTooLarge
        If there are more than 500.
    """
    if number > MAX_HEAT_MAP:
        raise ResultTooLarge(
            f"{number:,} {columns} are more than the {MAX_HEAT_MAP} columns of one heat map: group the samples by an "
            "attribute with fewer values"
        )
