"""Tickets and downloads, the same for matrices and for signal tracks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.responses import Response

from rnaget_server.apis.rnaget import BASE_PATH
from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.dialect import slice_headers
from rnaget_server.datasets.repository import View
from rnaget_server.delivery.streaming import LargeReply
from rnaget_server.errors import InvalidQuery, StoreFailure
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.observation import CURRENT, stage
from rnaget_server.model.slice import ResolvedSlice
from rnaget_server.query import MatrixQuery, RegionQuery
from rnaget_server.query.strings import Pair, query_string

Query = TypeVar("Query", MatrixQuery, RegionQuery)

DATA_ROUTE = re.compile(
    r".*/(?:expressions|continuous)(?:/[^/]+)?/bytes"
    r"|.*/expressions/(?!(?:bytes|ticket|formats|filters|units|info)$)[^/]+"
)
"""Paths of routes whose replies hold cells or signal; the draft of the next version sends them for the id alone."""

# Parameters by which few cells are made from very many.
_SLOW = ("bins", "group_by")


@dataclass(frozen=True)
class Slices(Generic[Query]):
    """The four routes of slices of one kind of data.

    Attributes
    ----------
    group
        The start of their paths, and the group of their formats.
    query_of
        Returns the query for the data of an id, of parameters.
    query
        Returns that of a search.
    by_id, by_search
        Resolve them; a search leaves out records of some ids.
    """

    group: str
    query_of: Callable[[View, str, Sequence[Pair]], Query]
    query: Callable[[View, Sequence[Pair]], Query]
    by_id: Callable[[View, str, Query, Cancellation], ResolvedSlice]
    by_search: Callable[[View, Query, Collection[str], Cancellation], ResolvedSlice]

    def ticket_by_id(self, context: Context, id: str) -> Response:
        """Return the URL of a slice of the data of an id."""
        view = context.view
        query = self.query_of(view, id, context.received.pairs)
        resolved = _selected(self.by_id, view, id, query, context.cancellation)
        format = context.api.formats.resolve(self.group, query.format or resolved.sources[0].default_format)
        return _ticket(context, query, resolved, self.group, format, f"/{self.group}/{id}/bytes")

    def file_by_id(self, context: Context, id: str) -> Response:
        """Return a slice of the data of an id."""
        view = context.view
        query = self.query_of(view, id, context.received.pairs)
        resolved = _selected(self.by_id, view, id, query, context.cancellation)
        default = resolved.sources[0].default_format
        chosen = context.api.formats.choose(context.request, self.group, query.format, default, query.compression)
        return context.api.delivery.respond(context, resolved, chosen, slice_headers(resolved))

    def ticket(self, context: Context) -> Response:
        """Return the URL of a slice of all that matches."""
        path = f"/{self.group}/bytes"
        return self._found(
            context, lambda query, resolved, format: _ticket(context, query, resolved, self.group, format, path)
        )

    def file(self, context: Context) -> Response:
        """Return a slice of all that matches, joined."""

        def respond(query: Query, resolved: ResolvedSlice, format: str) -> Response:
            chosen = context.api.formats.choose(context.request, self.group, format, None, query.compression)
            return context.api.delivery.respond(context, resolved, chosen, slice_headers(resolved))

        return self._found(context, respond)

    def _found(self, context: Context, respond: Callable[[Query, ResolvedSlice, str], Response]) -> Response:
        query = self.query(context.view, context.received.pairs)
        format = _format_of_search(context, self.group, query.format)
        return _of_readable(
            lambda failed: _selected(self.by_search, context.view, query, failed, context.cancellation),
            lambda resolved: respond(query, resolved, format),
        )


def _selected(resolve: Callable[..., ResolvedSlice], *given: Any) -> ResolvedSlice:
    """Return what a function resolves a query to, as a stage of the request."""
    noted = CURRENT.get()
    # Mostly nobody asks for stages, which a look shows sooner than a call.
    if noted is None or noted.stages is None:
        return resolve(*given)
    with stage("select"):
        return resolve(*given)


def _format_of_search(context: Context, group: str, name: str | None) -> str:
    """Return the format that a search names, as the standard wants it to.

    Raises
    ------
    InvalidQuery
        If it names none, or one that there is not.
    """
    if name is None:
        raise InvalidQuery(f"a search needs the parameter format, such as format=tsv; /{group}/formats lists all")
    return context.api.formats.resolve(group, name)


def _of_readable(
    search: Callable[[Collection[str]], ResolvedSlice],
    respond: Callable[[ResolvedSlice], Response],
    failed: tuple[str, ...] = (),
) -> Response:
    """Return the reply to a search, made of the records that can be read; those that fail on the way are left out.

    Parameters
    ----------
    search
        Returns what matches apart from records of these ids, which it names as left out.
    respond
        Makes the reply, up to its first bytes.
    failed
        Ids of those that have failed already.
    """

    def without(failure: StoreFailure) -> Response:
        if failure.record in failed:
            raise failure
        return _of_readable(search, respond, (*failed, failure.record))

    try:
        response = respond(search(failed))
    except StoreFailure as failure:
        return without(failure)
    if isinstance(response, LargeReply):
        response.otherwise = without
    return response


def _ticket(
    context: Context,
    query: MatrixQuery | RegionQuery,
    resolved: ResolvedSlice,
    group: str,
    format: str,
    path: str,
) -> Response:
    """Return the ticket for a slice: the URL at `path` that sends it, with the parameters of the query.

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
    api = context.api
    wanted = [*(pair for pair in query.given if pair[0] != "format"), ("format", format)]
    parameters = api.signer.sign(BASE_PATH + path, wanted, context.view.principal)
    payload: dict[str, Any] = {
        "url": f"{context.root}{BASE_PATH}{path}?{query_string(parameters)}",
        "units": resolved.slice.layers[0].units,
        "fileType": format,
    }
    for key, values in (
        ("version", {source.version for source in resolved.sources}),
        ("studyID", {source.study_id for source in resolved.sources}),
    ):
        if len(values) == 1:
            payload[key] = values.pop()
    payload |= {"sequenceCollection": resolved.collection} if resolved.collection else {}
    quick = not any(name in _SLOW for name, _ in query.given)
    writer = api.formats.writer(group, format, query.compression)
    md5 = api.delivery.md5(context.request, resolved, writer, context.view.rights, quick)
    payload |= {"md5": md5} if md5 else {}
    response = context.respond(payload, "Ticket")
    response.headers.update(slice_headers(resolved))
    return response
