"""The import of alignments or variants: check a file and its index, copy or link both, write the catalogue entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.models import KIND_OF_FORMAT, ReadsKind
from rnaget_server.catalog.records import ReadSet
from rnaget_server.datasets.opening import open_store
from rnaget_server.errors import DamagedFile, ImportFailure, listed
from rnaget_server.importers.atomic_files import put_file, write_into_place
from rnaget_server.importers.base import Progress
from rnaget_server.importers.job import ImportRequest, Outcome, Plan, importing, open_catalog
from rnaget_server.importers.reads.kinds import EXTENSIONS, checked, index_suffix
from rnaget_server.plugins import STORES, Registry
from rnaget_server.reads.files import Header, read_header
from rnaget_server.storage.files import default_mode
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores.failures import is_of_file

_BLOCK = 4 << 20


@dataclass(frozen=True, kw_only=True)
class ReadsRequest(ImportRequest):
    """An import of one file of alignments or variants, which have no units."""

    source: Path
    link: bool = False
    least_free: int = 0
    units: str = "(none)"


def run_reads_import(request: ReadsRequest, progress: Progress) -> Outcome:
    """Import a file with its index; the catalogue then serves it.

    Raises
    ------
    ImportFailure
        If anything is wrong. The catalogue is then as it was.
    """
    with importing(request.data, request.source):
        header, index = checked(request.source)
        kind = KIND_OF_FORMAT[header.format]

        def find(edit: CatalogEdit, id: str) -> ReadSet | None:
            return edit.read_set(kind, id)

        edit, existing = open_catalog(request, find, f"{kind} are added")
        if existing is not None and header.format in existing.formats and not request.replace:
            raise ImportFailure(
                f"{request.id} is there as {header.format} already: add --replace to put this file in its place, or "
                "choose another --id"
            )
        if existing is not None:
            _check_references(existing, header)
        target = _target(edit, request.id, header.format)
        parts = (
            ReadsPart(request.source, target, request.link),
            ReadsPart(index, target.with_name(target.name + index_suffix(index)), request.link),
        )
        return ReadsPlan(edit, parts, request, existing, header).run(request.least_free, progress)


@dataclass(frozen=True)
class WrittenFile:
    """The size and the MD5 digest of a file that was copied or linked, and when that was last changed (nanoseconds)."""

    size: int
    md5: str
    modified: int


@dataclass(frozen=True)
class ReadsPart:
    """A file to copy or to link, of which the digest is found on the way."""

    source: Path
    target: Path
    link: bool

    def write(self, progress: Progress) -> WrittenFile:
        """Copy or link the file."""
        digest, size = hashlib.md5(usedforsecurity=False), 0
        # From before it is read: a change meanwhile shows later.
        modified = self.source.stat().st_mtime_ns
        if self.link or (self.target.exists() and self.target.samefile(self.source)):
            for block in self._blocks(progress):
                digest.update(block)
                size += len(block)
            if self.link:
                self._link()
            return WrittenFile(size, digest.hexdigest(), modified)

        def copy(temporary: Path) -> None:
            nonlocal size
            with temporary.open("wb") as out:
                for block in self._blocks(progress):
                    digest.update(block)
                    size += out.write(block)
            temporary.chmod(default_mode())

        write_into_place(self.target, copy)
        return WrittenFile(size, digest.hexdigest(), self.target.stat().st_mtime_ns)

    def _blocks(self, progress: Progress) -> Iterator[bytes]:
        with self.source.open("rb") as file:
            whole = max(1, self.source.stat().st_size)
            while block := file.read(_BLOCK):
                yield block
                progress(min(1.0, file.tell() / whole))

    def _link(self) -> None:
        """Give the file a second name; from another file system, or another's file, by a symbolic link."""
        try:
            put_file(self.source, self.target, True)
        except ImportFailure:
            write_into_place(self.target, lambda temporary: temporary.symlink_to(self.source.resolve()))


@dataclass(frozen=True)
class ReadsPlan(Plan[WrittenFile]):
    """The plan of a file and its index, and of its catalogue entry."""

    request: ReadsRequest
    existing: ReadSet | None
    header: Header

    @property
    def kind(self) -> ReadsKind:
        """The part of htsget that offers the file."""
        return KIND_OF_FORMAT[self.header.format]

    def commit(self, written: Sequence[WrittenFile]) -> Outcome:
        """Enter the file in the catalogue."""
        request, (data, index) = self.request, self.parts
        samples = tuple(dict.fromkeys((*(self.existing.samples if self.existing else ()), *self.header.samples)))
        file = {
            "format": self.header.format,
            "file": data.target.name,
            "index": index.target.name,
            "size": str(written[0].size),
            "md5": written[0].md5,
            "modified": str(written[0].modified),
        }
        entry: dict[str, Any] = {"id": request.id, **request.texts}
        entry |= {"samples": list(samples)} if samples else {}
        with self.editing() as edit:
            edit.put("reads", {**entry, "files": [file]}, request.genome)
        return Outcome(
            data.target,
            edit.study_file,
            tuple(self._remarks(written[0])),
            (),
            f"/{self.kind}/{request.id}?class=header",
        )

    def clean_up(self) -> tuple[str, ...]:
        """Remove nothing; return a remark on the file that was replaced."""
        old = self.existing and self.existing.formats.get(self.header.format)
        targets = {part.target for part in self.parts}
        left = [str(path) for path in old.paths if path not in targets] if old else []
        return (f"no longer used: {', '.join(left)}; remove what nothing else needs",) if left else ()

    def _remarks(self, written: WrittenFile) -> Iterator[str]:
        header = self.header
        yield f"{header.format}, {written.size:,} bytes, {len(header.references):,} references; md5 {written.md5}"
        if self.existing is not None:
            others = [format for format in self.existing.formats if format != header.format]
            if others:
                yield f"now in the formats {', '.join((*others, header.format))}"
        if not header.samples:
            yield "no samples are named in its header: write their ids as `samples:` of its entry, if you know them"
            return
        yield f"samples: {listed(header.samples)}"
        yield from _matches(self.edit, header.samples)


def _check_references(existing: ReadSet, header: Header) -> None:
    """Refuse a file whose references are not those of the other format of its id.

    Raises
    ------
    ImportFailure
        If it is so.
    """
    for format, other in existing.formats.items():
        if format == header.format or not other.path.is_file():
            continue
        try:
            before = _lengths(read_header(LocalFile.open(other.path)))
        except (OSError, DamagedFile):
            continue  # it is not served either, and `check` says why
        now = _lengths(header)
        if not before or not now:
            continue  # headers of VCF need not have any
        alone = sorted(before.keys() ^ now.keys())
        if alone:
            raise ImportFailure(
                f"{existing.id} is there as {format} with other references: {listed(alone)} in one of them only. "
                "Formats of an id hold the same records; choose another --id"
            )
        for name, length in now.items():
            if None not in (length, before[name]) and length != before[name]:
                raise ImportFailure(
                    f"{existing.id} is there as {format} with other references: {name} has {length:,} bases here, and "
                    f"{before[name]:,} there. Formats of an id hold the same records; choose another --id"
                )


def _lengths(header: Header) -> dict[str, int | None]:
    return {reference.name: reference.length for reference in header.references}


def _target(edit: CatalogEdit, id: str, format: str) -> Path:
    """Return where a file goes: never in the place of one of which the catalogue says something."""
    stem, number, used = id.replace("/", "_"), 2, edit.files()
    path = edit.study_directory / f"{stem}.{EXTENSIONS[format]}"
    while path in used:
        path = edit.study_directory / f"{stem}_{number}.{EXTENSIONS[format]}"
        number += 1
    return path


def _matches(edit: CatalogEdit, samples: Sequence[str]) -> Iterator[str]:
    """Yield how many of the samples each matrix of the study has."""
    kinds = Registry(STORES)
    for matrix in edit.matrices():
        try:
            store = open_store(matrix, kinds)
            ids = {str(id) for id in store.samples.column(matrix.sample_id)}
        except BaseException as error:
            if not is_of_file(error):
                raise
            yield f"the matrix {matrix.id} cannot be read, so its samples were not compared"
            continue
        found = [sample for sample in samples if sample in ids]
        yield f"the matrix {matrix.id} has " + (f"{listed(found)} too" if found else "no sample of these names")
