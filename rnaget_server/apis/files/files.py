"""Files: a report of those of a study or of all, and each by its id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.files.context import Context
from rnaget_server.catalog import OfferedFile
from rnaget_server.catalog.offered import FileKind
from rnaget_server.datasets.files import Computing
from rnaget_server.delivery.content import StreamedContent
from rnaget_server.delivery.stored_files import file_address, stored_response
from rnaget_server.delivery.streaming import DownloadHeaders, content_response
from rnaget_server.delivery.tagged import ASKED_EACH_TIME
from rnaget_server.errors import Busy, InvalidQuery, NotAcceptable, Unavailable
from rnaget_server.http.accept import preferred
from rnaget_server.http.dialect import HTML
from rnaget_server.http.request import list_header
from rnaget_server.slicing.lookup import known_record
from rnaget_server.writers.base import Body

_JSON, _TSV, _TEXT = "application/json", "text/tab-separated-values", "text/plain; charset=us-ascii"
_FORMATS = {"json": _JSON, "tsv": f"{_TSV}; charset=utf-8", "md5": _TEXT, "curl": _TEXT}
_OF_ONE_STUDY = ("md5", "curl")
_KINDS: tuple[FileKind, ...] = ("matrix", "tracks", "reads", "variants", "index")
_COLUMNS = (
    "study",
    "file_id",
    "name",
    "url",
    "bytes",
    "md5",
    "kind",
    "samples",
    "sha256",
    "format",
    "media_type",
    "record",
    "project",
)
_LONGEST_PAGE = 1000
_HELD = 1 << 16
_LINES = 200

Row = dict[str, Any]
Rows = Iterator[Row]


def get_files(context: Context) -> Response:
    """Return a report: a row for each file, in one of the formats."""
    parameters = context.parameters("study", "kind", "format")
    study, kind = parameters.text("study"), parameters.choice("kind", _KINDS)
    format = parameters.choice("format", tuple(_FORMATS))
    if format in _OF_ONE_STUDY and study is None:
        raise InvalidQuery(f"format={format} needs the parameter study, since files of two studies may have one name")
    if study is not None:
        known_record("study", study, context.view.catalog.studies)

    def files() -> Iterator[OfferedFile]:
        found = context.view.files.all() if study is None else context.view.files.of_study(study)
        return (file for file in found if kind in (None, file.kind))

    computing = Computing(context.view.files)
    pending, count = _compute(context, computing, files())
    if format is None:
        accepted = preferred(list_header(context.request, "accept"), (_JSON, HTML, _TSV))
        if accepted is None:
            raise NotAcceptable(f"available as {_JSON}, {_TSV}: name one of them in Accept")
        if accepted == HTML and count <= _LONGEST_PAGE:
            return context.respond({"pending": pending, "files": list(_rows(context, computing, files()))}, "Files")
        format = "tsv" if accepted == _TSV else "json"
    seconds = context.view.offer.checksums.seconds_left() if pending else 0
    if format == "md5" and pending:
        raise Busy(f"the MD5 sums of {pending:,} files are being computed: ask again soon", seconds)
    chunks = _pieces(_WRITERS[format](pending, _rows(context, computing, files())))
    fields = {"Cache-Control": ASKED_EACH_TIME} | ({"Retry-After": str(seconds)} if pending else {})
    fields |= {} if context.received.names_any_of(("format",)) else {"Vary": "Accept"}
    headers = DownloadHeaders(_FORMATS[format], "the report of files", "inline", fields)
    content = StreamedContent(chunks, Body(chunks), _HELD, ranges=False)
    return content_response(context.request, content, headers, False, False, context.api.budget)


def get_file(context: Context, id: str) -> Response:
    """Return a file, or a part of it."""
    context.parameters()
    return stored_response(context.request, context.view, context.file(id), context.api.budget)


def _compute(context: Context, computing: Computing, files: Iterable[OfferedFile]) -> tuple[int, int]:
    """Compute checksums, and return how many files have none yet, and how many files there are."""
    pending = count = 0
    for file in files:
        context.cancellation.check()
        count += 1
        try:
            facts = computing.facts(file)
        except Unavailable:
            continue
        pending += facts.sums is None
    return pending, count


def _rows(context: Context, computing: Computing, files: Iterable[OfferedFile]) -> Rows:
    for file in files:
        context.cancellation.check()
        try:
            facts = computing.facts(file)  # the file may have been replaced a moment ago
        except Unavailable:
            facts = None
        sums = facts.sums if facts is not None else None
        yield dict(
            zip(
                _COLUMNS,
                (
                    file.study_id,
                    file.id,
                    file.name,
                    file_address(context, file),
                    facts.size if facts is not None else None,
                    sums.md5 if sums is not None else None,
                    file.kind,
                    list(file.samples),
                    sums.sha256 if sums is not None else None,
                    file.format,
                    file.media_type,
                    file.record,
                    file.project_id,
                ),
                strict=True,
            )
        )


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines many at a time, since each piece that is sent costs more than a line."""
    while piece := b"".join(islice(lines, _LINES)):
        yield piece


def _json(pending: int, rows: Rows) -> Iterator[bytes]:
    start = f'{{"pending": {pending}, "files": ['
    for row in rows:
        yield f"{start}{json.dumps(row)}".encode()
        start = ",\n"
    yield b"]}\n" if start == ",\n" else f"{start}]}}\n".encode()


def _tsv(pending: int, rows: Rows) -> Iterator[bytes]:
    yield "\t".join(_COLUMNS).encode() + b"\n"
    for row in rows:
        yield "\t".join(map(_cell, row.values())).encode() + b"\n"


def _md5(pending: int, rows: Rows) -> Iterator[bytes]:
    for row in rows:
        # A file that cannot be read has none, and none is what the check is to say of it.
        yield f"{row['md5'] or '0' * 32}  {row['name']}\n".encode()


def _curl(pending: int, rows: Rows) -> Iterator[bytes]:
    for row in rows:
        yield f'url = "{row["url"]}"\noutput = "{row["name"]}"\n'.encode()


_WRITERS: dict[str, Callable[[int, Rows], Iterator[bytes]]] = {"json": _json, "tsv": _tsv, "md5": _md5, "curl": _curl}


def _cell(value: Any) -> str:
    """Return a value as a cell; what would end a cell or a line becomes a space."""
    text = ";".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return " ".join(text.split("\t")).translate(_BREAKS)


_BREAKS = {ord(letter): " " for letter in "\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}
