"""A record of a catalogue by its id, with the YAML file that it is in and the data files that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rnaget_server.catalog.models import KIND_OF_FORMAT
from rnaget_server.catalog.records import Catalog, Genome, Matrix, Project, ReadSet, Study, TrackSet
from rnaget_server.errors import unknown_choice

RecordKind = Literal["matrix", "tracks", "reads", "variants", "genome", "study", "project"]
KINDS: tuple[RecordKind, ...] = ("matrix", "tracks", "reads", "variants", "genome", "study", "project")
"""The kinds of records that have ids of their own."""

AnyRecord = Matrix | TrackSet | ReadSet | Genome | Study | Project
_SECTIONS = {"matrix": "expressions", "tracks": "continuous", "reads": "reads", "variants": "reads"}
DataRecord = Matrix | TrackSet | ReadSet


@dataclass(frozen=True)
class Located:
    """A record, its kind, and the YAML file that it is in."""

    kind: RecordKind
    record: AnyRecord
    file: Path

    @property
    def section(self) -> str | None:
        """The list of study.yaml that has the record as an entry; None if the file is of the record alone."""
        return _SECTIONS.get(self.kind)

    @property
    def name(self) -> str:
        """The kind and the id, for messages."""
        return f"the {self.kind} {self.record.id}"

    def number(self, content: Mapping[str, Any]) -> int:
        """Return which entry of its section the record is."""
        for number, entry in enumerate(content[self.section or ""]):
            formats = {file["format"] for file in entry.get("files", ())} if self.section == "reads" else set()
            if entry["id"] == self.record.id and formats <= _formats(self.kind):
                return number
        raise ValueError(f"{self.name} is no longer in {self.file}: try again")


def located(catalog: Catalog, id: str, kind: RecordKind | None = None) -> Located:
    """Return the record of that id.

    Raises
    ------
    ValueError
        If there is none, or records of several kinds have the id and `kind` does not say which is meant.
    """
    groups = _by_kind(catalog)
    wanted = KINDS if kind is None else (kind,)
    found = [Located(name, groups[name][id], _file(catalog, groups[name][id])) for name in wanted if id in groups[name]]
    if len(found) == 1:
        return found[0]
    if found:
        names = [one.kind for one in found]
        raise ValueError(f"the id {id!r} is that of several: say by --kind which is meant ({', '.join(names)})")
    known = dict.fromkeys(name for group in wanted for name in groups[group])
    start = f"the catalogue has no {kind or 'record'} {id!r}"
    raise ValueError(unknown_choice(start, id, known, "it has") if known else start)


def is_used(catalog: Catalog, kind: RecordKind, id: str) -> bool:
    """Return whether a record of that kind has the id."""
    return id in _by_kind(catalog)[kind]


def data_records(catalog: Catalog) -> Iterable[DataRecord]:
    """Return every matrix, set of tracks, and set of alignments or variants."""
    return (*catalog.matrices.values(), *catalog.track_sets.values(), *catalog.read_sets.values())


def files_of(record: DataRecord) -> list[Path]:
    """Return the data files of a record, indexes among them."""
    if isinstance(record, ReadSet):
        return [path for file in record.files for path in file.paths]
    return list(record.paths)


def _by_kind(catalog: Catalog) -> dict[RecordKind, dict[str, AnyRecord]]:
    reads = {kind: {id: reads for (of, id), reads in catalog.read_sets.items() if of == kind} for kind in _READS}
    return {
        "matrix": {**catalog.matrices},
        "tracks": {**catalog.track_sets},
        "reads": {**reads["reads"]},
        "variants": {**reads["variants"]},
        "genome": {**catalog.genomes},
        "study": {**catalog.studies},
        "project": {**catalog.projects},
    }


_READS = ("reads", "variants")


def _formats(kind: RecordKind) -> set[str]:
    return {format for format, of in KIND_OF_FORMAT.items() if of == kind}


def _file(catalog: Catalog, record: AnyRecord) -> Path:
    if isinstance(record, Genome):
        return record.directory / "genome.yaml"
    if isinstance(record, Study | Project):
        return record.path
    return catalog.studies[record.study_id].path
