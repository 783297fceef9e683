"""The records of a catalogue, to be searched: projects, studies, matrices, tracks, genomes, reads and variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnaget_server.catalog import Catalog
from rnaget_server.catalog.records import Genome, Matrix, Project, ReadSet, Study, TrackSet
from rnaget_server.slicing.search.entries import Entries

_MOST_TRACKS = 100_000


@dataclass(frozen=True)
class Record:
    """A record of the catalogue as it is shown: its names, a note, its address, and a text in which parts are found."""

    id: str
    name: str
    note: str
    path: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True)
class Records:
    """Records of one kind; `entries` are they, by the same numbers."""

    records: tuple[Record, ...]
    entries: Entries

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """Return records to be searched."""
        kept = tuple(records)
        ids, names = [record.id for record in kept], [record.name for record in kept]
        return cls(kept, Entries(ids, names, [record.text for record in kept]))


def records_of(catalog: Catalog) -> Mapping[str, Records]:
    """Return the records of a catalogue by kind."""
    return {
        "study": Records.of(map(_study, catalog.studies.values())),
        "matrix": Records.of(map(_matrix, catalog.matrices.values())),
        "tracks": Records.of([*map(_track_set, catalog.track_sets.values()), *_tracks(catalog)]),
        "genome": Records.of(map(_genome, catalog.genomes.values())),
        "project": Records.of(_project(project) for project in catalog.projects.values() if project.studies),
        "reads": Records.of(map(_reads, catalog.read_sets.values())),
    }


def _study(study: Study) -> Record:
    text = _text(study.description, study.genome, *study.tags)
    return Record(study.id, study.name or "", f"study of {study.project_id}", ("studies", study.id), text)


def _matrix(matrix: Matrix) -> Record:
    text = _text(matrix.description, *matrix.tags)
    return Record(matrix.id, matrix.name or "", f"matrix of {matrix.study_id}", ("matrices", matrix.id), text)


def _track_set(tracks: TrackSet) -> Record:
    text = _text(tracks.description, *tracks.tags)
    return Record(tracks.id, tracks.name or "", f"tracks of {tracks.study_id}", ("tracks", tracks.id), text)


def _tracks(catalog: Catalog) -> list[Record]:
    """Return the single tracks, the first of very many."""
    found: list[Record] = []
    for tracks in catalog.track_sets.values():
        for track in tracks.tracks[: _MOST_TRACKS - len(found)]:
            text = _text(*track.attributes.values())
            found.append(Record(track.sample, "", f"track of {tracks.id}", ("tracks", tracks.id), text))
    return found


def _genome(genome: Genome) -> Record:
    text = _text(genome.description, genome.scientific_name, genome.common_name, genome.assembly, *genome.tags)
    return Record(genome.id, genome.name or "", genome.scientific_name or "genome", ("genomes", genome.id), text)


def _project(project: Project) -> Record:
    """Return a project, which has no page of its own: it leads to its first study."""
    text = _text(project.description, *project.tags)
    count = len(project.studies)
    note = f"project of {count} {'study' if count == 1 else 'studies'}"
    return Record(project.id, project.name or "", note, ("studies", project.studies[0].id), text)


def _reads(reads: ReadSet) -> Record:
    text = _text(reads.description, *reads.samples[:_MOST_TRACKS])
    return Record(reads.id, reads.name or "", f"{reads.kind} of {reads.study_id}", ("studies", reads.study_id), text)


def _text(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)
