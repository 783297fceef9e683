"""Sequences by id: their letters, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rnaget_server.apis.refget.context import Context, normalised
from rnaget_server.apis.refget.direct import MOST_BYTES, keep_found
from rnaget_server.apis.refget.span import Span, span_of
from rnaget_server.apis.refget.upstream import LOOP_HEADER, Upstream
from rnaget_server.datasets.repository import LocatedSequence
from rnaget_server.delivery.content import StreamedContent
from rnaget_server.delivery.streaming import DownloadHeaders, send_content, unreadable
from rnaget_server.delivery.tagged import FOR_A_WHILE, with_tag
from rnaget_server.errors import AmbiguousId, InvalidQuery, NotAcceptable, RangeBeyondEnd, UnknownId, shown
from rnaget_server.http.accept import preferred
from rnaget_server.http.preconditions import check_preconditions, is_not_modified
from rnaget_server.http.request import list_header
from rnaget_server.model.lists import plain
from rnaget_server.sequences.digests import NAMESPACES, is_digest
from rnaget_server.sequences.fetched import FetchedSequence
from rnaget_server.writers.base import Body

_PLAIN = "text/vnd.ga4gh.refget.v{}+plain"
_FASTA = "text/x-fasta"
_TYPES = (_PLAIN.format("2.0.0"), _PLAIN.format("1.0.1"), _PLAIN.format("1.0.0"), "text/plain", "plain/text", _FASTA)
_FOREVER = "public, max-age=31536000, immutable"
_LINE = 60
_MOST_IDS = 1000
Located = LocatedSequence | FetchedSequence


def get_sequence(context: Context, id: str) -> Response:
    """Return the letters of a sequence, or of a part of it."""
    media_type = preferred(list_header(context.request, "accept"), _TYPES)
    if media_type is None:
        raise NotAcceptable(f"available as {', '.join(_TYPES)}: name one of them in Accept")
    located = context.sequence(id)
    sequence = located.sequence
    parameters = context.parameters("start", "end")
    tag = f'"{sequence.digests.ga4gh}{".fasta" if media_type == _FASTA else ""}"'
    by_digest = normalised(id) in sequence.digests
    circular = sequence.circular if context.api.settings.refget_circular else None
    range_header = _range(context.request, media_type, tag)
    try:
        span = span_of(parameters, range_header, sequence.length, circular)
    except RangeBeyondEnd:
        # A digest is that of the sequence in all genomes, of which another may have it as circular.
        if circular is not False or not by_digest or not context.view.is_circular(sequence):
            raise
        span = span_of(parameters, range_header, sequence.length, True)
    # A name may be given to another sequence.
    caching = _FOREVER if by_digest else FOR_A_WHILE
    fields = {"ETag": tag, "Cache-Control": caching, "Vary": "Accept"}
    check_preconditions(context.request, tag)
    if is_not_modified(context.request, tag):
        return Response(status_code=304, headers=fields)
    if span.content_range is not None:
        fields["Content-Range"] = span.content_range
    elif parameters.names or media_type == _FASTA:
        fields["Accept-Ranges"] = "none"
    else:
        fields["Accept-Ranges"] = "bytes"
    is_part = media_type == _TYPES[0] and not context.request.headers.get("range") and bool(parameters.names)
    chunks, length = located.read(span.start, span.stop), span.size
    if media_type == _FASTA:
        chunks, length = _fasta(located, span), _fasta_length(located, span)
    media_type = f"{media_type}; charset=us-ascii"
    status = 200 if span.content_range is None else 206
    if length <= MOST_BYTES and context.request.method != "HEAD":
        reply = _small(chunks, status, fields, media_type, sequence.digests.ga4gh)
        if is_part and isinstance(located, LocatedSequence):
            keep_found(context.request.scope, located, context.view.catalog)
        return reply
    body = Body(chunks, length)
    return send_content(
        context.request,
        StreamedContent(chunks, body, 0, ranges=False),
        status,
        DownloadHeaders(media_type, sequence.digests.ga4gh, "inline", fields),
        context.api.budget,
    )


def _small(chunks: Iterator[bytes], status: int, fields: dict[str, str], media_type: str, name: str) -> Response:
    """Return a reply that is read at once, in the thread of its handler."""
    try:
        letters = b"".join(chunks)
    except OSError as error:
        raise unreadable(error, name) from None
    return Response(letters, status, headers={**fields, "Content-Type": media_type})


def _range(request: Request, media_type: str, tag: str) -> str | None:
    """Return the header Range, None if there is none to be looked at.

    Raises
    ------
    InvalidQuery
        If there are several.
    """
    given = request.headers.getlist("range")
    # FASTA has other bytes than letters, and what the client has a part of may be something else by now.
    if not given or media_type == _FASTA or request.headers.get("if-range", tag).strip() != tag:
        return None
    if len(given) > 1:
        raise InvalidQuery("the header Range is given several times: give it once")
    return given[0]


def get_reference(context: Context, digest: str) -> Response:
    """Return the letters of the sequence of an MD5 or SHA-1 digest."""
    kind = "sha1" if "sha1" in context.request.path_params else "md5"
    if not is_digest(digest) or len(digest) != NAMESPACES[kind]:
        raise UnknownId(f"there is no reference {shown(digest)}: ask by its MD5 or SHA-1 digest")
    try:
        return get_sequence(context, digest)
    except UnknownId:
        if context.api.upstream is None:
            raise
        return _FetchedReply(context, digest, context.api.upstream)


class _FetchedReply(Response):
    """The letters of a sequence that is fetched first. Those who wait for it take no thread."""

    def __init__(self, context: Context, digest: str, upstream: Upstream) -> None:
        super().__init__()
        self._context = context
        self._digest = digest
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fetch the sequence and send it."""
        came_through = list_header(self._context.request, LOOP_HEADER.lower()) or ""
        await self._upstream.fetch(self._digest.lower(), came_through)
        response = await run_in_threadpool(get_sequence, self._context, self._digest)
        await response(scope, receive, send)


def get_reference_by_sha1(context: Context, digest: str) -> Response:
    """Return what `get_reference` does: an operation of its own, as each needs an id of its own."""
    return get_reference(context, digest)


def get_metadata(context: Context, id: str) -> Response:
    """Return the digests, the length and the names of a sequence."""
    context.parameters()
    response = context.respond({"metadata": metadata_of(context, context.sequence(id))}, "Metadata of a sequence")
    return with_tag(context.request, response, FOR_A_WHILE)


def post_metadata(context: Context) -> Response:
    """Return what is known of several sequences, the ids of which there is none, and those that several have."""
    ids = context.parameters("ids").values("ids") or ()
    if not 0 < len(ids) <= _MOST_IDS:
        raise InvalidQuery(f'send 1 to {_MOST_IDS:,} ids, such as {{"ids": ["SQ.iYtREV555dUFKg2_agSJW6suquUyPpMw"]}}')
    found, missing, ambiguous = [], [], []
    for id in map(plain, ids):
        try:
            found.append(metadata_of(context, context.sequence(id)))
        except AmbiguousId as error:
            ambiguous.append({"id": id, "candidates": error.candidates})
        except UnknownId:
            missing.append(id)
    payload = {"metadata": found, "missing": missing, **({"ambiguous": ambiguous} if ambiguous else {})}
    return context.respond(payload, "Metadata of sequences")


def metadata_of(context: Context, located: Located) -> dict[str, Any]:
    """Return what is known of a sequence, as versions 1 and 2 name it; its names are those in all genomes."""
    digests = located.sequence.digests
    names = context.view.aliases_of(located.sequence) if isinstance(located, LocatedSequence) else []
    return {
        "id": digests.ga4gh,
        "md5": digests.md5,
        "ga4gh": digests.ga4gh,
        "trunc512": digests.trunc512,
        "length": located.sequence.length,
        "aliases": [{"naming_authority": name.authority, "alias": name.alias} for name in names],
    }


def _heading(located: Located, span: Span) -> bytes:
    whole = span.size == located.sequence.length
    return f">{located.sequence.digests.ga4gh}{'' if whole else f':{span.start}-{span.stop}'}\n".encode()


def _fasta_length(located: Located, span: Span) -> int:
    return len(_heading(located, span)) + span.size + -(-span.size // _LINE)


def _fasta(located: Located, span: Span) -> Iterator[bytes]:
    yield _heading(located, span)
    rest = b""
    for piece in located.read(span.start, span.stop):
        letters = rest + piece
        whole = len(letters) - len(letters) % _LINE
        rest = letters[whole:]
        yield b"".join(letters[at : at + _LINE] + b"\n" for at in range(0, whole, _LINE))
    if rest:
        yield rest + b"\n"
