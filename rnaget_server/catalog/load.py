"""Read a catalogue directory into records, and find every mistake in it at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rnaget_server.catalog.access_entries import AccessEntry
from rnaget_server.catalog.auth_file import read_auth
from rnaget_server.catalog.explained import explained
from rnaget_server.catalog.models import (
    KIND_OF_FORMAT,
    ContinuousEntry,
    ExpressionEntry,
    FilterEntry,
    GenomeFile,
    ProjectFile,
    ReadsEntry,
    ServiceFile,
    StudyFile,
)
from rnaget_server.catalog.records import (
    Catalog,
    Conditions,
    Filter,
    Genome,
    Matrix,
    Project,
    ReadSet,
    ReadsFile,
    Study,
    Track,
    TrackSet,
    Tsv,
)
from rnaget_server.catalog.shards import data_files
from rnaget_server.catalog.style import read_logo
from rnaget_server.catalog.taxonomy import TAXONOMY, read_taxonomy
from rnaget_server.catalog.yaml_text import Places, read_yaml
from rnaget_server.errors import CatalogError, Problem
from rnaget_server.model.access import PUBLIC
from rnaget_server.model.collector import uncollected
from rnaget_server.settings import Settings

GENOMES = "genomes"
"""The directory of the genomes of a catalogue."""

File = TypeVar("File", bound=BaseModel)


def load(data: Path) -> tuple[Catalog | None, list[Problem]]:
    """Return the catalogue of everything valid in the directory `data`, and every problem found.

    A file with a mistake is left out whole, with what is below it; the rest is loaded. Without a
    valid ``catalog.yaml`` there is no catalogue (None). Data files are not opened.
    """
    with uncollected():
        return _Loader().load(data)


def watched_files(data: Path) -> list[str]:
    """Return where the YAML files that make up the catalogue in `data` are, or would be."""
    projects = _directories(data)
    studies = [study for project in projects for study in _directories(project)]
    below = [(projects, "project.yaml"), (studies, "study.yaml")]
    return [
        f"{data}/catalog.yaml",
        f"{data}/{TAXONOMY}",
        *(f"{directory}/{name}" for directories, name in below for directory in directories),
        *(f"{directory}/genome.yaml" for directory in _directories(data / GENOMES)),
    ]


def _directories(above: str | Path) -> list[str]:
    # Some thousand are gone through while a request waits, for which `Path.glob` is slow.
    with suppress(OSError), os.scandir(above) as entries:
        return [entry.path for entry in entries if entry.is_dir()]
    return []


class _Loader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.used: dict[tuple[str, str], tuple[Path, tuple[str | int, ...]]] = {}

    def load(self, data: Path) -> tuple[Catalog | None, list[Problem]]:
        service = self.service(data)
        projects = [self._project(path) for path in sorted(data.glob("*/project.yaml"))]
        for path in sorted(data.glob("*/*/study.yaml")):
            if not (path.parent.parent / "project.yaml").exists():
                self.problems.append(
                    Problem(path, None, None, f"there is no project.yaml in {path.parent.parent}: write one")
                )
        genomes = [self._genome(path) for path in sorted((data / GENOMES).glob("[!.]*/genome.yaml"))]
        taxa, mistakes = read_taxonomy(data / TAXONOMY)
        self.problems.extend(mistakes)
        if service is None:
            return None, self.problems
        found = {project.id: project for project in projects if project is not None}
        return Catalog(
            service=service,
            projects=found,
            genomes={genome.id: genome for genome in genomes if genome is not None},
            taxa=taxa,
        ), self.problems

    def service(self, data: Path) -> ServiceFile | None:
        """Return the valid ``catalog.yaml`` of `data`."""
        path = data / "catalog.yaml"
        service = self._read(path, ServiceFile)
        if service is not None:
            try:
                settings = Settings(**service.settings)
                read_auth(settings.auth, data if "auth" in service.settings else Path.cwd())
            except ValidationError as error:
                self.problems.extend(explained(path, error, ("settings",)))
            except CatalogError as error:
                self.problems.extend(error.problems)
            return self._with_logo(data, service)
        return None

    def _with_logo(self, data: Path, service: ServiceFile) -> ServiceFile:
        """Return the service, without its logo if that cannot be shown, which is a problem."""
        if service.style.logo is None:
            return service
        try:
            read_logo(data, service.style.logo)
        except ValueError as error:
            self.problems.append(Places(data / "catalog.yaml").problem(("style", "logo"), str(error)))
            return service.model_copy(update={"style": service.style.model_copy(update={"logo": None})})
        return service

    def _genome(self, path: Path) -> Genome | None:
        file = self._read(path, GenomeFile)
        if file is None or not self._claim("genome", file.id, path, ("id",)):
            return None
        return Genome(
            id=file.id,
            directory=path.parent,
            name=file.name,
            description=file.description,
            assembly=file.assembly,
            version=file.version,
            tags=file.tags,
            scientific_name=file.scientific_name,
            common_name=file.common_name,
            taxonomy_id=file.taxonomy_id,
            access=_below((), file.access),
        )

    def _project(self, path: Path) -> Project | None:
        file = self._read(path, ProjectFile)
        sound = file is not None and self._claim("project", file.id, path, ("id",))
        # The studies of a project that is left out are read all the same, for the mistakes in them.
        studies = [self._study(below, file) for below in sorted(path.parent.glob("*/study.yaml"))]
        if file is None or not sound:
            return None
        return Project(
            id=file.id,
            path=path,
            version=file.version,
            name=file.name,
            description=file.description,
            tags=file.tags,
            studies=tuple(study for study in studies if study is not None),
            access=_below((), file.access),
        )

    def _study(self, path: Path, project: ProjectFile | None) -> Study | None:
        file = self._read(path, StudyFile)
        if file is None or not self._claim("study", file.id, path, ("id",)) or project is None:
            return None
        matrices = [
            _matrix(entry, file, project, path)
            for number, entry in enumerate(file.expressions)
            if self._claim("expression", entry.id, path, ("expressions", number, "id"))
        ]
        return Study(
            id=file.id,
            project_id=project.id,
            path=path,
            version=file.version,
            name=file.name,
            description=file.description,
            genome=file.genome,
            license=file.license,
            citation=file.citation,
            tags=file.tags,
            matrices=tuple(matrices),
            track_sets=tuple(
                _track_set(entry, file, project, path)
                for number, entry in enumerate(file.continuous)
                if self._claim("continuous", entry.id, path, ("continuous", number, "id"))
            ),
            read_sets=tuple(
                _read_set(entry, file, project, path.parent)
                for number, entry in enumerate(file.reads)
                if self._claim(entry.kind, entry.id, path, ("reads", number, "id"))
            ),
            access=_of_study(file, project),
        )

    def _read(self, path: Path, model: type[File]) -> File | None:
        content, problems = read_yaml(path)
        self.problems.extend(problems)
        if problems:
            return None
        if not isinstance(content, dict):
            self.problems.append(Problem(path, 1, 1, "the file must hold `key: value` lines"))
            return None
        try:
            return model.model_validate(content)
        except ValidationError as error:
            self.problems.extend(explained(path, error))
            return None

    def _claim(self, kind: str, id: str, path: Path, where: tuple[str | int, ...]) -> bool:
        """Return whether `id` is still free for this `kind`; a second use of it is a problem."""
        first = self.used.setdefault((kind, id), (path, where))
        if first == (path, where):
            return True
        message = f"the {kind} id {id!r} is already used in {first[0]}: choose another"
        self.problems.append(Places(path).problem(where, message))
        return False


def _matrix(entry: ExpressionEntry, study: StudyFile, project: ProjectFile, path: Path) -> Matrix:
    tsv = Tsv(
        labels=entry.tsv.labels or (entry.feature_id,),
        column=entry.tsv.column or "{" + entry.sample_id + "}",
        comments=entry.tsv.comments,
    )
    names = tuple(entry.files) if entry.file is None else ()
    paths = data_files(names or [str(entry.file)], path.parent)
    return Matrix(
        id=entry.id,
        project_id=project.id,
        study_id=study.id,
        path=paths[0],
        shards=paths if len(paths) > 1 else (),
        files=names,
        directory=path.parent,
        units=entry.units,
        version=entry.version or study.version,
        name=entry.name,
        description=entry.description,
        tags=entry.tags,
        license=entry.license or study.license,
        feature_id=entry.feature_id,
        feature_name=entry.feature_name,
        sample_id=entry.sample_id,
        filters=_filters(entry.filters),
        tsv=tsv,
        default_format=entry.default_format,
        access=_below(_of_study(study, project), entry.access),
        sample_access=entry.access.sample_access,
    )


def _track_set(entry: ContinuousEntry, study: StudyFile, project: ProjectFile, path: Path) -> TrackSet:
    directory = path.parent
    return TrackSet(
        id=entry.id,
        project_id=project.id,
        study_id=study.id,
        units=entry.units,
        version=entry.version or study.version,
        name=entry.name,
        description=entry.description,
        tags=entry.tags,
        license=entry.license or study.license,
        tracks=tuple(Track(track.sample, directory, track.file, _shared(track.attributes)) for track in entry.tracks),
        path=None if entry.file is None else directory / entry.file,
        track_id=entry.track_id,
        position=entry.position,
        filters=_filters(entry.filters),
        no_data=float(entry.no_data),
        default_format=entry.default_format,
        access=_below(_of_study(study, project), entry.access),
    )


def _read_set(entry: ReadsEntry, study: StudyFile, project: ProjectFile, directory: Path) -> ReadSet:
    order = list(KIND_OF_FORMAT)
    files = [
        ReadsFile(
            id=f"{entry.kind}/{entry.id} ({file.format})",
            format=file.format,
            path=directory / file.file,
            index=None if file.index is None else directory / file.index,
            md5=file.md5,
            size=file.size,
            modified=file.modified,
        )
        for file in sorted(entry.files, key=lambda file: order.index(file.format))
    ]
    return ReadSet(
        id=entry.id,
        kind=entry.kind,
        project_id=project.id,
        study_id=study.id,
        name=entry.name,
        description=entry.description,
        samples=entry.samples,
        files=tuple(files),
        access=_below(_of_study(study, project), entry.access),
        region_access=entry.region_access,
    )


def _of_study(study: StudyFile, project: ProjectFile) -> Conditions:
    return _below(_below((), project.access), study.access)


def _below(above: Conditions, entry: AccessEntry) -> Conditions:
    return above if entry.access == PUBLIC or entry.access in above else (*above, entry.access)


def _shared(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes with texts that are in memory once: most tracks have the names and values of others."""
    return {intern(name): intern(value) for name, value in attributes.items()}


def _filters(entries: Mapping[str, FilterEntry]) -> dict[str, Filter]:
    return {
        name: Filter(
            name,
            entry.attribute,
            entry.axis,
            entry.description or f"{entry.attribute} of the {entry.axis}",
            entry.type,
            entry.ignore_case,
        )
        for name, entry in entries.items()
    }


def entry_problem(study: Path, kind: str, id: str, message: str) -> Problem:
    """Return a problem at the entry `id` in the list `kind` (such as ``expressions``) of a study.yaml."""
    text = f"{'expression' if kind == 'expressions' else kind} {id}: {message}"
    content, _ = read_yaml(study)
    entries = content.get(kind) or [] if isinstance(content, dict) else []
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("id") == id:
            return Places(study).problem((kind, number, "id"), text)
    return Problem(study, None, None, text)


def settings_in(data: Path) -> dict[str, Any]:
    """Return the ``settings:`` of the ``catalog.yaml`` in `data`.

    Raises
    ------
    CatalogError
        If the file is missing or has a mistake.
    """
    loader = _Loader()
    service = loader.service(data)
    if service is None or loader.problems:
        raise CatalogError(loader.problems)
    return service.settings
