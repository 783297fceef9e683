"""Give a record of a catalogue another id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.catalog.load import GENOMES
from rnaget_server.catalog.located import Located, RecordKind, data_records, files_of, is_used, located
from rnaget_server.catalog.models import check_id, check_reads_id
from rnaget_server.catalog.records import Catalog
from rnaget_server.catalog.yaml_changes import YamlChanges, checked_catalog, parsed
from rnaget_server.catalog.yaml_entries import with_value
from rnaget_server.sequences.digests import NAMESPACES
from rnaget_server.storage.files import exclusive_in

_CHECKS: dict[RecordKind, Callable[[str], str]] = {"reads": check_reads_id, "variants": check_reads_id}


@dataclass(frozen=True)
class Renaming:
    """A record that has a new id: its kind, the YAML file that says so, and remarks for the provider."""

    kind: RecordKind
    file: Path
    remarks: tuple[str, ...]


def rename(data: Path, old: str, new: str, kind: RecordKind | None = None) -> Renaming:
    """Give the record `old` the id `new`.

    Studies keep their genome if that is renamed. The directory of a study, project or genome that is called by the old
    id gets the new one; data files keep their names.

    Raises
    ------
    CatalogError
        If the catalogue does not check, before or afterwards. It is then as it was.
    ValueError
        If there is no such record, or the new id is not fit or not free.
    OSError
        If a file cannot be written.
    """
    with exclusive_in(data):
        catalog = checked_catalog(data)
        if catalog is None:
            raise ValueError(f"there is no catalogue in {data}")
        what = located(catalog, old, kind)
        _check_new(catalog, what, new)
        changes = YamlChanges(data)
        remarks = _change(changes, catalog, what, new)
        changes.commit()
        directory, remark = _renamed_directory(catalog, what, new)
        return Renaming(what.kind, directory / what.file.name, (*remarks, *remark))


def _check_new(catalog: Catalog, what: Located, new: str) -> None:
    _CHECKS.get(what.kind, check_id)(new)
    if is_used(catalog, what.kind, new):
        raise ValueError(f"there is a {what.kind} {new!r} already: choose another id, or remove that one first")
    if what.kind == "genome" and new.lower() in NAMESPACES:
        raise ValueError(f"the id {new!r} is the name of a kind of digest: choose another")


def _change(changes: YamlChanges, catalog: Catalog, what: Located, new: str) -> tuple[str, ...]:
    text = changes.text(what.file)
    above = () if what.section is None else (what.section, what.number(parsed(text)[1]))
    changes.set(what.file, with_value(text, (*above, "id"), new))
    if what.kind != "genome":
        return ()
    studies = [study for study in catalog.studies.values() if study.genome == what.record.id]
    for study in studies:
        changes.set(study.path, with_value(changes.text(study.path), ("genome",), new))
    return (f"the studies on it now name {new}: {', '.join(study.id for study in studies)}",) if studies else ()


def _renamed_directory(catalog: Catalog, what: Located, new: str) -> tuple[Path, tuple[str, ...]]:
    """Rename the directory of a study, project or genome; return where it is, and a remark if it keeps its name."""
    directory = what.file.parent
    if what.section is not None or directory.name != what.record.id:
        return directory, ()
    target = directory.with_name(new)
    if target.exists() or new == GENOMES or _is_used_from_outside(catalog, directory):
        return directory, (f"the directory {directory} keeps its name",)
    directory.rename(target)
    return target, ()


def _is_used_from_outside(catalog: Catalog, directory: Path) -> bool:
    """Return whether a record whose study is elsewhere has a file in a directory."""
    place = directory.resolve()
    return any(
        place in path.resolve().parents
        for record in data_records(catalog)
        if place not in catalog.studies[record.study_id].path.resolve().parents
        for path in files_of(record)
    )
