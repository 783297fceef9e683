"""The records of an archive, made of projects, studies, matrices, tracks, reads, genomes and taxa."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

import numpy as np

from rnaget_server.archive.columns import SEVERAL
from rnaget_server.archive.fields import ADDRESS, FILES, RESULTS, FieldNames
from rnaget_server.archive.writing import Column, IndexWriter, joined
from rnaget_server.catalog.offered import Group
from rnaget_server.catalog.records import Genome, Matrix, Project, ReadSet, Study, TrackSet
from rnaget_server.catalog.taxonomy import Taxon
from rnaget_server.datasets.repository import View
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts

_AT_ONCE = 20_000
_FEW_SAMPLES = 100
_OF_STUDIES = re.compile(r"[EDS]RP[0-9]+")
_OF_SAMPLES = re.compile(r"[EDS]RS[0-9]+")
_OF_RUNS = ("read_run", "read_experiment")
_FORMATS = ("FASTQ", "BAM", "CRAM")
_FAILURES = (StoreFailure, CatalogChanged)


def write_records(view: View, writer: IndexWriter) -> None:
    """Write all records of a catalogue. What is in files that cannot be read is left out."""
    _Rows(view, writer).write()


class _Rows:
    def __init__(self, view: View, writer: IndexWriter) -> None:
        self._view = view
        self._writer = writer
        self._names = FieldNames()

    def write(self) -> None:
        self._declare()
        for project in self._view.catalog.projects.values():
            for study in project.studies:
                _StudyRows(self._view, self._writer, self._names, project, study).write()
        for genome in self._view.catalog.genomes.values():
            with suppress(*_FAILURES):
                self._add_sequences(genome)
        self._add_taxa()

    def _declare(self) -> None:
        """Make fields of all attributes of samples."""
        found: dict[str, str] = {}
        for study in self._view.catalog.studies.values():
            for attribute in _attributes(self._view, study):
                found.setdefault(self._names.of(attribute), f"attribute {attribute} of the sample")
        for result in ("sample", *_OF_RUNS):
            self._writer.declare(result, found.items())

    def _add_sequences(self, genome: Genome) -> None:
        store = self._view.stores.open_genome(genome)
        place = 0
        while members := store.members(place, _AT_ONCE):
            place += len(members)
            title = genome.assembly or genome.name or genome.id
            columns: dict[str, Column] = {
                "accession": [f"{sequence.digests.ga4gh}" for _, sequence in members],
                "sequence_accession": [name for name, _ in members],
                "sequence_md5": [sequence.digests.md5 for _, sequence in members],
                "description": [f"{name} of {title}" for name, _ in members],
                "base_count": [str(sequence.length) for _, sequence in members],
                "topology": ["circular" if sequence.circular else "linear" for _, sequence in members],
                "genome": genome.id,
                "assembly_accession": genome.assembly or "",
                "scientific_name": genome.scientific_name or "",
                "tax_id": genome.taxonomy_id or "",
                "tag": ";".join(genome.tags),
            }
            self._writer.add("sequence", columns, len(members))

    def _add_taxa(self) -> None:
        taxa = {}
        for genome in self._view.catalog.genomes.values():
            if genome.taxonomy_id:
                names = (genome.scientific_name or genome.common_name or genome.id, genome.common_name or "")
                taxa[genome.taxonomy_id] = Taxon(genome.taxonomy_id, *names)
        taxa |= self._view.catalog.taxa
        self._writer.add_taxa((taxon.id, taxon.parent, taxon.names) for taxon in taxa.values())
        rows = list(taxa.values())
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            columns: dict[str, Column] = {
                "tax_id": [taxon.id for taxon in some],
                "scientific_name": [taxon.scientific_name for taxon in some],
                "common_name": [taxon.common_name for taxon in some],
                "synonym": [";".join(taxon.other_names) for taxon in some],
                "rank": [taxon.rank for taxon in some],
                "parent_tax_id": [taxon.parent for taxon in some],
                "description": [
                    f"{taxon.scientific_name} ({taxon.common_name})" if taxon.common_name else taxon.scientific_name
                    for taxon in some
                ],
            }
            self._writer.add("taxon", columns, len(some))


class _StudyRows:
    """The records of one study."""

    def __init__(self, view: View, writer: IndexWriter, names: FieldNames, project: Project, study: Study) -> None:
        self._view = view
        self._writer = writer
        self._names = names
        self._project = project
        self._study = study
        self._common = _common_values(view, project, study)
        self._own: set[str] = set()
        self._samples = 0
        sources = len(study.matrices) + len(study.track_sets) + len(study.read_sets)
        self._is_merged = sources > 1

    def write(self) -> None:
        study = self._study
        for matrix in study.matrices:
            axis: Axis | None = None
            features = 0
            with suppress(*_FAILURES):
                store = self._view.stores.open(matrix)
                axis, features = store.samples, store.shape[0]
            if axis is not None:
                with suppress(*_FAILURES):
                    self._add_samples(axis, matrix.sample_id, matrix.id)
            self._add_analysis(matrix, axis.size if axis is not None else 0, features)
        for tracks in study.track_sets:
            with suppress(*_FAILURES):
                self._add_tracks(tracks)
        for reads in study.read_sets:
            self._add_reads(reads)
        self._add_study()

    def _add_study(self) -> None:
        study = self._study
        values = {
            **self._common,
            "study_name": study.name or "",
            "study_description": study.description or "",
            "description": study.description or study.name or "",
            "parent_study_accession": self._project.id,
            "license": study.license or "",
            "genome": study.genome or "",
            "sample_count": str(self._samples),
            "run_count": str(sum(reads.kind == "reads" for reads in study.read_sets)),
            "analysis_count": str(
                len(study.matrices) + len(study.track_sets) + sum(reads.kind != "reads" for reads in study.read_sets)
            ),
        }
        self._writer.add("study", values, 1)

    def _add_samples(self, axis: Axis, id_attribute: str, analysis: str) -> None:
        """Add the samples of a matrix, some at a time."""
        is_first = not self._samples
        attributes = [(attribute, self._names.of(attribute)) for attribute in axis.attributes]
        self._own.update(name for _, name in attributes)
        for start in range(0, axis.size, _AT_ONCE):
            positions = np.arange(start, min(start + _AT_ONCE, axis.size))
            texts = {name: as_texts(axis.column(attribute, positions)) for attribute, name in attributes}
            ids = as_texts(axis.column(id_attribute, positions))
            columns = self._of_samples(ids, texts, analysis)
            if is_first:
                self._samples += len(ids)
                self._writer.add("sample", columns, len(ids), [self._key(id) for id in ids] if self._is_merged else ())
            else:
                for number, id in enumerate(ids):
                    self._merge(id, _row(columns, number))

    def _of_samples(self, ids: Sequence[str], texts: Mapping[str, Sequence[str]], analysis: str) -> dict[str, Column]:
        """Return the fields of samples: those of the study, of the id, and of attributes, which count most."""
        runs: Sequence[str] = ()
        if self._study.read_sets:
            by_sample = self._study.reads_by_sample
            runs = [";".join(reads.id for reads in by_sample.get(id, ()) if reads.kind == "reads") for id in ids]
        columns: dict[str, Column] = {
            **self._common,
            "description": "",
            "sample_accession": ids,
            "secondary_sample_accession": [id if _OF_SAMPLES.fullmatch(id) else "" for id in ids],
            "sample_alias": ids,
            "run_accession": runs or "",
            "analysis_accession": analysis,
        }
        known = RESULTS["sample"].by_name
        for name, values in texts.items():
            folded = name.lower()
            if folded in known and folded not in texts:
                columns[folded] = _filled(values, columns.get(folded, ""))
        columns |= {name: _filled(values, columns.get(name, "")) for name, values in texts.items()}
        return columns

    def _merge(self, id: str, row: Mapping[str, str]) -> None:
        key = self._key(id)
        if self._writer.find("sample", key) is None:
            self._samples += 1
        self._writer.merge("sample", key, row)

    def _key(self, id: str) -> str:
        return f"{self._study.id}\0{id}"

    def _add_tracks(self, tracks: TrackSet) -> None:
        self._add_analysis(tracks, len(tracks.tracks), 0)
        if tracks.path is not None:
            axis = self._view.stores.open_tracks(tracks).tracks
            self._add_samples(axis, tracks.track_id, tracks.id)
            return
        for track in tracks.tracks:
            texts = {self._names.of(name): [value] for name, value in track.attributes.items()}
            self._own.update(texts)
            self._merge(track.sample, _row(self._of_samples([track.sample], texts, tracks.id), 0))

    def _add_reads(self, reads: ReadSet) -> None:
        if reads.kind != "reads":
            self._add_analysis(reads, len(reads.samples), 0)
        values: dict[str, str] = {}
        for sample in reads.samples:
            row = _row(self._of_samples([sample], {}, "" if reads.kind == "reads" else reads.id), 0)
            self._merge(sample, row)
            found = self._writer.find("sample", self._key(sample)) or {}
            for name, value in found.items():
                if name in self._own or name in ("scientific_name", "tax_id", "secondary_sample_accession"):
                    values[name] = joined(values.get(name, ""), value)
        if reads.kind == "reads":
            # A count of several samples would be none of the reads.
            known = RESULTS["read_run"].by_name
            counts = [name for name in values if name in known and known[name].kind == "number"]
            values |= {name: "" for name in counts if SEVERAL in values[name]}
            if len(reads.samples) > 1:
                self._writer.has_several("read_run", (name for name, value in values.items() if SEVERAL in value))
            self._add_run(reads, values)

    def _add_run(self, reads: ReadSet, attributes: Mapping[str, str]) -> None:
        title = reads.name or reads.description or ""
        row = {
            **self._common,
            "description": reads.description or title,
            "experiment_title": title,
            "run_accession": reads.id,
            "run_alias": reads.name or "",
            "sample_accession": ";".join(reads.samples),
            "sample_alias": ";".join(reads.samples),
            **self._files(reads.kind, reads.id),
            **attributes,
        }
        self._writer.add("read_run", row, 1)
        if row.get("experiment_accession"):
            self._writer.merge("read_experiment", row["experiment_accession"], row)

    def _files(self, group: Group, record: str) -> dict[str, str]:
        """Return the fields with the addresses of the files of a record; the others are found out when asked for."""
        files = self._view.files.of_record(group, record)
        kinds = {"submitted": files}
        if group == "reads":
            kinds |= {format.lower(): [file for file in files if file.format == format] for format in _FORMATS}
        return {f"{kind}{ADDRESS}": FILES + ";".join(file.id for file in some) for kind, some in kinds.items() if some}

    def _add_analysis(self, record: Matrix | TrackSet | ReadSet, samples: int, features: int) -> None:
        kinds: dict[type, tuple[Group, str]] = {
            Matrix: ("expressions", "EXPRESSION_MATRIX"),
            TrackSet: ("continuous", "SIGNAL_TRACKS"),
            ReadSet: ("variants", "SEQUENCE_VARIATION"),
        }
        group, type_ = kinds[type(record)]
        few = record.samples if isinstance(record, ReadSet) and len(record.samples) <= _FEW_SAMPLES else ()
        tags = () if isinstance(record, ReadSet) else record.tags
        row = {
            **self._common,
            "tag": joined(self._common["tag"], ";".join(tags)) if tags else self._common["tag"],
            "analysis_accession": record.id,
            "analysis_title": record.name or "",
            "analysis_description": record.description or "",
            "description": record.description or record.name or "",
            "analysis_type": type_,
            "sample_accession": ";".join(few),
            "sample_count": str(samples) if samples else "",
            "feature_count": str(features) if features else "",
            "units": "" if isinstance(record, ReadSet) else record.units,
            "license": "" if isinstance(record, ReadSet) else record.license or "",
            "version": "" if isinstance(record, ReadSet) else record.version,
            "genome": self._study.genome or "",
            **self._files(group, record.id),
        }
        self._writer.add("analysis", row, 1)


def _attributes(view: View, study: Study) -> Iterable[str]:
    """Yield the attributes of the samples of a study."""
    for matrix in study.matrices:
        with suppress(*_FAILURES):
            yield from view.stores.open(matrix).samples.attributes
    for tracks in study.track_sets:
        if tracks.path is None:
            yield from dict.fromkeys(chain.from_iterable(track.attributes for track in tracks.tracks))
        else:
            with suppress(*_FAILURES):
                yield from view.stores.open_tracks(tracks).tracks.attributes


def _common_values(view: View, project: Project, study: Study) -> dict[str, str]:
    """Return what all records of a study say of it."""
    genome = view.catalog.genomes.get(study.genome or "")
    organization = view.catalog.service.organization
    return {
        "study_accession": study.id,
        "secondary_study_accession": study.id if _OF_STUDIES.fullmatch(study.id) else "",
        "study_title": study.name or "",
        "study_alias": study.id,
        "project_accession": project.id,
        "project_name": project.name or project.id,
        "center_name": organization.name if organization else "",
        "scientific_name": genome.scientific_name or "" if genome else "",
        "tax_id": genome.taxonomy_id or "" if genome else "",
        "tag": ";".join(dict.fromkeys((*project.tags, *study.tags))),
    }


def _filled(values: Sequence[str], others: Column) -> Sequence[str]:
    """Return values, with others where they are empty."""
    if not others or all(values):
        return values
    instead: Iterator[str] | Sequence[str] = [others] * len(values) if isinstance(others, str) else others
    return [value or other for value, other in zip(values, instead, strict=True)]


def _row(columns: Mapping[str, Column], number: int) -> dict[str, str]:
    """Return one of the records whose values are given field by field."""
    return {name: column if isinstance(column, str) else column[number] for name, column in columns.items()}
