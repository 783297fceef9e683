"""The data among those that a request has read that not everybody may see."""

from __future__ import annotations

from collections.abc import Sequence

from rnaget_server.catalog import Catalog, LiveCatalog
from rnaget_server.catalog.records import Conditions
from rnaget_server.model.access import PUBLIC, SampleAccess
from rnaget_server.model.observation import Reading

READS_FILE = "reads file"
"""The kind of a reading whose record is a file of alignments or variants, as the log calls it."""


class ControlledReadings:
    """Knows the conditions of all records of the catalogue in service.

    Parameters
    ----------
    live
        The catalogue.
    """

    def __init__(self, live: LiveCatalog) -> None:
        self._live = live
        self._of: tuple[Catalog, _Conditions] | None = None

    def among(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return those that were read of a record with conditions, or of samples with some.

        Files of alignments and variants are named by the record that they belong to.
        """
        if not readings:
            return []
        catalog, of = self._live.loaded, self._of
        if of is None or of[0] is not catalog:
            of = self._of = (catalog, _Conditions(catalog))
        found = {reading: None for reading in map(of[1].controlled, readings) if reading is not None}
        return list(found)


class _Conditions:
    """The records of one catalogue that have conditions, by kind and id."""

    def __init__(self, catalog: Catalog) -> None:
        self._records: dict[tuple[str, str], Conditions] = {}
        self._samples: dict[tuple[str, str], SampleAccess] = {}
        self._sets: dict[str, Reading] = {}
        for matrix in catalog.matrices.values():
            self._add("expressions", matrix.id, matrix.access)
            if matrix.sample_access is not None:
                self._samples["expressions", matrix.id] = matrix.sample_access
        for tracks in catalog.track_sets.values():
            self._add("continuous", tracks.id, tracks.access)
        for genome in catalog.genomes.values():
            self._add("genomes", genome.id, genome.access)
        for study in catalog.studies.values():
            for reads in study.read_sets:
                of_regions = tuple(one.access for one in reads.region_access if one.access != PUBLIC)
                self._add(reads.kind, reads.id, (*reads.access, *of_regions))
                self._sets.update({file.id: Reading(reads.kind, reads.id) for file in reads.files})

    def _add(self, kind: str, id: str, access: Conditions) -> None:
        if access:
            self._records[kind, id] = access

    def controlled(self, reading: Reading) -> Reading | None:
        """Return a reading if it is of something with conditions, under the name of its record."""
        if reading.kind == READS_FILE:
            reading = self._sets.get(reading.record, reading)
        key = (reading.kind, reading.record)
        rules = self._samples.get(key)
        # Of a matrix, one who may see none of the samples with conditions has read none of them.
        sees_more = rules is not None and reading.hidden != rules
        return Reading(*key) if key in self._records or sees_more else None
