"""The bases of the references that CRAM files were compressed by, out of the genomes of the server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from rnaget_server.catalog import Genome, ReadSet
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, StoreFailure
from rnaget_server.reads.files import Reference, Region
from rnaget_server.reads.transcode import FoundReferences, FoundSequence
from rnaget_server.sequences.digests import StoredSequence
from rnaget_server.sequences.parts import LETTERS
from rnaget_server.sequences.store import SequenceStore

_REGISTRY = "REF_PATH"
_MOST_NAMED = 3


def find_references(
    view: View, reads: ReadSet, opened: OpenReads, regions: Iterable[Region] | None
) -> FoundReferences | None:
    """Return where the bases are that the reads of regions, or all, are decoded with; None if none are needed.

    The genome of the study comes first, then the others. They are found by their MD5 digest, or where the header has
    none, by name and length; the program that decodes compares the digest of each slice with them.

    Raises
    ------
    InvalidQuery
        If one is not here, and ``REF_PATH`` names no other place.
    StoreFailure
        If the file or a genome cannot be read.
    """
    needed = opened.needed_references(None if regions is None else list(regions))
    if not needed.all:
        return None
    best: FoundReferences | None = None
    for genome, store in _genomes(view, reads):
        found = [_found(store, reference) for reference in needed.all]
        sequences = tuple(sequence for sequence in found if sequence is not None)
        if best is None or len(sequences) > len(best.sequences):
            best = FoundReferences(genome.directory / LETTERS, sequences)
        if len(sequences) == len(needed.all):
            break
    names = {sequence.name for sequence in best.sequences} if best is not None else set()
    missing = [reference for reference in needed.surely if reference.name not in names]
    if missing and not os.environ.get(_REGISTRY):
        raise InvalidQuery(
            f"fields, tags and notags of {reads.id} as CRAM need the sequence of {_listed(missing)}, which no genome "
            "here has: ask without them, or for BAM; its provider can import the genome"
        )
    return best


def _genomes(view: View, reads: ReadSet) -> Iterator[tuple[Genome, SequenceStore]]:
    """Yield the genomes that can be read, that of the study first."""
    study = view.catalog.studies.get(reads.study_id)
    own = study.genome if study is not None else None
    failed: StoreFailure | None = None
    any_open = False
    for genome in sorted(view.catalog.genomes.values(), key=lambda genome: genome.id != own):
        try:
            store = view.stores.open_genome(genome)
        except StoreFailure as failure:
            failed = failed or failure
            continue
        any_open = True
        yield genome, store
    if failed is not None and not any_open:
        raise failed


def _found(store: SequenceStore, reference: Reference) -> FoundSequence | None:
    sequence: StoredSequence | None
    if reference.md5 is None:
        sequence = store.member(reference.name)
        is_same = sequence is not None and sequence.length == reference.length
    else:
        md5 = reference.md5.lower()
        sequence = store.find(md5)
        is_same = sequence is not None and sequence.digests.md5 == md5
    if sequence is None or not is_same:
        return None
    return FoundSequence(reference.name, sequence.start, sequence.length)


def _listed(references: list[Reference]) -> str:
    named = [
        f"{reference.name} (MD5 {reference.md5})" if reference.md5 is not None else reference.name
        for reference in references[:_MOST_NAMED]
    ]
    more = len(references) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
