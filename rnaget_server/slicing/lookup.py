"""The records that a query is about, where a download comes from, and the messages where nothing is found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from rnaget_server import __version__
from rnaget_server.catalog import Catalog, Matrix, TrackSet
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownId, listed, shown, unknown_name
from rnaget_server.model.axis import Near
from rnaget_server.model.slice import GenomeReference
from rnaget_server.model.suggestions import Suggestions, merged
from rnaget_server.query import MatrixQuery, RegionQuery
from rnaget_server.query.strings import canonical
from rnaget_server.query.table import OF_FORMAT

# Looking for similar names takes long, and a few matrices show as much as all.
_MOST_LOOKED_AT = 3
_MOST_OF_QUERY = 2000

Record = TypeVar("Record", Matrix, TrackSet)
AnyRecord = TypeVar("AnyRecord")


def known_record(kind: str, id: str, records: Mapping[str, AnyRecord]) -> AnyRecord:
    """Return the record of an id.

    Raises
    ------
    UnknownId
        If there is none; the message has the nearest id.
    """
    if id not in records:
        raise UnknownId(unknown_name(kind, id, records))
    return records[id]


def matrix_of(view: View, id: str) -> Matrix:
    """Return the matrix of an id.

    Raises
    ------
    UnknownId
        If there is none.
    """
    return known_record("expression matrix", id, view.catalog.matrices)


def record_by_id(kind: str, id: str, records: Mapping[str, Record], query: MatrixQuery | RegionQuery) -> Record:
    """Return the matrix or set of tracks of that id, if it has the filters of the query and belongs where it says.

    Raises
    ------
    UnknownId
        If there is none, or it is of another project, study or version.
    InvalidQuery
        If it lacks a filter of the query.
    """
    record = known_record(kind, id, records)
    for name in query.filters:
        if name not in record.filters:
            raise InvalidQuery(f"{record.id}: " + unknown_name("filter", name, record.filters))
    if not belongs(record, query):
        raise UnknownId(f"the {kind} {record.id} does not belong to that projectID, studyID and version")
    return record


def belongs(record: Matrix | TrackSet, query: MatrixQuery | RegionQuery) -> bool:
    """Return whether a record is of the project, study and version that the query names."""
    return (
        query.project_id in (None, record.project_id)
        and query.study_id in (None, record.study_id)
        and query.version in (None, record.version)
    )


def matching(
    kind: str, catalog: Catalog, records: Mapping[str, Record], query: MatrixQuery | RegionQuery
) -> list[Record]:
    """Return the records of the project, study and version that the query names.

    Raises
    ------
    UnknownId
        If there is none.
    """
    found = [record for record in records.values() if belongs(record, query)]
    if found:
        return found
    if query.project_id is not None and query.project_id not in catalog.projects:
        raise UnknownId(unknown_name("project", query.project_id, catalog.projects))
    if query.study_id is not None and query.study_id not in catalog.studies:
        raise UnknownId(unknown_name("study", query.study_id, catalog.studies))
    raise UnknownId(f"no {kind} has that projectID, studyID and version together: leave one out")


def not_found(
    missing: Mapping[str, Sequence[str]],
    found: Sequence[Collection[str]],
    near: Sequence[Mapping[str, Near]],
    filters: Collection[str],
) -> str:
    """Return the message for a query that selects nothing.

    Parameters
    ----------
    missing
        For each parameter, the values that no candidate has.
    found
        For each candidate, the parameters that select something by themselves.
    near
        For each candidate and parameter, what looks for values like those that were asked for.
    filters
        The metadata filters of the query.
    """
    if not found:
        return f"nothing can be filtered by {' and '.join(filters)} at once: ask with fewer filters"
    for name, values in missing.items():
        if any(name in candidate for candidate in found):
            continue
        if not values:
            return f"nothing lies within {name}: relax the bounds"
        named = ", ".join(shown(value) for value in values[:10])
        more = f" and {len(values) - 10:,} more" if len(values) > 10 else ""
        looked = [candidate[name] for candidate in near if name in candidate][:_MOST_LOOKED_AT]
        hint = _hint(merged(suggest() for suggest in looked), len(values) > 1)
        return f"nothing here has the {name} {named}{more}: {hint}"
    if len(missing) <= 1:  # all features, or those of one parameter
        return "there are no samples here"
    return f"nothing matches {', '.join(missing)} together, though each alone matches: leave one out"


def _hint(found: Suggestions, several: bool) -> str:
    """Return what may have been meant; of several names asked for, for which of them."""
    parts = []
    for asked, alike in found.alike.items():
        if alike:
            meant = " or ".join(shown(text) for text in alike[:3])
            parts.append(f"{meant} for {shown(asked)}" if several else meant)
    parts += [shown(place)[1:-1] for place in found.elsewhere.values()]
    hint = f"did you mean {', '.join(parts)}?" if parts else "check the spelling"
    return f"{hint}{' ' if parts else ': '}there {_are(found.every)}" if found.every else hint


def _are(values: Sequence[str]) -> str:
    return f"{'are' if len(values) > 1 else 'is'} {listed([shown(value)[1:-1] for value in values])}"


def missing_from_all(missing: Sequence[Mapping[str, list[str]]]) -> Mapping[str, list[str]]:
    """Return the values asked for that none of the candidates has, by parameter, given what each lacks."""
    if not missing:
        return {}
    common = {}
    for name, values in missing[0].items():
        lacking = [frozenset(lacked[name]) for lacked in missing[1:]]
        common[name] = [value for value in values if all(value in lacked for lacked in lacking)] if lacking else values
    return common


def origin(
    view: View, records: Sequence[Matrix | TrackSet], units: str, query: MatrixQuery | RegionQuery
) -> tuple[dict[str, str], str, tuple[GenomeReference, ...]]:
    """Return where a download comes from, as written into it, a digest of the query, and the genomes of the records.

    The query is in one form for any order of its parameters, without the format and its compression, which the file
    itself shows.
    """
    start, digest = canonical(query.given, _MOST_OF_QUERY, OF_FORMAT)
    catalog, references = view.catalog, _references(view, records)
    studies = [catalog.studies[record.study_id] for record in records if record.study_id in catalog.studies]
    kind = "expression" if isinstance(records[0], Matrix) else "continuous"
    values = {
        kind: ", ".join(record.id for record in records),
        "version": ", ".join(dict.fromkeys(record.version for record in records)),
        "study": ", ".join(dict.fromkeys(study.id for study in studies)),
        "genome": ", ".join(dict.fromkeys(study.genome for study in studies if study.genome)),
        "sequence_collection": _sequence_collections(references),
        "units": units,
        "license": ", ".join(dict.fromkeys(record.license for record in records if record.license)),
        "query": start,
        "server": f"{catalog.service.name}, rnaget-server {__version__}",
    }
    return {key: value for key, value in values.items() if value}, digest, references


def _references(view: View, records: Sequence[Matrix | TrackSet]) -> tuple[GenomeReference, ...]:
    """Return the genome of each record, with the digest of its collection where it is here; nothing if none has one."""
    genomes: dict[str, GenomeReference] = {}
    references = []
    for record in records:
        if record.study_id not in genomes:
            study = view.catalog.studies.get(record.study_id)
            name = study.genome if study is not None else None
            genomes[record.study_id] = GenomeReference(name, view.collection_of(name) if name else None)
        references.append(genomes[record.study_id])
    return tuple(references) if any(reference.name for reference in references) else ()


def _sequence_collections(references: Sequence[GenomeReference]) -> str:
    """Return the digests of sequence collections as they are written into a download; nothing if there is none."""
    if not any(reference.collection for reference in references):
        return ""
    return ", ".join(dict.fromkeys(map(str, references)))
