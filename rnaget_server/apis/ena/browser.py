"""The browser: any record by its accession, as XML, text, summary, or FASTA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from rnaget_server.apis.ena.context import Context
from rnaget_server.apis.ena.file_fields import FileFields
from rnaget_server.apis.ena.record_xml import Record, title_of, to_xml
from rnaget_server.archive.fields import RESULTS
from rnaget_server.archive.grammar import Comparison, Condition, Several, exactly
from rnaget_server.archive.index import Search
from rnaget_server.datasets.repository import LocatedSequence
from rnaget_server.delivery.content import StreamedContent
from rnaget_server.delivery.streaming import DownloadHeaders, send_content
from rnaget_server.errors import UnknownId, shown
from rnaget_server.sequences.digests import NAMESPACES, PREFIX, is_digest
from rnaget_server.writers.base import Body

# Where an accession is looked for: the result and its fields, one after the other. Of a project, the studies are found.
_LOOKED_UP = (
    ("read_run", ("run_accession",)),
    ("sample", ("sample_accession", "secondary_sample_accession")),
    ("study", ("study_accession", "secondary_study_accession")),
    ("read_experiment", ("experiment_accession",)),
    ("analysis", ("analysis_accession",)),
    ("sequence", ("accession", "sequence_md5", "sequence_accession")),
    ("taxon", ("tax_id",)),
    ("study", ("project_accession",)),
)
_MOST = 1000
_LINE = 60
_MOST_NAMES = 5


@dataclass(frozen=True)
class AccessionRecords:
    """The records of an accession: their result, its fields of attributes, and the values of each that are there."""

    result: str
    own: list[str]
    records: list[Record]


def get_xml(context: Context, accession: str) -> Response:
    """Return the record of an accession as XML."""
    context.given("download", "includeLinks")
    found = _found(context, accession)
    text = to_xml(found.result, RESULTS[found.result].key, found.records, found.own, context.root)
    return Response(text.encode("utf-8", "replace"), media_type="application/xml")


def get_text(context: Context, accession: str) -> Response:
    """Return the record of an accession as lines of a field and its value."""
    context.given("download")
    found = _found(context, accession)
    records = [
        "".join(f"{field}: {' '.join(value.split())}\n" for field, value in record.items()) for record in found.records
    ]
    return Response("//\n".join(records).encode("utf-8", "replace"), media_type="text/plain")


def get_summary(context: Context, accession: str) -> Response:
    """Return the record of an accession in a few words, with all its fields."""
    context.given("download", "offset", "limit")
    found = _found(context, accession)
    key = RESULTS[found.result].key
    summaries = [
        {
            "accession": record.get(key, ""),
            "dataType": found.result,
            "description": record.get("description", ""),
            "title": title_of(found.result, record) or record.get(key, ""),
            "taxon": record.get("tax_id", ""),
            "fields": dict(record),
        }
        for record in found.records
    ]
    return context.respond_json({"summaries": summaries, "total": str(len(summaries))})


def get_fasta(context: Context, accession: str) -> Response:
    """Return the letters of a sequence as FASTA."""
    context.given("download")
    located = context.view.find_sequence(_plain(accession))
    if located is None:
        raise UnknownId(f"there is no sequence {shown(accession)}: the result sequence of the portal lists all")
    names = sorted({alias.alias for alias in context.view.aliases_of(located.sequence)})[:_MOST_NAMES]
    header = " ".join((f">{located.sequence.digests.ga4gh}", *names))
    size = located.sequence.length
    chunks, length = _fasta(located, header), len(header.encode()) + 1 + size + -(-size // _LINE)
    content = StreamedContent(chunks, Body(chunks, length), 0, ranges=False)
    headers = DownloadHeaders("text/plain; charset=utf-8", located.sequence.digests.ga4gh, "inline", {})
    return send_content(context.request, content, 200, headers, context.api.budget)


def _fasta(located: LocatedSequence, header: str) -> Iterator[bytes]:
    yield f"{header}\n".encode()
    left = b""
    for piece in located.read(0, located.sequence.length):
        letters = left + piece
        whole = len(letters) - len(letters) % _LINE
        yield b"".join(letters[at : at + _LINE] + b"\n" for at in range(0, whole, _LINE))
        left = letters[whole:]
    yield left + b"\n" if left else b""


def _found(context: Context, accession: str) -> AccessionRecords:
    """Return the records of an accession, of the first result that has such.

    Raises
    ------
    UnknownId
        If none has.
    """
    index = context.index
    value = exactly(_plain(accession))
    for result, names in _LOOKED_UP:
        spec, fields = RESULTS[result], index.fields(result)
        conditions: tuple[Condition, ...] = tuple(Comparison(name, "=", value) for name in names)
        wanted = [field for field in fields.all.values() if field.column >= 0]
        files = FileFields(context, fields, wanted)
        search = Search(result, Several("OR", conditions, 2), limit=_MOST)
        records: list[Record] = [
            {field.name: text for field, text in zip(wanted, row, strict=True) if text}
            for rows in files.filled(index.records(search, files.fields, context.is_cancelled))
            for row in rows
        ]
        if records:
            own = [field.name for field in wanted if field.name not in spec.by_name]
            return AccessionRecords(result, own, records)
    raise UnknownId(f"there is no record {shown(accession)}: /ena/portal/api/search finds all")


def _plain(accession: str) -> str:
    """Return an accession, a digest of a sequence without its namespace."""
    namespace, _, rest = accession.rpartition(":")
    if is_digest(rest) and (not namespace or NAMESPACES.get(namespace.lower()) == len(rest)):
        return rest if rest.startswith(PREFIX) else rest.lower()
    return accession
