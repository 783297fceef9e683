"""The catalogue, the open stores and the limits: all that slicing, pages and commands need of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from rnaget_server.catalog import Catalog, Genome, LiveCatalog, Matrix, ReadSet
from rnaget_server.catalog.configuration import file_limits
from rnaget_server.catalog.object_storage import updates_of
from rnaget_server.catalog.offered import Group
from rnaget_server.compute import Compute, open_compute
from rnaget_server.compute.local import LocalCompute
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.datasets.files import FileOffer, OfferedFiles, open_offer
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.errors import AmbiguousId, StoreFailure
from rnaget_server.model.limits import Limits
from rnaget_server.model.memory import MemoryBudget
from rnaget_server.model.observation import note_principal, note_reading
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.plugins import STORES, Registry
from rnaget_server.sequences.digests import StoredSequence, is_digest
from rnaget_server.sequences.store import Alias, SequenceStore
from rnaget_server.settings import Settings
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.storage.disk_cache import DiskCache
from rnaget_server.stores.base import MatrixStore

Answer = TypeVar("Answer")
_GROUPS: tuple[Group, ...] = ("expressions", "continuous", "reads", "variants")
_MOST_CANDIDATES = 20
SUMMARIES_SHARE = 4
"""Of the disk that caches may take, summaries of whole matrices have this part; the rest is for slices."""


@dataclass(frozen=True)
class Repository:
    """The data of one running server.

    Attributes
    ----------
    live
        The catalogue in service.
    stores
        The open data files.
    limits
        The most that one reply may have.
    memory
        What large pieces of work take together.
    summaries
        Where summaries of whole matrices are kept.
    offer
        What of the data files is offered as it is.
    policy
        Who may see what.
    compute
        What works on whole matrices.
    """

    live: LiveCatalog
    stores: StoreCache
    limits: Limits
    memory: MemoryBudget
    summaries: DiskCache
    offer: FileOffer
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    compute: Compute = field(default_factory=LocalCompute)

    def visible_to(self, principal: Principal = ANYONE) -> View:
        """Return what a principal may see at the moment: the one way to records."""
        catalog, rights, policy = self.live.current, "", self.policy
        # Most requests are by those who have not signed in, for what everybody may see.
        if principal is not ANYONE or catalog is not policy.unrestricted:
            note_principal(principal)
            visible, rights = policy.visible(catalog, principal), policy.rights(catalog, principal)
            catalog, principal = visible, policy.narrowed(catalog, principal)
        return View(
            catalog, rights, self.stores, self.limits, self.memory, self.summaries, self.offer, principal, self.compute
        )

    def loaded_catalog(self, principal: Principal = ANYONE) -> Catalog:
        """Return what a principal may see of the catalogue as it was read last, without a look at its files."""
        return self.policy.visible(self.live.loaded, principal)


@dataclass(frozen=True)
class LocatedSequence:
    """A sequence, the genome that has it, and its open store."""

    genome: Genome
    store: SequenceStore
    sequence: StoredSequence

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield its letters, see `SequenceStore.read`."""
        note_reading("genomes", self.genome.id)
        return self.store.read(self.sequence, start, stop)


@dataclass(frozen=True)
class View:
    """The part of the repository that one principal may see.

    Attributes
    ----------
    catalog
        The part of the catalogue that was in service when this was made.
    rights
        The principal's rights, as far as replies depend on them.
    stores, limits, memory, summaries, offer, compute
        Those of the repository.
    principal
        One who may see the same, with no grants but those that the catalogue asks for.
    """

    catalog: Catalog
    rights: str
    stores: StoreCache
    limits: Limits
    memory: MemoryBudget
    summaries: DiskCache
    offer: FileOffer
    principal: Principal = ANYONE
    compute: Compute = field(default_factory=LocalCompute)

    @property
    def files(self) -> OfferedFiles:
        """The data files that are offered as they are."""
        return OfferedFiles(self.catalog, self.offer)

    def find_sequence(self, id: str) -> LocatedSequence | None:
        """Return the sequence that some genome has under an id, see `SequenceStore.find`; None if none has.

        The name of a genome before a colon has it looked up there first. A genome that cannot be read is passed over,
        if another has the sequence.

        Raises
        ------
        AmbiguousId
            If different sequences have the id.
        StoreFailure
            If none has it, and one could not be read.
        """
        own = self._in_named_genome(id)
        if own is not None:
            return own
        failed: StoreFailure | None = None
        found: list[LocatedSequence] = []
        several: list[tuple[Genome, SequenceStore]] = []
        for genome in self.catalog.genomes.values():
            try:
                store = self.stores.open_genome(genome)
                sequence = store.find(id)
                if sequence is not None:
                    found.append(LocatedSequence(genome, store, sequence))
                    if is_digest(id):  # which has no other letters elsewhere
                        break
                elif not is_digest(id) and store.is_ambiguous(id):
                    several.append((genome, store))
            except StoreFailure as failure:
                failed = failure
        if several or len({one.sequence.digests for one in found}) > 1:
            raise AmbiguousId(id, [*(f"{one.genome.id}:{id}" for one in found), *_candidates(id, several)])
        if failed is not None and not found:
            raise failed
        return found[0] if found else None

    def _in_named_genome(self, id: str) -> LocatedSequence | None:
        genome_id, colon, name = id.partition(":")
        genome = self.catalog.genomes.get(genome_id) if colon else None
        if genome is None:
            return None
        store = self.stores.open_genome(genome)
        sequence = store.find(id)
        if sequence is None:
            if store.is_ambiguous(id) or store.is_ambiguous(name):
                raise AmbiguousId(id, _candidates(name, [(genome, store)]))
            sequence = store.find(name)
        return LocatedSequence(genome, store, sequence) if sequence is not None else None

    def aliases_of(self, sequence: StoredSequence) -> list[Alias]:
        """Return the names of a sequence in all genomes that can be read, sorted."""
        found = {name for store, same in self._holders(sequence) for name in store.aliases(same)}
        return sorted(found, key=lambda name: (name.authority, name.alias))

    def is_circular(self, sequence: StoredSequence) -> bool:
        """Return whether a sequence is circular in some genome that can be read."""
        return any(same.circular for _, same in self._holders(sequence))

    def _holders(self, sequence: StoredSequence) -> Iterator[tuple[SequenceStore, StoredSequence]]:
        for genome in self.catalog.genomes.values():
            with suppress(StoreFailure):
                store = self.stores.open_genome(genome)
                same = store.find(sequence.digests.ga4gh)
                if same is not None:
                    yield store, same

    def references_of(self, reads: ReadSet, md5: str) -> set[str]:
        """Return the names of the sequences of an MD5 digest in the genome of a study; none if it has none here."""
        study = self.catalog.studies.get(reads.study_id)
        genome = self.catalog.genomes.get(study.genome) if study is not None and study.genome else None
        if genome is None:
            return set()
        store = self.stores.open_genome(genome)
        sequence = store.find(md5)
        return {name.alias for name in store.aliases(sequence)} if sequence is not None else set()

    def collection_of(self, genome: str) -> str | None:
        """Return the digest of the sequence collection of a genome; None if it is not here, or cannot be read."""
        record = self.catalog.genomes.get(genome)
        if record is not None:
            with suppress(StoreFailure):
                return self.stores.open_genome(record).digest()
        return None

    def naming_authorities(self) -> set[str]:
        """Return who gives names to sequences, in all genomes that can be read."""
        found: set[str] = set()
        for genome in self.catalog.genomes.values():
            with suppress(StoreFailure):
                found.update(self.stores.open_genome(genome).authorities())
        return found

    def read_each(self, read: Callable[[Matrix, MatrixStore], Answer]) -> tuple[dict[str, Answer], tuple[str, ...]]:
        """Return what `read` finds in the file of each matrix, by id of the matrix, and the ids of the unreadable."""
        found, omitted = {}, []
        for matrix in self.catalog.matrices.values():
            try:
                found[matrix.id] = read(matrix, self.stores.open(matrix))
            except StoreFailure:
                omitted.append(matrix.id)
        return found, tuple(omitted)


def _candidates(id: str, several: list[tuple[Genome, SequenceStore]]) -> Iterator[str]:
    """Yield what to ask by in place of an id that several sequences of one genome have."""
    for genome, store in several:
        named = store.named(id, _MOST_CANDIDATES)
        of_authorities: dict[str, set[int]] = {}
        for name, sequence in named:
            of_authorities.setdefault(name.authority, set()).add(sequence.number)
        for name, sequence in named:
            is_only = len(of_authorities[name.authority]) == 1 and name.alias == id
            yield f"{genome.id}:{name.authority}:{name.alias}" if is_only else sequence.digests.ga4gh


def open_repository(settings: Settings, arrays: ArrayCache | None = None) -> Repository:
    """Return the data that a server with these settings answers from.

    Parameters
    ----------
    settings
        The settings.
    arrays
        Where arrays of files are kept; None: in as much memory as a server has for them.

    Raises
    ------
    CatalogError
        If the catalogue has no valid ``catalog.yaml``.
    """
    live = LiveCatalog(settings.data, settings.reload_seconds, updates_of(settings.data))
    repository = Repository(
        live=live,
        stores=StoreCache(
            Registry(STORES),
            access=FileAccess(file_limits(settings), ArrayCache() if arrays is None else arrays),
            confirms=live.confirms,
            indexes=settings.cache_directory / "shards",
        ),
        limits=Limits(settings.max_cells, settings.max_positions, settings.max_bytes, settings.max_body_bytes),
        memory=MemoryBudget(settings.max_request_bytes),
        summaries=DiskCache(settings.cache_directory / "summaries", settings.cache_bytes // SUMMARIES_SHARE),
        offer=open_offer(
            settings.cache_directory / "checksums" if settings.cache_bytes else None,
            [group for group in _GROUPS if group not in settings.switched_off] if settings.offer_files else [],
        ),
        compute=open_compute(settings.compute),
    )
    repository.loaded_catalog()  # so that the first reply is marked rightly
    return repository
