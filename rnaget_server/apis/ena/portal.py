"""The portal: searches, counts, reports on files, and descriptions of results and fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.responses import Response

from rnaget_server.apis.ena.context import JSON, Context, list_of
from rnaget_server.apis.ena.file_fields import FileFields
from rnaget_server.apis.ena.table import table
from rnaget_server.archive.fields import RESULTS, ResultSpec
from rnaget_server.archive.grammar import Comparison, Condition, Several, exactly, parse
from rnaget_server.archive.index import Search
from rnaget_server.archive.reading import Row
from rnaget_server.archive.table import Field, FieldTable, unknown_fields
from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.query import Parameters

_FILTERS = (
    *("result", "query", "dataPortal", "includeMetagenomes", "includeAccessions", "includeAccessionType"),
    *("excludeAccessions", "excludeAccessionType"),
)
_FORMATS = ("tsv", "json")
_LIMIT = 100_000
_GREATEST = 10**12
# Names of ENA for parts of a result.
_SAME = {"read_study": "study", "analysis_study": "study"}
_TYPES = ("study", "sample", "experiment", "run", "analysis")


def get_search(context: Context) -> Response:
    """Return the records that a query is for."""
    parameters = context.given(
        *_FILTERS, *("fields", "format", "limit", "offset", "sortFields", "sortOrder", "download")
    )
    result = _result(parameters)
    fields = context.index.fields(result.id)
    wanted = _wanted(result, fields, list_of(parameters, "fields"), result.shown)
    key = fields.get(result.key)
    if key not in wanted:
        wanted = [*wanted, key]
    limit = parameters.whole_number("limit", 0, _GREATEST)
    search = Search(
        result.id,
        *_filtered(result, parameters),
        sort=list_of(parameters, "sortFields"),
        descending=parameters.choice("sortOrder", ("asc", "desc")) == "desc",
        limit=_LIMIT if limit is None else limit,
        offset=parameters.whole_number("offset", 0, _GREATEST) or 0,
    )
    return _respond(context, parameters, search, fields, wanted)


post_search = get_search


def get_count(context: Context) -> Response:
    """Return how many records a query is for."""
    parameters = context.given(*_FILTERS, "format")
    result = _result(parameters)
    count = context.index.count(Search(result.id, *_filtered(result, parameters)), context.is_cancelled)
    if parameters.choice("format", _FORMATS) == "json":
        return Response(f'{{"count": "{count}"}}', media_type=JSON)
    return Response(f"count\n{count}\n", media_type="text/plain")


post_count = get_count


def get_file_report(context: Context) -> Response:
    """Return the files of a run, sample, study, experiment or matrix."""
    parameters = context.given("accession", "result", "fields", "format", "limit", "offset", "download", "dataPortal")
    result = _result(parameters)
    if not result.reported:
        names = ", ".join(id for id, spec in RESULTS.items() if spec.reported)
        raise InvalidQuery(f"Invalid result supplied: {result.id}: reports are there for {names}")
    accession = parameters.text("accession")
    if accession is None:
        raise InvalidQuery("Accession must be supplied: give accession=… of a run, sample, study, experiment or matrix")
    fields = context.index.fields(result.id)
    wanted = _wanted(result, fields, list_of(parameters, "fields"), result.reported)
    key = fields.get(result.key)
    if key not in wanted:
        wanted = [key, *wanted]
    limit = parameters.whole_number("limit", 0, _GREATEST) or 0
    offset = parameters.whole_number("offset", 0, _GREATEST) or 0
    search = Search(result.id, _of_accession(context, result, fields, accession), limit=limit, offset=offset)
    return _respond(context, parameters, search, fields, wanted)


post_file_report = get_file_report


def get_results(context: Context) -> Response:
    """Return the kinds of records."""
    parameters = context.given("dataPortal", "format")
    names = ("resultId", "description", "primaryAccessionType", "recordCount", "lastUpdated")
    rows: list[Row] = [
        (spec.id, spec.description, spec.key, str(context.index.number_of_records(spec.id)), "")
        for spec in RESULTS.values()
    ]
    return table(context, names, iter([rows]), parameters.choice("format", _FORMATS) or "tsv")


def get_search_fields(context: Context) -> Response:
    """Return the fields that records can be searched by."""
    return _described(context, searched=True)


def get_return_fields(context: Context) -> Response:
    """Return the fields that a reply can have."""
    return _described(context, searched=False)


def _described(context: Context, searched: bool) -> Response:
    parameters = context.given("result", "dataPortal", "format")
    result = _result(parameters)
    rows: list[Row] = [
        (field.name, field.description, field.kind)
        for field in context.index.fields(result.id).all.values()
        if not (searched and field.is_computed)
    ]
    names = ("columnId", "description", "type")
    return table(context, names, iter([rows]), parameters.choice("format", _FORMATS) or "tsv")


def _result(parameters: Parameters) -> ResultSpec:
    name = parameters.text("result")
    known = ", ".join(RESULTS)
    if name is None:
        raise InvalidQuery(f"Result type must be supplied: give result=… of {known}")
    spec = RESULTS.get(_SAME.get(name, name))
    if spec is None:
        raise InvalidQuery(f"Invalid result supplied: {shown(name)[1:-1]}: there are {known}")
    return spec


def _wanted(result: ResultSpec, fields: FieldTable, names: Sequence[str], usual: Iterable[str]) -> list[Field]:
    """Return the fields that a reply is to have."""
    if not names:
        return [fields.get(name) for name in usual]
    if "all" in names:
        return list(fields.all.values())
    found = {name: fields.find(name) for name in names}
    unknown = [name for name, field in found.items() if field is None]
    if unknown:
        raise unknown_fields(unknown)
    return list(dict.fromkeys(field for field in found.values() if field is not None))


def _filtered(
    result: ResultSpec, parameters: Parameters
) -> tuple[Condition | None, tuple[str, list[str]] | None, tuple[str, list[str]] | None]:
    """Return the condition of a query, and the accessions that are wanted and not wanted."""
    query = parameters.text("query")
    condition = None if query is None else parse(query)
    lists = []
    for word in ("include", "exclude"):
        accessions = list_of(parameters, f"{word}Accessions")
        type = parameters.choice(f"{word}AccessionType", _TYPES)
        name = result.key if type is None else f"{type}_accession"
        lists.append((name, accessions) if accessions else None)
    return condition, lists[0], lists[1]


def _of_accession(context: Context, result: ResultSpec, fields: FieldTable, accession: str) -> Condition:
    """Return the condition: a record has an accession, or belongs to what has it."""
    names = [f"{type}_accession" for type in (*_TYPES, "secondary_study", "secondary_sample", "project")]
    conditions: list[Condition] = []
    for name in names:
        if name in fields.all:
            conditions.append(Comparison(name, "=", exactly(accession)))
    if result.id == "analysis":
        samples = context.index.fields("sample")
        search = Search("sample", Comparison("sample_accession", "=", exactly(accession)))
        for rows in context.index.records(search, [samples.get("analysis_accession")]):
            ids = dict.fromkeys(id for row in rows for id in (row[0] or "").split(";") if id)
            conditions += (Comparison("analysis_accession", "=", exactly(id)) for id in ids)
    return Several("OR", tuple(conditions), 2)


def _respond(
    context: Context, parameters: Parameters, search: Search, fields: FieldTable, wanted: Sequence[Field]
) -> Response:
    format = parameters.choice("format", _FORMATS) or "tsv"
    filename = f"ena_{search.result}" if parameters.flag("download") else None
    files = FileFields(context, fields, wanted)
    batches = files.filled(context.index.records(search, files.fields, context.is_cancelled))
    # Under the name that was asked for, so that clients find it again.
    asked = {fields.find(name): name for name in list_of(parameters, "fields")}
    return table(context, [asked.get(field, field.name) for field in wanted], batches, format, filename)
