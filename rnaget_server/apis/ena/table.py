"""Tables of records as TSV or JSON, sent as they are found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rnaget_server.apis.ena.context import JSON, Context
from rnaget_server.archive.reading import Row
from rnaget_server.http.request import BrokenReplyError
from rnaget_server.model.cancellation import Cancelled

_log = logging.getLogger(__name__)
TSV = "text/tab-separated-values; charset=utf-8"
_BREAKS = {ord(letter): " " for letter in "\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}


def table(
    context: Context, names: Sequence[str], batches: Iterator[list[Row]], format: str, filename: str | None = None
) -> Response:
    """Return records as a table; 204 without a body if there are none.

    Parameters
    ----------
    context
        The request.
    names
        The fields.
    batches
        The values of the records in them, some records at a time.
    format
        ``tsv`` or ``json``.
    filename
        What it is saved as, if it is to be saved.
    """
    first = next(batches, None)
    if first is None:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-cache"}
    if filename is not None:
        headers["Content-Disposition"] = f'attachment; filename="{filename}.{format}"'
    media_type = JSON if format == "json" else TSV
    if context.request.method == "HEAD":
        _close(batches)
        return Response(status_code=200, media_type=media_type, headers=headers)
    write = _json if format == "json" else _tsv
    return _Reply(write(names, _joined(first, batches)), batches, headers, media_type)


class _Reply(StreamingResponse):
    """A table that is made while it is sent; reading ends with the reply, however that ends."""

    def __init__(
        self, chunks: Iterator[bytes], batches: Iterator[list[Row]], headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(_cut_on_error(chunks), headers=headers, media_type=media_type)
        self._batches = batches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(_close, self._batches)


def _close(batches: Iterator[list[Row]]) -> None:
    close: Callable[[], None] | None = getattr(batches, "close", None)
    # It may just be read by a thread whose reply is given up.
    with suppress(ValueError):
        if close is not None:
            close()


def _joined(first: list[Row], rest: Iterator[list[Row]]) -> Iterator[list[Row]]:
    yield first
    yield from rest


def _cut_on_error(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Cancelled:
        raise BrokenReplyError from None
    except Exception as error:
        _log.error("reading the index of the archive failed in mid-reply: %s", type(error).__name__)
        raise BrokenReplyError from None


def _tsv(names: Sequence[str], batches: Iterator[list[Row]]) -> Iterator[bytes]:
    start = "\t".join(map(_cell, names)) + "\n"
    breaks = len(names) - 1
    for rows in batches:
        lines = ["\t".join([value or "" for value in row]) for row in rows]
        text = "\n".join(lines)
        if text.count("\t") != breaks * len(rows) or len(text.splitlines()) != len(rows) - (not lines[-1]):
            text = "\n".join("\t".join([_cell(value or "") for value in row]) for row in rows)
        yield f"{start}{text}\n".encode("utf-8", "replace")
        start = ""


def _cell(text: str) -> str:
    return text.translate(_BREAKS)


def _json(names: Sequence[str], batches: Iterator[list[Row]]) -> Iterator[bytes]:
    start = b"["
    for rows in batches:
        objects = [{name: value or "" for name, value in zip(names, row, strict=True)} for row in rows]
        yield start + orjson.dumps(objects)[1:-1]
        start = b",\n"
    yield b"]\n"
