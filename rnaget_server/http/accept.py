"""Content negotiation: which of the media types on offer an Accept header prefers (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from rnaget_server.http.request import list_header

ANY = "*/*"
# No client names so many, and each costs a look for every offer.
_MOST_RANGES = 100


@dataclass(frozen=True)
class _Range:
    type: str
    quality: float
    place: int

    @property
    def precision(self) -> int:
        return 0 if self.type == ANY else 1 if self.type.endswith("/*") else 2

    def covers(self, media_type: str) -> bool:
        return self.type in (ANY, media_type) or (self.type.endswith("/*") and media_type.startswith(self.type[:-1]))


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """Return the offer that the client likes best, or None if it accepts none.

    Among equals a type named exactly goes before a wildcard, then the client's order, then that of `offers`.
    A missing or empty header accepts everything; parameters other than ``q`` and stray ``;`` are ignored, and so are
    all but the first hundred types.
    """
    ranges = _parse(accept or ANY)
    best: tuple[tuple[float, int, int, int], str] | None = None
    for number, offer in enumerate(offers):
        covering = [accepted for accepted in ranges if accepted.covers(offer)]
        if not covering:
            continue
        best_range = max(covering, key=lambda covered: (covered.precision, -covered.place))
        rank = (best_range.quality, best_range.precision, -best_range.place, -number)
        if best_range.quality > 0 and (best is None or rank > best[0]):
            best = (rank, offer)
    return best and best[1]


def accepts_gzip(request: Request) -> bool:
    """Return whether the client would rather have the reply coded with gzip (RFC 9110, 12.5.3)."""
    accepted = list_header(request, "accept-encoding")
    return bool(accepted) and preferred(accepted, ("gzip", "identity")) == "gzip"


def _parse(accept: str) -> list[_Range]:
    ranges = []
    for place, part in enumerate(accept.split(",", _MOST_RANGES)[:_MOST_RANGES]):
        type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if type:
            ranges.append(_Range(ANY if type == "*" else type, _quality(parameters), place))
    return ranges or [_Range(ANY, 1.0, 0)]


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 1.0
    return 1.0
