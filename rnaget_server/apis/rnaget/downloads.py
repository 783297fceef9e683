"""Tickets and downloads, alike for matrices and for signal tracks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from math import prod
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget import BASE_PATH
from rnaget_server.checked_file import DamagedFileError
from rnaget_server.errors import InvalidQuery, StoreFailure
from rnaget_server.http.accept import accepts_gzip
from rnaget_server.http.content import Content
from rnaget_server.http.delivery import TEXTS, Order, is_large
from rnaget_server.http.etags import Tag, slice_tag, unchanged
from rnaget_server.http.formats import Chosen, checked_format
from rnaget_server.http.ranges import wants_part
from rnaget_server.http.replies import id_headers, json_reply
from rnaget_server.http.request import BEGAN_KEY, public_root, services_of
from rnaget_server.http.sending import Label, Later, coded_reply, content_reply, unreadable
from rnaget_server.http.tickets import signed
from rnaget_server.query.strings import query_string
from rnaget_server.service import Services
from rnaget_server.slicing.matrices import Found, Stored
from rnaget_server.writers.base import Writer

# Of the clock of the file system, which runs behind by some milliseconds; in nanoseconds.
_CLOCK = 100_000_000
# Parameters by which few cells are made from very many.
_SLOW = ("bins", "group_by")


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


def of_readable(
    search: Callable[[Collection[str]], Found], reply: Callable[[Found], Response], failed: tuple[str, ...] = ()
) -> Response:
    """Return the reply to a search, made of the records that can be read; those that fail on the way are left out.

    Parameters
    ----------
    search
        Returns what matches apart from records of these ids, which it names as left out.
    reply
        Makes the reply, up to its first bytes.
    failed
        Ids of those that have failed already.
    """

    def without(failure: StoreFailure) -> Response:
        if failure.record in failed:
            raise failure
        return of_readable(search, reply, (*failed, failure.record))

    try:
        made = reply(search(failed))
    except StoreFailure as failure:
        return without(failure)
    if isinstance(made, Later):
        made.otherwise = without
    return made


def ticket(
    request: Request,
    services: Services,
    given: Sequence[tuple[str, str]],
    found: Found,
    format: str,
    path: str,
) -> Response:
    """Return the ticket for a slice: the URL at `path` that sends it, with the parameters `given`.

    It has the MD5 sum of what the URL sends where that is known, or soon found out.

    Raises
    ------
    InvalidQuery, UnknownId
        If the format cannot hold the slice.
    ResultTooLarge
        If the slice is larger than this server sends.
    Unavailable
        If a data file cannot be read.
    """
    writer: Writer = services.writers[format]()
    parameters = [*(pair for pair in given if pair[0] != "format"), ("format", format)]
    settings = services.settings
    signed_parameters = signed(BASE_PATH + path, parameters, settings.ticket_keys, settings.ticket_seconds)
    told: dict[str, Any] = {
        "url": f"{public_root(request, services)}{BASE_PATH}{path}?{query_string(signed_parameters)}",
        "units": found.slice.layers[0].units,
        "fileType": format,
    }
    for key, values in (
        ("version", {one.version for one in found.records}),
        ("studyID", {one.study_id for one in found.records}),
    ):
        if len(values) == 1:
            told[key] = values.pop()
    try:
        md5 = _md5(request, services, found, writer, given)
    except OSError as error:
        raise unreadable(error, _filename(found, writer)) from None
    told |= {"md5": md5} if md5 else {}
    reply = json_reply(request, told, "Ticket")
    reply.headers.update(id_headers(found.missing, found.omitted, found.ungrouped))
    return reply


def download(request: Request, found: Found, chosen: Chosen) -> Response:
    """Return the slice as a file in the format chosen, or 304 if the client has it.

    Raises
    ------
    InvalidQuery, UnknownId
        If the format cannot hold the slice.
    ResultTooLarge
        If the slice is larger than this server sends.
    RangeBeyondEnd
        If a part is asked for that starts beyond the last byte.
    Unavailable
        If a data file cannot be read.
    """

    def reply() -> Response:
        try:
            try:
                return _reply(request, found, chosen)
            except DamagedFileError:  # it has been removed from the cache
                return _reply(request, found, chosen)
        except OSError as error:
            raise unreadable(error, _filename(found, chosen.writer)) from None

    if found.stored is not None or not is_large(found.slice):
        return reply()
    return Later(reply, whole_first=wants_part(request, None) or services_of(request).settings.max_bytes > 0)


def _filename(found: Found, writer: Writer) -> str:
    name = found.records[0].id if len(found.records) == 1 else "joined"
    return f"{name}.{writer.extension}"


def _reply(request: Request, found: Found, chosen: Chosen) -> Response:
    services = services_of(request)
    codable = services.settings.content_coding and chosen.writer.media_types[0] in TEXTS
    coded = codable and accepts_gzip(request)
    headers = id_headers(found.missing, found.omitted, found.ungrouped)
    headers["Vary"] = "Accept, Accept-Encoding" if codable else "Accept"
    content: Content | None = None
    tag: Tag | None
    stored = _stored(found, chosen.writer)
    if stored is not None:
        content, tag, _ = services.delivery.stored(stored.path, prod(found.slice.shape), found.smaller)
    else:
        tag = _tagger(services, found, chosen.writer)()
    etag = tag.header(coded) if tag is not None else None
    headers |= {"ETag": etag} if etag else {}
    if unchanged(request, etag):
        if content is not None:
            content.close()
        return Response(status_code=304, headers=headers)
    if content is None:
        order = _order(request, services, found, chosen.writer, tag)
        content = services.delivery.content(order, part=not coded and wants_part(request, etag))
    label = Label(chosen.media_type, _filename(found, chosen.writer), headers)
    try:
        return coded_reply(request, content, label) if coded else content_reply(request, content, label)
    except BaseException:
        content.close()
        raise


def _md5(
    request: Request, services: Services, found: Found, writer: Writer, given: Sequence[tuple[str, str]]
) -> str | None:
    stored = _stored(found, writer)
    if stored is not None:
        content, _, sum = services.delivery.stored(stored.path, prod(found.slice.shape), found.smaller)
        try:
            return sum()
        finally:
            content.close()
    writer.check(found.slice)
    order = _order(request, services, found, writer, _tagger(services, found, writer)())
    return services.delivery.md5(order, quick=not any(name in _SLOW for name, _ in given))


def _stored(found: Found, writer: Writer) -> Stored | None:
    """Return the file to send as it is, if there is one in the format of the writer.

    Raises
    ------
    ResultTooLarge
        If there is none, and the slice is too large to be made.
    """
    if found.stored is not None and found.stored.media_type == writer.media_types[0]:
        return found.stored
    if found.too_large is not None:
        raise found.too_large
    return None


def _tagger(services: Services, found: Found, writer: Writer) -> Callable[[], Tag | None]:
    """Return what makes the tag of a slice, and holds no more of it: it is made again when all was sent."""
    # Not the media type that is sent, which may be a mere synonym: the bytes are the same.
    format = f"{writer.media_types[0]} {writer.extension}"
    return partial(slice_tag, found.records, found.slice.origin, found.query, format, services.software)


def _order(
    request: Request,
    services: Services,
    found: Found,
    writer: Writer,
    tag: Tag | None,
) -> Order:
    began: int = request.scope[BEGAN_KEY]
    retagged = _tagger(services, found, writer)

    def sound() -> bool:
        # The tag is of the files as they are now. A file replaced since the request began may have been read before.
        with suppress(OSError):
            return tag is not None and tag.newest < began - _CLOCK and tag == retagged()
        return False

    return Order(found.slice, writer, tag, sound, found.smaller)
