"""Open stores of one process, by matrix; a file that was replaced is opened again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rnaget_server.catalog.models import template_fields
from rnaget_server.catalog.records import Genome, Matrix, ReadsFile, Record, TrackSet
from rnaget_server.catalog.shards import is_pattern
from rnaget_server.datasets.controlled import READS_FILE
from rnaget_server.datasets.guarded import Guard, GuardedSequences, GuardedStore
from rnaget_server.datasets.guarded_tracks import GuardedTracks
from rnaget_server.datasets.kept_stores import KeptStores, paths_of
from rnaget_server.datasets.masked import masked
from rnaget_server.datasets.reads import IndexCache, OpenReads
from rnaget_server.datasets.rule_check import vain_rules
from rnaget_server.model.axis import read_labels
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.observation import CURRENT, note_reading
from rnaget_server.model.use_counts import UseCounts
from rnaget_server.plugins import Registry
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.sequences.verify import verify
from rnaget_server.storage.access import DEFAULT_LIMITS, FileAccess
from rnaget_server.storage.local import FileVersion, version_at, version_of_all
from rnaget_server.stores.base import MatrixStore, StoreClass
from rnaget_server.stores.failures import UnfitFile, is_of_file, reason
from rnaget_server.stores.layout import Kind
from rnaget_server.stores.native.file import NativeFile
from rnaget_server.stores.native.kept_contents import known_kind
from rnaget_server.stores.sharded import IndexPlace, OpenShards, ShardedStore, ShardFile
from rnaget_server.stores.tracks.base import TrackStore
from rnaget_server.stores.tracks.bigwig import BigWigStore
from rnaget_server.stores.tracks.bigwig_check import check_bigwig
from rnaget_server.stores.tracks.loom import LoomTrackStore

_DIGEST_BYTES = 20
_MOST_KINDS = 1 << 14


class StoreCache:
    """Opens the data files of matrices and of sets of tracks, and keeps the last `most` of each open.

    All that one of them raises, when it is opened or later, is a `StoreFailure`, which the log has the reason of
    once for each state of its files. A store that drops out is not closed but forgotten, since a reply may still be
    read from it; its file closes with the last reader.

    Parameters
    ----------
    kinds
        The kinds of stores of matrices.
    most
        How many of each are kept open.
    access
        How files are opened.
    confirms
        Return whether the catalogue still has a record as it is; called where its file is gone.
    indexes
        Where indexes of matrices of many files are kept; None if there are to be none.
    """

    def __init__(
        self,
        kinds: Registry,
        most: int = 256,
        access: FileAccess | None = None,
        confirms: Callable[[Record], bool] = lambda _: True,
        indexes: Path | None = None,
    ) -> None:
        shards = OpenShards()

        def open_matrix(matrix: Matrix, guard: Guard) -> GuardedStore:
            # Before the file is opened, so that nothing old passes for new.
            versions = [version_at(path) for path in matrix.paths]
            opened = open_store(matrix, kinds, access, shards, versions, _index_place(matrix, access, indexes))
            store = GuardedStore(opened, guard, version_of_all(versions))
            problems = validate_against_catalog(matrix, store)
            if problems:
                raise OSError("; ".join(problems))
            return store

        def open_tracks(record: TrackSet, guard: Guard) -> TrackStore:
            return GuardedTracks(track_store(record, access), guard)

        def open_genome(genome: Genome, guard: Guard) -> GuardedSequences:
            return GuardedSequences(SequenceStore(genome.directory), guard)

        indexes_of_reads = IndexCache()

        def open_reads(file: ReadsFile, guard: Guard) -> OpenReads:
            return OpenReads(file, guard, indexes_of_reads)

        self.limits = access.limits if access is not None else DEFAULT_LIMITS
        """The bounds within which files are read."""
        self.uses = UseCounts()
        """How often a file was open when it was asked for."""
        self._matrices = KeptStores[Matrix, GuardedStore]("matrix", open_matrix, most, confirms, self.uses)
        self._tracks = KeptStores[TrackSet, TrackStore]("set", open_tracks, most, confirms, self.uses)
        self._genomes = KeptStores[Genome, GuardedSequences]("genome", open_genome, most, confirms, self.uses)
        self._reads = KeptStores[ReadsFile, OpenReads]("file of", open_reads, most, confirms, self.uses)

    def open(self, matrix: Matrix, cancellation: Cancellation | None = None) -> GuardedStore:
        """Return the open store of `matrix`; its cells are read until that is cancelled.

        For a record with rules about its samples it is one in which those are hidden, over the same open file.

        Raises
        ------
        StoreFailure
            If the file is missing, unreadable, or lacks what the catalogue says of it.
        CatalogChanged
            If the file is missing since the catalogue names another by now.
        """
        access = matrix.sample_access
        if access is None:
            store = self._matrices.get(matrix)
        else:
            store = masked(self._matrices.get(replace(matrix, sample_access=None)), matrix.id, access)
        noted = CURRENT.get()
        # Mostly nobody asks for it, which a look shows sooner than a call.
        if noted is not None and noted.readings is not None:
            note_reading("expressions", matrix.id, matrix.sample_access)
        if cancellation is not None:
            store = copy(store)
            store.cancellation = cancellation
        return store

    def open_tracks(self, record: TrackSet) -> TrackStore:
        """Return the open store of a set of signal tracks.

        Raises
        ------
        StoreFailure
            If a file is missing, unreadable, or of another genome than the others.
        CatalogChanged
            If a file is missing since the catalogue names another by now.
        """
        note_reading("continuous", record.id)
        return self._tracks.get(record)

    def open_genome(self, genome: Genome) -> GuardedSequences:
        """Return the open store of the sequences of a genome.

        Raises
        ------
        StoreFailure
            If a file is missing or unreadable.
        CatalogChanged
            If a file is missing since the catalogue names another by now.
        """
        return self._genomes.get(genome)

    def open_reads(self, file: ReadsFile) -> OpenReads:
        """Return an open file of alignments or variants.

        Raises
        ------
        StoreFailure
            If it or its index is missing or unreadable.
        CatalogChanged
            If it is missing since the catalogue names another by now.
        """
        note_reading(READS_FILE, file.id)
        return self._reads.get(file)

    def open_now(self) -> dict[str, int]:
        """Return how many files of each kind are kept open."""
        kinds: dict[str, KeptStores[Any, Any]] = {
            "matrix": self._matrices,
            "track_set": self._tracks,
            "genome": self._genomes,
            "reads": self._reads,
        }
        return {kind: len(kept) for kind, kept in kinds.items()}


def open_store(
    matrix: Matrix,
    kinds: Registry,
    access: FileAccess | None = None,
    shards: OpenShards | None = None,
    versions: Sequence[FileVersion] | None = None,
    index: IndexPlace | None = None,
) -> MatrixStore:
    """Return the opened file of `matrix`, or all of its files as one.

    Parameters
    ----------
    matrix
        The matrix.
    kinds
        The kinds of stores, of which the first is taken that recognises a file.
    access
        How files are opened.
    shards
        Where the files of a matrix of several are open; by default, a place of its own.
    versions
        The states in which these are to be read; by default, those that they are in now.
    index
        Where an index of them is kept, if they are many; by default, nowhere.

    Raises
    ------
    OSError
        With a message that names no directory, if there is no such file or it cannot be read, or does not fit others.
    """
    known: dict[Path, StoreClass] = {}  # a file of many is opened again and again

    def open_file(path: Path) -> MatrixStore:
        with _naming(path, "{} is damaged or truncated ({})"):
            if path not in known:
                known[path] = _kind_of(path, kinds, access)
            return known[path](path, matrix.units, access)

    if not matrix.shards:
        return open_file(matrix.path)
    versions = versions or [version_at(path) for path in matrix.shards]
    files = [
        ShardFile(path, version, matrix.units, open_file) for path, version in zip(matrix.shards, versions, strict=True)
    ]
    opened = OpenShards() if shards is None else shards
    return ShardedStore(files, opened, matrix.feature_id, matrix.sample_id, index)


def _index_place(matrix: Matrix, access: FileAccess | None, indexes: Path | None) -> IndexPlace | None:
    """Return where the index of a matrix is kept: one directory for a matrix, however its files change."""
    if indexes is None:
        return None
    named = f"{matrix.path.parent}\n{matrix.study_id}\n{matrix.id}".encode("utf-8", "surrogateescape")
    directory = indexes / hashlib.blake2b(named, digest_size=_DIGEST_BYTES).hexdigest()
    return IndexPlace(directory, access or FileAccess(), f"the matrix {matrix.id}")


def _kind_of(path: Path, kinds: Registry, access: FileAccess | None) -> StoreClass:
    version = version_at(path)
    known = None if access is None else known_kind(access, path, version)
    if known is None:
        return _kind_in_state(path, version, kinds)
    return _native_kind(known, kinds) or _kind_in_state(path, version, kinds)


@lru_cache
def _native_kind(known: Kind, kinds: Registry) -> StoreClass | None:
    native = (kind for kind in kinds.all().values() if issubclass(kind, NativeFile) and kind.kind == known)
    return next(native, None)


# Each kind opens the file to look, and of thousands of matrices not all stay open.
@lru_cache(_MOST_KINDS)
def _kind_in_state(path: Path, version: FileVersion, kinds: Registry) -> StoreClass:
    kind: StoreClass
    for kind in kinds.all().values():
        if kind.recognises(path):
            return kind
    raise UnfitFile(f"is of no known kind ({', '.join(kinds.names)})")


def track_store(record: TrackSet, access: FileAccess | None = None) -> TrackStore:
    """Return the opened set of signal tracks.

    Raises
    ------
    OSError
        If a file is missing or cannot be read, the tracks are of two genomes, or an attribute that a filter names is
        not there. The message names no directory.
    """
    store: TrackStore
    if record.path is not None:
        with _naming(record.path, "{}: {}"):
            store = LoomTrackStore(record.path, record.track_id, record.position, access)
    else:
        names = dict.fromkeys(name for track in record.tracks for name in track.attributes)
        attributes = {name: [track.attributes.get(name, "") for track in record.tracks] for name in names}
        samples = [track.sample for track in record.tracks]
        store = BigWigStore([track.path for track in record.tracks], {record.track_id: samples, **attributes})
    for filter in record.filters.values():
        if filter.attribute not in store.tracks.attributes:
            raise OSError(f"filter {filter.name}: no track has the attribute {filter.attribute!r}")
    return store


@contextmanager
def _naming(path: Path, damaged: str) -> Iterator[None]:
    """Turn what is raised of a file into an OSError that names it; `damaged` takes its name and the reason."""
    if not path.is_file():
        raise OSError(f"no file matches {path.name}" if is_pattern(path.name) else f"there is no file {path.name}")
    try:
        yield
    except UnfitFile as error:
        raise OSError(f"{path.name} {error}") from None
    except BaseException as error:
        if not is_of_file(error):
            raise
        raise OSError(damaged.format(path.name, reason(error, path))) from None


def problems_of(record: Matrix | TrackSet, kinds: Registry, access: FileAccess) -> list[str]:
    """Return everything that keeps a record from being served, as `check` names it; empty if all is well."""
    try:
        if isinstance(record, TrackSet):
            track_store(record, access)
            return [problem for track in record.tracks for problem in _problems_in(track.path)]
        store = open_store(record, kinds, access)
        for units in store.units:
            store.dtype(units)  # looks at every whole number, where some may be too large to be served
        read_labels(store.features, store.samples)
        for name in getattr(store, "embeddings", ()):
            store.embedding(name)
        problems = validate_against_catalog(record, store)
        return problems + list(vain_rules(record.sample_access, store.samples))
    except UnfitFile as error:
        return [f"{paths_of(record)[0].name} {error}"]
    except BaseException as error:
        if not is_of_file(error):
            raise
        return [reason(error, *paths_of(record))]


def genome_problems(genome: Genome) -> list[str]:
    """Return what keeps the sequences of a genome from being served, all of which are read; empty if all is well."""
    try:
        return verify(genome.directory)
    except BaseException as error:
        if not is_of_file(error):
            raise
        return [reason(error, *genome.paths)]


def remarks_of(record: Matrix | TrackSet, kinds: Registry, access: FileAccess) -> tuple[str, ...]:
    """Return what the file of a record has and is not served, such as columns in a form that is not known."""
    if isinstance(record, TrackSet):
        return ()
    try:
        remarks: tuple[str, ...] = getattr(open_store(record, kinds, access), "remarks", ())
    except OSError:  # it has changed since it was checked
        return ()
    name = record.path.name if not record.shards else f"{len(record.shards)} files"
    return tuple(f"{name}: {remark}" for remark in remarks)


def _problems_in(path: Path) -> list[str]:
    """Return what is wrong in a bigWig file, all of which is read."""
    try:
        check_bigwig(path)
    except OSError as error:
        return [reason(error, path)]
    return []


def validate_against_catalog(matrix: Matrix, store: MatrixStore) -> list[str]:
    """Return what the catalogue says of a matrix and its file does not hold; empty if all is well."""
    axes = {"feature": store.features, "sample": store.samples}
    asked = [("feature_id", "feature", matrix.feature_id), ("sample_id", "sample", matrix.sample_id)]
    if matrix.feature_name is not None:
        asked.append(("feature_name", "feature", matrix.feature_name))
    asked += [("tsv labels", "feature", name) for name in matrix.tsv.labels]
    asked += [("tsv column", "sample", name) for name in template_fields(matrix.tsv.column)]
    asked += [(f"filter {filter.name}", filter.axis, filter.attribute) for filter in matrix.filters.values()]
    if matrix.sample_access is not None:
        named = dict.fromkeys(name for rule in matrix.sample_access.rules for name in rule.where)
        asked += [("access", "sample", name) for name in named]
    problems = [
        f"{what}: {matrix.path.name} has no {axis} attribute {name!r}; it has {', '.join(axes[axis].attributes)}"
        for what, axis, name in asked
        if name not in axes[axis].attributes
    ]
    problems += [
        f"{what}: {axes[axis].incomplete[name]} has no {axis} attribute {name!r}, which other files of the matrix have"
        for what, axis, name in asked
        if name in axes[axis].incomplete
    ]
    for axis, name in (("feature", matrix.feature_id), ("sample", matrix.sample_id)):
        if name not in axes[axis].attributes or (axis == "sample" and matrix.shards):  # whose store has looked
            continue
        index = axes[axis].index(name)
        if index.empty.size:
            problems.append(f"{matrix.path.name} has no {axis} id in row {index.empty[0] + 1}: each needs one")
        elif (twice := index.repeated) is not None:
            problems.append(f"{matrix.path.name} has the {axis} id {twice!r} more than once: ids must be unique")
    return problems
