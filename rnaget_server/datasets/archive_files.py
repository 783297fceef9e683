"""The files of the records of an archive: where they are served, their sizes and digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnaget_server.catalog.records import Matrix, ReadSet, TrackSet

_KINDS = {"BAM": "bam", "CRAM": "cram", "FASTQ": "fastq"}


@dataclass(frozen=True)
class ArchiveFile:
    """A file: its address below that of the server, its format, and size and MD5 digest where they are known."""

    address: str
    format: str
    size: int | None
    md5: str | None


def files_of(record: Matrix | TrackSet | ReadSet) -> list[ArchiveFile]:
    """Return the files of a record."""
    return []


def columns_of(files: Iterable[ArchiveFile], kinds: Iterable[str]) -> Mapping[str, str]:
    """Return the fields of files: of all as submitted ones, and of some `kinds` as such."""
    found = list(files)
    columns = {}
    for kind in kinds:
        some = found if kind in ("submitted", "generated") else [file for file in found if _KINDS.get(file.format) == kind]
        columns |= {
            f"{kind}_ftp": ";".join(file.address for file in some),
            f"{kind}_md5": ";".join(file.md5 or "" for file in some),
            f"{kind}_bytes": ";".join("" if file.size is None else str(file.size) for file in some),
            f"{kind}_format": ";".join(file.format for file in some),
        }
    return columns
