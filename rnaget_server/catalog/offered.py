"""The files of a study that are offered as they are: what they are called, and whose they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Group = Literal["expressions", "continuous", "reads", "variants"]
FileKind = Literal["matrix", "tracks", "reads", "variants", "index"]

_ID_LENGTH = 32
_LONGEST_NAME = 255
_NOT_PORTABLE = re.compile(r"[^A-Za-z0-9._-]+")
_OCTETS = "application/octet-stream"
# By the end of the name of a file: its format and its media type.
_FORMATS = {
    "loom": ("loom", "application/vnd.loom"),
    "h5ad": ("h5ad", "application/vnd.hdfgroup.hdf5"),
    "bw": ("bigWig", "application/x-bigwig"),
    "bigwig": ("bigWig", "application/x-bigwig"),
    "bai": ("BAI", _OCTETS),
    "csi": ("CSI", _OCTETS),
    "tbi": ("TBI", _OCTETS),
    "crai": ("CRAI", _OCTETS),
}
_READS = {
    "BAM": "application/x-bam",
    "CRAM": "application/x-cram",
    "VCF": "application/gzip",
    "BCF": "application/x-bcf",
}
_USUAL: dict[FileKind, tuple[str, str]] = {
    "matrix": ("HDF5", "application/vnd.hdfgroup.hdf5"),
    "tracks": ("bigWig", "application/x-bigwig"),
}


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file that clients may download whole.

    Attributes
    ----------
    id
        The same for as long as the record has its id, also with other bytes.
    kind
        The sort of data in it.
    group, record
        The record that it belongs to.
    project_id, study_id
        Where that is.
    path
        Where the file is; clients never see it.
    name
        What it is called when it is downloaded: of letters, digits, ``.``, ``_`` and ``-``, and once only in its study.
    format, media_type
        How it is written.
    samples
        The samples in it, where the catalogue names them.
    size
        How many bytes the catalogue says it has; None if it says nothing.
    """

    id: str
    kind: FileKind
    group: Group
    record: str
    project_id: str
    study_id: str
    path: Path
    name: str
    format: str
    media_type: str
    samples: tuple[str, ...] = ()
    size: int | None = None


@dataclass(frozen=True)
class Owner:
    """The record that files belong to."""

    group: Group
    record: str
    project_id: str
    study_id: str

    def file(
        self,
        kind: FileKind,
        path: Path,
        part: str = "",
        format: str | None = None,
        samples: tuple[str, ...] = (),
        size: int | None = None,
    ) -> OfferedFile:
        """Return one of its files; `part` is different for each of them, `format` is that of reads and variants."""
        found = (format, _READS[format]) if format is not None else _format_of(path, kind)
        return OfferedFile(
            id=offered_id(self.group, self.record, part),
            kind=kind,
            group=self.group,
            record=self.record,
            project_id=self.project_id,
            study_id=self.study_id,
            path=path,
            name=_NOT_PORTABLE.sub("_", path.name).lstrip(".-") or kind,
            format=found[0],
            media_type=found[1],
            samples=samples,
            size=size,
        )


def offered_id(group: str, record: str, part: str = "") -> str:
    """Return the id of a file, or of all files of a study: of hexadecimal digits, since samples may have any name."""
    return hashlib.sha256("\n".join((group, record, part)).encode()).hexdigest()[:_ID_LENGTH]


def with_distinct_names(files: Iterable[OfferedFile]) -> Iterator[OfferedFile]:
    """Yield the files, those with the name of an earlier one under a name with their record, or their id, in it."""
    taken: set[str] = set()
    for file in files:
        record = _NOT_PORTABLE.sub("_", file.record).lstrip(".-")
        names = (file.name, f"{record}-{file.name}".lstrip("-"), f"{record}-{file.id}-{file.name}".lstrip("-"))
        # Some file systems take upper and lower case for the same, and none has longer names.
        fitting = (name for name in names if len(name) <= _LONGEST_NAME and name.lower() not in taken)
        name = next(fitting, file.id)
        taken.add(name.lower())
        yield file if name == file.name else replace(file, name=name)


def _format_of(path: Path, kind: FileKind) -> tuple[str, str]:
    found = _FORMATS.get(path.name.lower().rpartition(".")[2])
    return found or _USUAL.get(kind, ("binary", _OCTETS))
