"""The files that are offered as they are: which a client may see, what is known of each, and its bytes."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from rnaget_server.catalog import Catalog, OfferedFile
from rnaget_server.catalog.offered import Group
from rnaget_server.datasets.checksums import Checksums, Sums, open_settled
from rnaget_server.errors import Unavailable
from rnaget_server.model.observation import note_reading
from rnaget_server.storage.source import OpenFile

_log = logging.getLogger(__name__)
# Half a second of work or so.
_AT_ONCE = 256 << 20
# To open a file and to keep what was found takes as long as to read so much.
_LEAST_COUNTED = 64 << 10


@dataclass(frozen=True)
class FileFacts:
    """The state of a file.

    Attributes
    ----------
    size
        Number of bytes.
    changed
        When it was written.
    sums
        Its checksums; None while they are being computed.
    """

    size: int
    changed: datetime
    sums: Sums | None


@dataclass(frozen=True)
class FileOffer:
    """The data files that a server offers as they are, and their checksums.

    Attributes
    ----------
    checksums
        Those of the files.
    groups
        The groups of records whose files are offered.
    logged
        The files that the log has a line of.
    """

    checksums: Checksums
    groups: Collection[Group] = ()
    logged: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class OfferedFiles:
    """The offered files of the part of a catalogue that somebody may see.

    Attributes
    ----------
    catalog
        That part.
    offer
        What of it is offered.
    """

    catalog: Catalog
    offer: FileOffer

    def all(self) -> Iterator[OfferedFile]:
        """Yield all files, study by study."""
        for study in self.catalog.studies:
            yield from self.of_study(study)

    def of_study(self, study: str) -> Iterator[OfferedFile]:
        """Yield the files of a study."""
        return (file for file in self.catalog.studies[study].files if file.group in self.offer.groups)

    def of_record(self, group: Group, record: str) -> list[OfferedFile]:
        """Return the files of a matrix, a set of tracks, or a set of reads or variants."""
        return self.catalog.files_by_record.get((group, record), []) if group in self.offer.groups else []

    def get(self, id: str) -> OfferedFile | None:
        """Return the file of an id; None if there is none."""
        file = self.catalog.files.get(id)
        return file if file is not None and file.group in self.offer.groups else None

    def facts(self, file: OfferedFile, at_once: int | None = None) -> FileFacts:
        """Return what is known of a file.

        Parameters
        ----------
        file
            The file.
        at_once
            Up to how many bytes checksums are computed now that are not known yet; those of larger files are computed
            later. None: nothing is computed.

        Raises
        ------
        Unavailable
            If it is not there, or is not what the catalogue says.
        """
        checksums = self.offer.checksums
        with self._refusing(file):
            status = self._status(file)
            sums = checksums.known(file.path, status)
            if sums is None and at_once is not None and checksums.soon(file.path, status, at_once) is not None:
                # It may have been replaced between the two looks at it.
                status = self._status(file)
                sums = checksums.known(file.path, status)
        return FileFacts(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), sums)

    def compute(self, file: OfferedFile) -> None:
        """Compute the checksums of a file, however large, if they are not known.

        Raises
        ------
        Unavailable
            If it is not there, or is not what the catalogue says.
        """
        with self._refusing(file):
            if self.offer.checksums.known(file.path, self._status(file)) is None:
                self.offer.checksums.compute_alone(file.path)

    def size(self, file: OfferedFile) -> int:
        """Return how many bytes a file has.

        Raises
        ------
        Unavailable
            If it is not there, or is not what the catalogue says.
        """
        with self._refusing(file):
            return self._status(file).st_size

    def open(self, file: OfferedFile) -> OpenFile:
        """Return a file open for reading; all its bytes are of the same state, or reading it fails.

        Raises
        ------
        Unavailable
            If it is not there, or is not what the catalogue says.
        """
        note_reading(file.group, file.record)
        with self._refusing(file):
            opened = open_settled(file.path)
            self._check(file, opened.status())
            return opened

    def _status(self, file: OfferedFile) -> os.stat_result:
        status = file.path.stat()
        self._check(file, status)
        return status

    @staticmethod
    def _check(file: OfferedFile, status: os.stat_result) -> None:
        if not S_ISREG(status.st_mode):
            raise OSError("it is no file")
        if file.size is not None and file.size != status.st_size:
            raise OSError(f"it has {status.st_size:,} bytes, and the catalogue says {file.size:,}: import it again")

    @contextmanager
    def _refusing(self, file: OfferedFile) -> Iterator[None]:
        """Raise `Unavailable` in the place of an error of the system, and write its reason to the log once."""
        try:
            yield
        except OSError as error:
            raise self._failure(file, error) from None

    def _failure(self, file: OfferedFile, error: OSError) -> Unavailable:
        reason = error.strerror or str(error)
        if (file.id, reason) not in self.offer.logged:
            self.offer.logged.add((file.id, reason))
            _log.error("the file %s of %s cannot be read: %s", file.path.name, file.record, reason)
        return Unavailable(f"the file {file.name} cannot be read at the moment; the log of the server says why")


class Computing:
    """Finds out what is known of several files for one request, for which few bytes are read.

    Parameters
    ----------
    files
        What they are among.
    most
        For how many bytes in all checksums are computed at once; those of others are computed later.
    """

    def __init__(self, files: OfferedFiles, most: int = _AT_ONCE) -> None:
        self._files = files
        self._left = most

    def facts(self, file: OfferedFile) -> FileFacts:
        """Return what is known of a file, see `OfferedFiles.facts`."""
        facts = self._files.facts(file)
        if facts.sums is None:
            facts = self._files.facts(file, max(self._left, 0))
            self._left -= max(facts.size, _LEAST_COUNTED) if facts.sums is not None else 0
        return facts


def open_offer(directory: Path | None, groups: Collection[Group]) -> FileOffer:
    """Return what a server offers that keeps checksums in a directory, or in memory."""
    return FileOffer(Checksums(directory), frozenset(groups))
