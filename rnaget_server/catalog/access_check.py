"""The conditions for access that have no effect, for ``rnaget-server check``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rnaget_server.catalog.access_entries import AccessEntry
from rnaget_server.catalog.fields import CatalogModel
from rnaget_server.catalog.models import ProjectFile, StudyFile
from rnaget_server.catalog.records import Catalog
from rnaget_server.catalog.yaml_text import Key, Places, read_yaml
from rnaget_server.errors import Problem
from rnaget_server.model.access import Access

_File = TypeVar("_File", bound=CatalogModel)
_Above = tuple[tuple[str, Access], ...]
_LISTS = ("expressions", "continuous", "reads")


def wider_than_above(catalog: Catalog) -> Iterator[Problem]:
    """Yield where a file says of something that more may see it than may see what it is in: those above count too."""
    for project in catalog.projects.values():
        project_file = _read(project.path, ProjectFile)
        if project_file is None:
            continue
        above = (("project", project_file.access.access),)
        for study in project.studies:
            study_file = _read(study.path, StudyFile)
            if study_file is not None:
                yield from _of_study(study.path, study_file, above)


def _of_study(path: Path, study: StudyFile, above: _Above) -> Iterator[Problem]:
    if "access" in study.model_fields_set:
        yield from _compared(path, ("access",), study.access, above)
    above = (*above, ("study", study.access.access))
    for name in _LISTS:
        for number, entry in enumerate(getattr(study, name)):
            if "access" in entry.model_fields_set:
                yield from _compared(path, (name, number, "access"), entry.access, above)


def _compared(path: Path, where: tuple[Key, ...], entry: AccessEntry, above: _Above) -> Iterator[Problem]:
    # Rules for samples alone say nothing of the whole.
    if entry.model_fields_set.isdisjoint(("registered", "controlled")):
        return
    for what, condition in above:
        if not _is_within(entry.access, condition):
            said = f"the {what} above is {_words(condition)}, which counts too: this is {_words(entry.access)}"
            yield Places(path).problem(where, f"warning: {said}, so it admits nobody else")


def _is_within(access: Access, above: Access) -> bool:
    """Return whether all whom a condition admits are admitted above."""
    if above.level == "controlled":
        return access.level == "controlled" and access.grants <= above.grants
    return above.level == "public" or access.level != "public"


def _words(access: Access) -> str:
    return f"controlled ({', '.join(sorted(access.grants))})" if access.grants else access.level


def _read(path: Path, model: type[_File]) -> _File | None:
    content, _ = read_yaml(path)
    with suppress(ValidationError):  # it has been changed since the catalogue was read
        return model.model_validate(content)
    return None
