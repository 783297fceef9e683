"""Change the YAML files of a catalogue and leave what people wrote in them as it is.

Comments, order and quotes survive. New contents are temporary files next to the old ones until all are written, and
take their places one after the other, the study last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rnaget_server.catalog.located import data_records, files_of
from rnaget_server.catalog.models import (
    KIND_OF_FORMAT,
    ContinuousEntry,
    ExpressionEntry,
    ReadsEntry,
    ReadsKind,
    check_id,
    check_reads_id,
)
from rnaget_server.catalog.records import Matrix, ReadSet, TrackSet
from rnaget_server.catalog.shards import is_matched
from rnaget_server.catalog.yaml_changes import YamlChanges, checked_catalog, dumped, parsed, quoted, styled, write_yaml

Section = Literal["expressions", "continuous", "reads"]
_SECTIONS: dict[Section, type[BaseModel]] = {
    "expressions": ExpressionEntry,
    "continuous": ContinuousEntry,
    "reads": ReadsEntry,
}
_Record = TypeVar("_Record", Matrix, TrackSet, ReadSet)


class CatalogEdit:
    """The catalogue in `data`, about to get a matrix or tracks in a study; what is missing of all three is made.

    Nothing is written before `commit`.

    Raises
    ------
    CatalogError
        If the catalogue as it is does not check.
    ValueError
        If an id is not fit, the study is in another project, or a directory is taken; the text says which.
    """

    def __init__(self, data: Path, project: str, study: str) -> None:
        for id in (project, study):
            check_id(id)
        self.data = data
        self._catalog = checked_catalog(data)
        self.project_directory = self._find_project(project)
        self.study_directory = self._find_study(project, study)
        self._project, self._study = project, study
        self._changes = YamlChanges(data)
        self._texts: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})

    @property
    def study_file(self) -> Path:
        """The study.yaml that the entry goes into."""
        return self.study_directory / "study.yaml"

    @property
    def project_file(self) -> Path:
        """The project.yaml above it."""
        return self.project_directory / "project.yaml"

    def matrix(self, id: str) -> Matrix | None:
        """Return the matrix of that id in this study, or None if the id is free.

        Raises
        ------
        ValueError
            If the id is not fit, or a matrix of another study has it.
        """
        check_id(id)
        return self._own("matrix", id, self._catalog.matrices if self._catalog else {})

    def track_set(self, id: str) -> TrackSet | None:
        """Return the continuous set of that id in this study, or None if the id is free.

        Raises
        ------
        ValueError
            If the id is not fit, or a set of another study has it.
        """
        check_id(id)
        return self._own("continuous set", id, self._catalog.track_sets if self._catalog else {})

    def read_set(self, kind: ReadsKind, id: str) -> ReadSet | None:
        """Return the alignments or variants of that id in this study, or None if the id is free.

        Raises
        ------
        ValueError
            If the id is not fit, or is one of another study.
        """
        check_reads_id(id)
        sets = self._catalog.read_sets.values() if self._catalog else ()
        return self._own(f"set of {kind}", id, {reads.id: reads for reads in sets if reads.kind == kind})

    def matrices(self) -> tuple[Matrix, ...]:
        """Return the matrices of this study."""
        study = self._catalog.studies.get(self._study) if self._catalog else None
        return study.matrices if study is not None else ()

    def files(self, but: str | None = None) -> set[Path]:
        """Return the data files of every record, except those of the matrix or continuous set of one id."""
        if self._catalog is None:
            return set()
        records = data_records(self._catalog)
        kept = (record for record in records if record.id != but or isinstance(record, ReadSet))
        return {path for record in kept for path in files_of(record)}

    def matched_by(self, path: Path, but: str) -> str | None:
        """Return the id of a matrix other than one that a pattern gives this file, if it is made; None if none does."""
        others = self._catalog.matrices.values() if self._catalog else ()
        found = (other.id for other in others if other.id != but and is_matched(path, other.files, other.directory))
        return next(found, None)

    def check_genome(self, genome: str | None) -> str | None:
        """Return the genome, or else that of the study; raise ValueError if the study is on another genome."""
        study = self._catalog.studies.get(self._study) if self._catalog else None
        if genome and study is not None and study.genome not in (None, genome):
            raise ValueError(
                f"the study {self._study!r} is on the genome {study.genome!r}: data on {genome!r} need "
                "a study of their own"
            )
        return genome or (study.genome if study is not None else None)

    def describe(self, project: Mapping[str, str], study: Mapping[str, str]) -> None:
        """Give keys of the project and of the study, such as `name`, these texts with the next entry."""
        self._texts = (project, study)

    def put(
        self, section: Section, entry: Mapping[str, Any], genome: str | None = None, *, keep_tracks: bool = False
    ) -> None:
        """Enter a matrix or a continuous set in the study, or bring its entry up to date.

        Keys that `entry` does not name stay; with `keep_tracks`, so do tracks of samples that it does not name.

        Raises
        ------
        ValueError
            If the resulting entry would not check.
        """
        self._put_missing()
        text = self._changes.text(self.study_file, f"id: {quoted(self._study)}\n{section}: []\n")
        yaml, study = parsed(text)
        if genome and study.get("genome") is None:
            keys = list(study)
            place = min([keys.index(name) for name in _SECTIONS if name in keys], default=len(keys))
            study.insert(place, "genome", genome)
        if not study.get(section):
            study[section] = CommentedSeq()
        entries = study[section]
        numbers = [number for number, existing in enumerate(entries) if _same_record(existing, entry)]
        number = numbers[0] if numbers else None
        if number is None:
            entries.append(CommentedMap())
            number = len(entries) - 1
        _update(entries[number], entry, keep_tracks)
        _check_entry(entries[number], _SECTIONS[section])
        self._changes.set(self.study_file, dumped(yaml, study))
        for path, texts in zip((self.project_file, self.study_file), self._texts, strict=True):
            if texts:
                self._changes.update(path, texts)

    def commit(self) -> None:
        """Write the files; see `YamlChanges.commit`."""
        self._changes.commit()

    def _own(self, kind: str, id: str, records: Mapping[str, _Record]) -> _Record | None:
        record = records.get(id)
        if record is not None and record.study_id != self._study:
            raise ValueError(
                f"the id {id!r} belongs to a {kind} of the study {record.study_id!r} already: choose another"
            )
        return record

    def _find_project(self, id: str) -> Path:
        if self._catalog and id in self._catalog.projects:
            return self._catalog.projects[id].path.parent
        directory = self.data / id
        if (directory / "project.yaml").exists():
            raise ValueError(f"the directory {directory} holds a project of another id: choose another id")
        return directory

    def _find_study(self, project: str, id: str) -> Path:
        found = self._catalog.studies.get(id) if self._catalog else None
        if found is not None:
            if found.project_id != project:
                raise ValueError(f"the study {id!r} belongs to the project {found.project_id!r} already")
            return found.path.parent
        directory = self.project_directory / id
        if (directory / "study.yaml").exists():
            raise ValueError(f"the directory {directory} holds a study of another id: choose another id")
        return directory

    def _put_missing(self) -> None:
        catalog, project = self.data / "catalog.yaml", self.project_file
        if not catalog.exists():
            self._changes.set(catalog, _new_service(self.data))
        if not project.exists():
            self._changes.set(project, f"id: {quoted(self._project)}\n")


def write_missing_service(data: Path) -> None:
    """Write the ``catalog.yaml`` of a directory that has none."""
    path = data / "catalog.yaml"
    if not path.exists():
        write_yaml(path, _new_service(data))


def _new_service(data: Path) -> str:
    id = re.sub(r"[^A-Za-z0-9.-]+", "-", data.absolute().name).strip("-.") or "rnaget"
    return f"# The service as a whole.\nid: {quoted(id)}\nname: RNA expression data\n"


def _update(entry: CommentedMap, values: Mapping[str, Any], keep_tracks: bool) -> None:
    for key, value in values.items():
        if key == "filters":
            _update_filters(entry, value)
        elif key == "files" and all(isinstance(file, Mapping) for file in value):
            _update_files(entry, value)
        elif key == "tracks" and value:
            _update_tracks(entry, value, keep_tracks)
        elif value is None:
            entry.pop(key, None)
        elif key == "file" and "files" in entry:  # a matrix of several files becomes one of a single one
            entry.insert(list(entry).index("files"), key, styled(value))
            del entry["files"]
        elif entry.get(key) != value:
            entry[key] = styled(value)


def _same_record(existing: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Return whether two entries of a section are of one record: alignments and variants may have the same id."""
    if "units" in existing:  # a matrix, whose files are names, or a set of tracks
        return bool(existing.get("id") == entry["id"])
    kinds = {KIND_OF_FORMAT[file["format"]] for record in (existing, entry) for file in record.get("files", ())}
    return existing.get("id") == entry["id"] and len(kinds) < 2


def _update_files(entry: CommentedMap, files: Sequence[Mapping[str, Any]]) -> None:
    """Put the files in the place of those of the same format, or behind the others."""
    if not entry.get("files"):
        entry["files"] = CommentedSeq()
    existing = entry["files"]
    for file in files:
        numbers = [number for number, old in enumerate(existing) if old["format"] == file["format"]]
        if numbers:
            existing[numbers[0]] = styled(file)
        else:
            existing.append(styled(file))


def _update_filters(entry: CommentedMap, filters: Mapping[str, Any]) -> None:
    if not filters:
        entry.pop("filters", None)
        return
    if not entry.get("filters"):
        entry["filters"] = CommentedMap()
    existing = entry["filters"]
    for name in [name for name in existing if name not in filters]:
        del existing[name]
    for name, value in filters.items():
        if name not in existing:
            existing[styled(name)] = styled(value)


def _update_tracks(entry: CommentedMap, tracks: Sequence[Mapping[str, Any]], keep: bool) -> None:
    if not entry.get("tracks"):
        entry["tracks"] = CommentedSeq()
    existing = entry["tracks"]
    wanted = {track["sample"] for track in tracks}
    if not keep:
        for number in reversed(range(len(existing))):
            if existing[number]["sample"] not in wanted:
                del existing[number]
    by_sample = {track["sample"]: track for track in existing}
    for track in tracks:
        old = by_sample.get(track["sample"])
        if old is None:
            existing.append(styled(track))
        else:
            _update(old, {"attributes": None, **track}, keep)


def _check_entry(entry: CommentedMap, model: type[BaseModel]) -> None:
    """Raise ValueError if the entry does not check."""
    try:
        model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
