"""Tickets and downloads, alike for matrices and for signal tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget import BASE_PATH
from rnaget_server.errors import InvalidQuery, Unavailable
from rnaget_server.http.etags import slice_tag, unchanged
from rnaget_server.http.formats import Chosen, checked_format
from rnaget_server.http.replies import id_headers, json_reply, stream_reply
from rnaget_server.http.request import public_root
from rnaget_server.service import Services
from rnaget_server.slicing import Found, canonical


def named_format(services: Services, group: str, name: str | None) -> str:
    """Return the format that a search names, as the standard wants it to.

    Raises
    ------
    InvalidQuery
        If it names none, or one that there is not.
    """
    if name is None:
        raise InvalidQuery(f"a search needs the parameter format, such as format=tsv; /{group}/formats lists all")
    return checked_format(services, group, name)


def ticket(
    request: Request,
    services: Services,
    given: Sequence[tuple[str, str]],
    found: Found,
    format: str,
    path: str,
) -> Response:
    """Return the ticket for a slice: the URL at `path` that sends it, with the parameters `given`.

    Raises
    ------
    InvalidQuery, UnknownId
        If the format cannot hold the slice.
    """
    services.writers[format]().check(found.slice)
    parameters = [*(pair for pair in given if pair[0] != "format"), ("format", format)]
    told: dict[str, Any] = {
        "url": f"{public_root(request, services)}{BASE_PATH}{path}?{urlencode(parameters)}",
        "units": found.slice.layers[0].units,
        "fileType": format,
    }
    for key, values in (
        ("version", {one.version for one in found.records}),
        ("studyID", {one.study_id for one in found.records}),
    ):
        if len(values) == 1:
            told[key] = values.pop()
    reply = json_reply(request, told, "Ticket")
    reply.headers.update(id_headers(found.missing, found.omitted))
    return reply


def download(request: Request, found: Found, chosen: Chosen, given: Sequence[tuple[str, str]]) -> Response:
    """Return the slice as a file in the format chosen, or 304 if the client has it; `given` are the parameters.

    Raises
    ------
    Unavailable
        If a data file cannot be read.
    """
    name = found.records[0].id if len(found.records) == 1 else "joined"
    headers = id_headers(found.missing, found.omitted)
    try:
        tag = slice_tag(found.records, found.slice.origin, canonical(given), chosen.media_type)
        headers |= {"ETag": tag} if tag else {}
        if unchanged(request, tag):
            return Response(status_code=304, headers={**headers, "Vary": "Accept"})
        body = chosen.writer.write(found.slice)
    except OSError:
        raise Unavailable("the data cannot be read or written at the moment") from None
    return stream_reply(request, body, chosen.media_type, f"{name}.{chosen.writer.extension}", headers)
