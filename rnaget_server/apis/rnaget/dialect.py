"""The wire details of RNAget: media types, the form of errors, and headers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from rnaget_server.http.dialect import HTML, BrowsedDialect
from rnaget_server.model.slice import ResolvedSlice

_NEWEST = "application/vnd.ga4gh.rnaget.v1.2.0+json"
_MAX_HEADER_BYTES = 4000
_MISSING, _OMITTED, _UNGROUPED = "RNAget-Missing", "RNAget-Omitted", "RNAget-Ungrouped"
_COLLECTION, _MIXED = "RNAget-Collection", "RNAget-Mixed-Collections"


class RnagetDialect(BrowsedDialect):
    """RNAget 1.2.0, "Requests" and "Errors"; JSON is ASCII.

    Parameters
    ----------
    public_url
        The address that clients see, if it is not the one they ask; for the commands on pages.
    """

    media_types = (
        _NEWEST,
        "application/json",
        "application/vnd.ga4gh.rnaget.v1.1.0+json",
        "application/vnd.ga4gh.rnaget.v1.0.0+json",
        HTML,
    )
    exposed_headers = (_MISSING, _OMITTED, _UNGROUPED, _COLLECTION, _MIXED)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types."""
        headers = super().headers(media_type)
        return {"Content-Type": f"{media_type}; charset=us-ascii"} if media_type == _NEWEST else headers


def id_headers(missing: Iterable[str], omitted: Iterable[str], ungrouped: int = 0) -> dict[str, str]:
    """Return the headers that name ids not found and records left out, and count the samples without a group."""
    values = {_MISSING: tuple(missing), _OMITTED: tuple(omitted), _UNGROUPED: (str(ungrouped),) if ungrouped else ()}
    return {name: listed(ids) for name, ids in values.items() if ids}


def slice_headers(resolved: ResolvedSlice) -> dict[str, str]:
    """Return the headers of `id_headers` for a slice, and those that name the sequence collections of its genomes."""
    headers = {}
    if resolved.missing or resolved.omitted or resolved.ungrouped:
        headers = id_headers(resolved.missing, resolved.omitted, resolved.ungrouped)
    if not resolved.references:
        return headers
    if resolved.collection is not None:
        headers[_COLLECTION] = resolved.collection
    labels = list(map(str, resolved.references))
    if len(set(labels)) > 1:
        pairs = zip(resolved.sources, labels, strict=True)
        headers[_MIXED] = listed([f"{source.id}={label}" for source, label in pairs])
    return headers


def listed(values: Sequence[str]) -> str:
    """Return ids fit for a header: percent-encoded where needed, joined by commas, with a count when cut."""
    encoded: list[str] = []
    size = 0
    for number, value in enumerate(values):
        text = quote(value, safe=" !#$&'()*+-./:;<=>?@[]^_`{|}~")
        size += len(text) + 1
        if size > _MAX_HEADER_BYTES:
            return ",".join([*encoded, f"... and {len(values) - number} more"])
        encoded.append(text)
    return ",".join(encoded)
