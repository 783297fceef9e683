"""The shape of every import: a plan, its parts (one data file each), and one commit to the catalogue."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.errors import CatalogError, ComputeFailure, ImportFailure
from rnaget_server.importers.atomic_files import directory_for, put_file, restored_on_failure, with_room
from rnaget_server.importers.base import Progress
from rnaget_server.storage.files import exclusive_in
from rnaget_server.stores.failures import is_of_file, reason, unwritten

Record = TypeVar("Record")
Written = TypeVar("Written")
Written_co = TypeVar("Written_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """The place of an import in a catalogue. Ids are those of RNAget; `texts` are further keys of the entry.

    `project_texts` and `study_texts` are keys of project.yaml and study.yaml.
    """

    data: Path
    project: str
    study: str
    id: str
    units: str
    samples: tuple[Path, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    project_texts: dict[str, str] = field(default_factory=dict)
    study_texts: dict[str, str] = field(default_factory=dict)
    genome: str | None = None
    replace: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Outcome:
    """The file or directory written, remarks for the provider, the new filters, and a query to try."""

    file: Path
    study_file: Path
    remarks: tuple[str, ...]
    new_filters: tuple[str, ...]
    query: str


class DryRunEnded(Exception):
    """Ends a dry run when all is read and checked, so that everything is undone as after a failure."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("a dry run")
        self.outcome = outcome


class FilePart(Protocol[Written_co]):
    """One data file to write. It holds only paths, options and ids, so it can be pickled."""

    @property
    def target(self) -> Path:
        """The file to write."""

    def write(self, progress: Progress) -> Written_co:
        """Write the file, whole or not at all, and return what the catalogue entry says of it."""


@dataclass(frozen=True)
class CopyPart(Generic[Written]):
    """A file that is served as it is, to be copied or hard-linked, and all that the catalogue entry says of it."""

    source: Path
    target: Path
    link: bool
    written: Written

    def write(self, progress: Progress) -> Written:
        """Copy or link the file."""
        put_file(self.source, self.target, self.link)
        return self.written

    def to(self, target: Path) -> CopyPart[Written]:
        """Return the same part with another target."""
        return replace(self, target=target)

    def stand_in(self) -> None:
        """Put a symbolic link in the place of the file, for a dry run."""
        if not self.target.exists():
            self.target.symlink_to(self.source.resolve())


@dataclass(frozen=True)
class Plan(ABC, Generic[Written]):
    """The parts of an import, all in one directory, and the commit that enters them in the catalogue."""

    edit: CatalogEdit
    parts: Sequence[FilePart[Written]]
    request: ImportRequest

    @abstractmethod
    def commit(self, written: Sequence[Written]) -> Outcome:
        """Enter what the parts have written in the catalogue, at one stroke."""

    @abstractmethod
    def clean_up(self) -> tuple[str, ...]:
        """Remove files that the commit has replaced; return remarks on those that stay."""

    def run(self, least_free: int, progress: Progress) -> Outcome:
        """Write every part, then commit; if any of that fails, files and catalogue are as they were.

        The import ends before the disk has less than `least_free` bytes left (0: it may fill the disk).

        Raises
        ------
        DryRunEnded
            If it is a dry run, of which nothing stays.
        ImportFailure
            If a file would be one of another matrix as well.
        """
        for part in self.parts:
            refuse_matched(self.edit, part.target, self.request.id)
        directory = self.parts[0].target.parent
        with contextlib.ExitStack() as directories:
            for path in dict.fromkeys((self.edit.study_directory, directory)):
                directories.enter_context(directory_for(path))
            report = with_room(directory, least_free, progress)
            with contextlib.ExitStack() as files:
                for part in self.parts:
                    files.enter_context(restored_on_failure(part.target))
                outcome = self.commit([self._write(number, report) for number in range(len(self.parts))])
                if self.request.dry_run:
                    raise DryRunEnded(outcome)
            return replace(outcome, remarks=(*outcome.remarks, *self.clean_up()))

    def _write(self, number: int, report: Progress) -> Written:
        def report_part(share: float) -> None:
            report((number + share) / len(self.parts))

        report_part(0.0)
        part = self.parts[number]
        if self.request.dry_run and isinstance(part, CopyPart):
            part.stand_in()
            written: Written = part.written
            return written
        return part.write(report_part)

    @contextlib.contextmanager
    def editing(self) -> Iterator[CatalogEdit]:
        """Give the edit for an entry to be put, then commit it; an entry that does not check is an `ImportFailure`."""
        try:
            yield self.edit
            if not self.request.dry_run:
                self.edit.commit()
        except (CatalogError, ValueError) as error:
            raise ImportFailure(f"the catalogue would not check, so nothing was changed: {error}") from None


def open_catalog(
    request: ImportRequest, find: Callable[[CatalogEdit, str], Record | None], purpose: str
) -> tuple[CatalogEdit, Record | None]:
    """Return the catalogue to edit, and the record that has the id already.

    Raises
    ------
    ImportFailure
        If the catalogue does not check, or the request does not fit it.
    """
    try:
        edit = CatalogEdit(request.data, request.project, request.study)
        existing = find(edit, request.id)
        edit.describe(request.project_texts, request.study_texts)
        if request.genome:
            edit.check_genome(request.genome)
    except CatalogError as error:
        raise ImportFailure(f"the catalogue must be in order before {purpose}:\n{error}") from None
    except ValueError as error:
        raise ImportFailure(str(error)) from None
    if not request.units.strip():
        raise ImportFailure("--units must not be empty")
    return edit, existing


def refuse_matched(edit: CatalogEdit, path: Path, id: str) -> None:
    """Refuse a file for a record that would be one of another matrix as well, with all that it has.

    Raises
    ------
    ImportFailure
        If a pattern of such a matrix matches it.
    """
    other = edit.matched_by(path, id)
    if other is not None:
        raise ImportFailure(
            f"the file {path.name} would be a file of the matrix {other} as well, of which a pattern matches it: "
            "choose another name"
        )


@contextlib.contextmanager
def importing(data: Path, *sources: Path) -> Iterator[None]:
    """Lock a catalogue for one import, and raise all that its files cause as an `ImportFailure`."""
    try:
        with exclusive_in(data):
            yield
    except BaseException as error:
        raise broken_off(error, *sources) from None


def broken_off(error: BaseException, *sources: Path) -> BaseException:
    """Return the failure to raise for an error that ended an import; the error itself, if it is none of the files."""
    if isinstance(error, ComputeFailure):
        return ImportFailure(f"the import broke off: {error}")
    if isinstance(error, ImportFailure | DryRunEnded) or not is_of_file(error):
        return error
    if advice := unwritten(error):
        return ImportFailure(f"the import broke off, for {advice}, and import again")
    return ImportFailure(f"the import broke off: {reason(error, *sources)}")
