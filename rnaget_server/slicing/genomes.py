"""The genomes that matrices and tracks are on, and the genes of their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rnaget_server.catalog import Genome, Matrix, TrackSet
from rnaget_server.datasets.repository import View
from rnaget_server.sequences.genes import split_version

STABLE = ("ENS", "OTT")
"""Ids that begin so name one gene for ever; a symbol that was given to another since would lead to that."""


def genome_of(view: View, record: Matrix | TrackSet) -> Genome | None:
    """Return the genome of the study of a record; None if the study names none that is in the catalogue."""
    study = view.catalog.studies.get(record.study_id)
    return view.catalog.genomes.get(study.genome) if study is not None and study.genome else None


def gene_names(view: View, genome: Genome, features: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return for each feature the name by which its genome has the gene: its id, that without version, its symbol.

    None: the genome has no such gene.

    Raises
    ------
    StoreFailure
        If the files of the genome cannot be read.
    """
    names = [_names(feature) for feature in features]
    existing = view.stores.open_genome(genome).existing_names([name for some in names for name in some])
    return [next((name for name in some if name in existing), None) for some in names]


def _names(feature: Mapping[str, Any]) -> list[str]:
    id, symbol = (str(feature.get(key) or "") for key in ("id", "name"))
    names = [id, split_version(id)[0], "" if id.startswith(STABLE) else symbol]
    return list(dict.fromkeys(filter(None, names)))
