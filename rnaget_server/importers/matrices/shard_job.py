"""The import of further samples into a matrix: a file more, looked at with all others before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.records import Matrix
from rnaget_server.catalog.shards import data_files, is_pattern
from rnaget_server.datasets.opening import open_store, validate_against_catalog
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.atomic_files import restored_on_failure
from rnaget_server.importers.job import CopyPart, FilePart, Outcome, Plan, refuse_matched
from rnaget_server.importers.matrices.catalog_entry import WrittenMatrix
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.plugins import STORES, Registry
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.files import temporary_name


class MovablePart(FilePart[WrittenMatrix], Protocol):
    """A part that may be written elsewhere."""

    def to(self, target: Path) -> FilePart[WrittenMatrix]:
        """Return the same part with another target."""


@dataclass(frozen=True)
class ShardPlan(Plan[WrittenMatrix]):
    """The plan of a file that has further samples of a matrix, or takes the place of one that has some.

    Its part is written under a name that no pattern matches.
    """

    request: MatrixRequest
    existing: Matrix
    target: Path

    def commit(self, written: Sequence[WrittenMatrix]) -> Outcome:
        """Give the file its name, and enter it in the catalogue unless a pattern there matches it.

        Raises
        ------
        ImportFailure
            If it does not fit the other files of the matrix.
        """
        request, (matrix,) = self.request, written
        count = self._check()
        if not request.dry_run:
            self._enter()
        feature = quote(matrix.first_feature, safe="")
        query = f"/rnaget/expressions/{request.id}/bytes?format=tsv&featureIDList={feature}"
        remark = f"the matrix {request.id} is of {len(self._paths())} files with {count} samples now"
        return Outcome(self.target, self.edit.study_file, (*matrix.remarks, remark), (), query)

    def clean_up(self) -> tuple[str, ...]:
        """Return nothing: a file that was replaced had the same name."""
        return ()

    def _paths(self) -> tuple[Path, ...]:
        """Return the files of the matrix, with the new one in its place under the name that it is written by."""
        written = self.parts[0].target
        paths = dict.fromkeys((*data_files(self._names, self.existing.directory, self.target), self.target))
        return tuple(written if path == self.target else path for path in paths)

    @property
    def _names(self) -> list[str]:
        existing = self.existing
        return list(existing.files) or [os.path.relpath(existing.path, existing.directory)]

    def _check(self) -> int:
        """Return how many samples the matrix has with the new file; refuse one that does not fit."""
        paths = self._paths()
        matrix = replace(self.existing, path=paths[0], shards=paths)
        try:
            store = open_store(matrix, Registry(STORES), FileAccess(self.request.options.limits))
            problems = validate_against_catalog(matrix, store)
        except OSError as error:
            problems = [str(error)]
        if problems:
            said = "; ".join(problems).replace(self.parts[0].target.name, self.target.name)
            raise ImportFailure(f"the file does not fit the matrix {matrix.id}: {said}", self.request.source)
        return store.shape[1]

    def _enter(self) -> None:
        request, existing = self.request, self.existing
        with restored_on_failure(self.target):
            self.parts[0].target.replace(self.target)
            entry: dict[str, Any] = {"id": existing.id, **request.texts}
            if self.target not in data_files(self._names, existing.directory):
                entry |= {"file": None, "files": [*self._names, self.target.name]}
            with self.editing() as edit:
                if len(entry) > 1 or request.project_texts or request.study_texts or request.genome:
                    edit.put("expressions", entry, request.genome)


def plan_shard(
    request: MatrixRequest, edit: CatalogEdit, existing: Matrix | None, part: MovablePart, name: str
) -> ShardPlan:
    """Return the plan of a file of that name, whose content is that of a part.

    Raises
    ------
    ImportFailure
        If there is no such matrix, the name is taken or none, or the units are others.
    """
    if existing is None:
        raise ImportFailure(f"--shard adds to a matrix, and there is no {request.id}: import the first file without it")
    if not name.strip() or name != os.path.basename(name) or name.startswith(".") or is_pattern(name):
        raise ImportFailure(f"--shard takes the name of a file without its ending, such as part-07, and no {name!r}")
    suffix = part.target.suffix
    target = edit.study_directory / (name if name.endswith(suffix) else name + suffix)
    if target in existing.paths:
        if not request.replace:
            raise ImportFailure(
                f"the matrix {existing.id} has the file {target.name} already: add --replace to put this one in its "
                "place, or choose another name"
            )
    elif target.exists() or target in edit.files():
        raise ImportFailure(
            f"there is a file {target.name} already, which is no part of the matrix {existing.id}: choose another "
            "name, or remove the file if an import that was killed has left it"
        )
    refuse_matched(edit, target, existing.id)
    if isinstance(part, CopyPart) and request.units != existing.units:
        raise ImportFailure(
            f"the matrix {existing.id} is in {existing.units}, and a file that is served as it is does not say what "
            f"it is in: add one in {existing.units}, and say so by --units",
            request.source,
        )
    hidden = temporary_name(target, "shard")
    return ShardPlan(edit, (part.to(hidden),), request, existing, target)
