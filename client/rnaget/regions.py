"""Regions as people write them: ``chr1:1000-2000``, from 1, with both ends."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnaget.errors import ClientError

_REGION = re.compile(r"(?P<name>.+):(?P<start>[\d,]+)(?:-(?P<end>[\d,]*))?")


class Region(NamedTuple):
    """A stretch of a sequence, counted from 0, without `end`; None is as far as it goes."""

    name: str
    start: int | None = None
    end: int | None = None

    def __str__(self) -> str:
        if self.start is None and self.end is None:
            return self.name
        return f"{self.name}:{(self.start or 0) + 1}-{'' if self.end is None else self.end}"


def region_of(text: str | tuple[str, int | None, int | None] | Region) -> Region:
    """Return the region that a text names, as samtools and genome browsers write it.

    ``chr1`` is all of it, ``chr1:1000`` all from base 1000 on, ``chr1:1-100`` the first 100 bases; numbers may have
    commas. A tuple ``("chr1", 0, 100)`` is counted from 0, without its end.

    Raises
    ------
    ClientError
        If it is none.
    """
    if not isinstance(text, str):
        try:
            name, start, end = text
        except (TypeError, ValueError):
            raise ClientError(f"{text!r} is no region: write 'chr1:1000-2000' or ('chr1', 999, 2000)") from None
        return Region(str(name), start, end)
    match = _REGION.fullmatch(text.strip())
    if match is None:
        if not text.strip() or re.search(r":[^:]*-\d*$", text) or text.rstrip().endswith(":"):
            raise ClientError(f"{text!r} is no region: write it like chr1:1000-2000")
        return Region(text.strip())
    start = int(match["start"].replace(",", "") or 0)
    end = int(match["end"].replace(",", "")) if match["end"] else None
    if start < 1:
        raise ClientError(f"{text!r} is no region: the first base is 1")
    if end is not None and end < start:
        raise ClientError(f"{text!r} is no region: it ends before it starts")
    return Region(match["name"], start - 1, end)
