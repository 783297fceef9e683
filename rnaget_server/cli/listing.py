"""The lines of ``rnaget-server list``."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING

from rnaget_server.catalog import Catalog, Matrix, Study, TrackSet
from rnaget_server.cli.genomes import genome_lines
from rnaget_server.errors import StoreFailure

if TYPE_CHECKING:
    from rnaget_server.datasets.opening import StoreCache

_SHOWN = 3
_UNREADABLE = "cannot be read: see `rnaget-server check`"


def catalog_lines(catalog: Catalog, stores: StoreCache) -> Iterator[str]:
    """Yield what a catalogue offers, project by project."""
    for project in catalog.projects.values():
        yield f"{project.id}  {project.name or ''}".rstrip()
        for study in project.studies:
            yield from _study_lines(study, stores)
    yield from genome_lines(catalog, stores)
    yield counts_in_words(catalog)


def _study_lines(study: Study, stores: StoreCache) -> Iterator[str]:
    yield f"  {study.id}  {study.name or ''}".rstrip()
    for matrix in study.matrices:
        yield f"    {matrix.id}  {_describe_matrix(matrix, stores)}"
    for tracks in study.track_sets:
        yield f"    {tracks.id}  {_describe_tracks(tracks, stores)}"
    for reads in study.read_sets:
        yield f"    {reads.id}  {reads.kind}: {', '.join(reads.formats)}"


def _describe_matrix(record: Matrix, stores: StoreCache) -> str:
    try:
        store = stores.open(record)
        return "{:,} features × {:,} samples".format(*store.shape) + f"  {', '.join(store.units)}"
    except StoreFailure:
        return _UNREADABLE


def _describe_tracks(record: TrackSet, stores: StoreCache) -> str:
    try:
        store = stores.open_tracks(record)
    except StoreFailure:
        return _UNREADABLE
    names = list(store.chromosomes)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    tracks = "1 track" if store.tracks.size == 1 else f"{store.tracks.size:,} tracks"
    return f"{tracks}, {', '.join(names[:_SHOWN])}{more}  {record.units}"


def counts_in_words(catalog: Catalog) -> str:
    """Return how many records of each kind a catalogue has."""
    counts: list[tuple[Sized, str]] = [
        (catalog.projects, "project"),
        (catalog.studies, "study"),
        (catalog.matrices, "matrix"),
    ]
    counts += [(catalog.track_sets, "continuous set")] if catalog.track_sets else []
    counts += [(catalog.read_sets, "set of reads or variants")] if catalog.read_sets else []
    counts += [(catalog.genomes, "genome")] if catalog.genomes else []
    plurals = {"study": "studies", "matrix": "matrices", "set of reads or variants": "sets of reads or variants"}
    return ", ".join(
        f"{len(part):,} {name if len(part) == 1 else plurals.get(name, f'{name}s')}" for part, name in counts
    )
