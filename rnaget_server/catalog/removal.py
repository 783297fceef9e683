"""Take a record out of a catalogue, with the data files that no other record uses."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from rnaget_server.catalog.located import DataRecord, Located, RecordKind, data_records, files_of, located
from rnaget_server.catalog.records import Catalog, Genome, Project, Study
from rnaget_server.catalog.yaml_changes import YamlChanges, checked_catalog, parsed
from rnaget_server.catalog.yaml_entries import without_entry
from rnaget_server.errors import listed
from rnaget_server.storage.files import PREFIX, exclusive_in


@dataclass(frozen=True)
class Removal:
    """A record that is to go.

    Attributes
    ----------
    data
        The directory of the catalogue.
    what
        The record.
    files
        The data files that go with it.
    directory
        The directory of a genome, which goes whole.
    remarks
        Lines for the provider: what stays, and what loses something.
    """

    data: Path
    what: Located = field(compare=False)
    files: tuple[Path, ...] = ()
    directory: Path | None = None
    remarks: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of the files that go."""
        paths = self.files if self.directory is None else self.directory.rglob("*")
        return sum(path.lstat().st_size for path in paths if path.is_file())

    def run(self) -> tuple[str, ...]:
        """Remove the record, then its files; return further remarks.

        Whenever this ends, the catalogue is valid: it is changed at one stroke, before any file goes.

        Raises
        ------
        CatalogError
            If the catalogue would not check without it. Nothing is removed then.
        ValueError
            If the catalogue has changed since this was planned.
        OSError
            If a file cannot be written or removed.
        """
        with exclusive_in(self.data):
            now = plan_removal(self.data, self.what.record.id, self.what.kind)
            if now != self or now.what.file != self.what.file:
                raise ValueError("the catalogue has changed meanwhile, so nothing was removed: try again")
            if self.directory is not None:
                _remove_directory(self.directory, self.data)
                return ()
            self._remove_from_yaml()
            for path in self.files:
                path.unlink(missing_ok=True)
            return self._tidy()

    def _remove_from_yaml(self) -> None:
        changes, what = YamlChanges(self.data), self.what
        if what.section is None:
            changes.set(what.file, None)
        else:
            text = changes.text(what.file)
            changes.set(what.file, without_entry(text, what.section, what.number(parsed(text)[1])))
        changes.commit()

    def _tidy(self) -> tuple[str, ...]:
        """Remove the directories that are empty now; return a remark on that of a study or project that is not."""
        study_or_project = self.what.section is None
        home = self.what.file.parent
        for directory in {path.parent for path in self.files}:
            while home in directory.parents and _is_removed(directory):
                directory = directory.parent
        if study_or_project and not _is_removed(home):
            return (f"the directory {home} stays, since it has other files in it",)
        return ()


def plan_removal(data: Path, id: str, kind: RecordKind | None = None) -> Removal:
    """Return what goes if the record of that id is removed.

    A study goes with all that is in it; a project can go once it has no studies.

    Raises
    ------
    CatalogError
        If the catalogue as it is does not check.
    ValueError
        If there is no such record, or a project has studies.
    """
    catalog = checked_catalog(data)
    if catalog is None:
        raise ValueError(f"there is no catalogue in {data}")
    what = located(catalog, id, kind)
    removal = Removal(data, what)
    if isinstance(what.record, Project):
        if what.record.studies:
            names = listed([study.id for study in what.record.studies])
            raise ValueError(f"the project {id} is not empty: remove its studies first ({names})")
        return removal
    if isinstance(what.record, Genome):
        return _of_genome(removal, what.record, catalog)
    return _of_data(removal, catalog)


def _of_genome(removal: Removal, genome: Genome, catalog: Catalog) -> Removal:
    studies = [study.id for study in catalog.studies.values() if study.genome == genome.id]
    remark = f"the studies on it ({listed(studies)}) keep its name, and lose the links to its genes"
    return replace(removal, directory=genome.directory, remarks=(remark,) if studies else ())


def _of_data(removal: Removal, catalog: Catalog) -> Removal:
    record = removal.what.record
    going: list[DataRecord] = []
    if isinstance(record, Study):
        going = [*record.matrices, *record.track_sets, *record.read_sets]
    elif not isinstance(record, Genome | Project):
        going = [record]
    places = {id(one) for one in going}
    used = {_place(path) for one in data_records(catalog) if id(one) not in places for path in files_of(one)}
    root = removal.data.resolve()
    files, remarks = [], []
    for path in dict.fromkeys(path for one in going for path in files_of(one)):
        if not os.path.lexists(path):
            continue
        if _place(path) in used:
            remarks.append(f"{path} stays, since another record uses it")
        elif root not in _place(path).parents:
            remarks.append(f"{path} stays, since it is outside the catalogue")
        else:
            files.append(path)
    return replace(removal, files=tuple(files), remarks=tuple(remarks))


def _place(path: Path) -> Path:
    """Return where a file or link is, without links on the way to it."""
    return path.parent.resolve() / path.name


def _is_removed(directory: Path) -> bool:
    """Remove a directory if it is empty; return whether it was."""
    try:
        directory.rmdir()
    except OSError:
        return False
    return True


def _remove_directory(directory: Path, data: Path) -> None:
    """Remove a genome: it is renamed first, so that it is there whole or not at all."""
    if directory.is_symlink():
        directory.unlink()
        return
    temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory.parent))
    directory.rename(temporary / directory.name)
    shutil.rmtree(temporary, ignore_errors=True)
    with contextlib.suppress(OSError):  # other genomes are there
        directory.parent.rmdir()
