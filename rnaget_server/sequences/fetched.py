"""Sequences that were fetched from another server, in a bounded directory, by their digests.

A file has the letters of a sequence and then its digests (MD5, SHA-1, TRUNC512, GA4GH). Its name is the digest by which
it was fetched; files under its other digests have ``@`` and that name.
"""

from __future__ import annotations

import base64
import fcntl
import string
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.sequences.digests import NAMESPACES, PREFIX, Digests, SequenceHash, StoredSequence, is_digest
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter, DamagedFileError
from rnaget_server.storage.disk_cache import DiskCache, private_directory

_UPPER = bytes.maketrans(string.ascii_lowercase.encode(), string.ascii_uppercase.encode())
_BLANK = b" \t\r\n"
_LETTERS = string.ascii_uppercase.encode() + b"*"
_SIZES = (NAMESPACES["md5"], NAMESPACES["sha1"], NAMESPACES["trunc512"], NAMESPACES["ga4gh"])
_SEES = b"@"
_LARGEST_SHARE = 4
_AT_ONCE = 4
_WAIT = 0.05


class WrongSequenceError(Exception):
    """The bytes that came are not the sequence of the digest; the text says why."""


class FetchedSequences:
    """Fetched sequences, of which those used longest ago go first. Safe among threads and processes.

    Parameters
    ----------
    directory
        Where they are; made if need be, and used for nothing else.
    most_bytes
        Most bytes on disk. What is being fetched comes on top, which is as much at most.
    """

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._files = DiskCache(directory, most_bytes)
        self._directory = directory
        self.largest = most_bytes // _LARGEST_SHARE
        """Most bytes of one sequence."""

    @property
    def on(self) -> bool:
        """True if the directory can be used."""
        return self._files.max_bytes > 0

    def find(self, id: str) -> FetchedSequence | None:
        """Return the sequence of a digest in the form of `Digests`, None if it is not here."""
        key = _key(id)
        for _ in range(2):
            file = self._open(key) if key else None
            if file is None:
                return None
            with closing(file):
                try:
                    start = b"".join(file.read(0, 1 + max(_SIZES)))
                    if not start.startswith(_SEES):
                        return self._sequence(key, file)
                    key = start[1:].decode("ascii")
                except DamagedFileError:
                    self._files.remove(key)
                    return None
        return None

    def read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield letters of the file of that key.

        Raises
        ------
        OSError
            If it is gone or damaged.
        """
        file = self._open(key)
        if file is None:
            raise OSError("a fetched sequence was removed")
        with closing(file):
            try:
                yield from file.read(start, stop)
            except DamagedFileError:
                self._files.remove(key)
                raise

    @contextmanager
    def turn(self, digest: str) -> Iterator[None]:
        """Keep all others who would fetch the same sequence waiting, in other processes too, and bound how many fetch.

        Nobody may wait for one turn within another.
        """
        with self._files.lock(digest), self._place():
            yield

    def incoming(self, digest: str) -> IncomingSequence:
        """Return where the sequence of a digest is written; its owner closes it."""
        return IncomingSequence(self._files, digest, self.largest)

    def _sequence(self, key: str, file: CheckedFile) -> FetchedSequence:
        length = file.length - sum(_SIZES)
        written = b"".join(file.read(length)).decode("ascii")
        digests = []
        for size in _SIZES:
            digests.append(written[:size])
            written = written[size:]
        return FetchedSequence(self, key, StoredSequence(0, Digests(*digests), 0, length, circular=False))

    def _open(self, key: str) -> CheckedFile | None:
        file = self._files.open(key)
        try:
            return CheckedFile(file) if file is not None else None
        except DamagedFileError:
            self._files.remove(key)
            return None

    @contextmanager
    def _place(self) -> Iterator[None]:
        directory = private_directory(self._directory)
        while True:
            for number in range(_AT_ONCE):
                with (directory / f"place-{number}").open("ab") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    yield
                    return
            time.sleep(_WAIT)


@dataclass(frozen=True)
class FetchedSequence:
    """A sequence that was fetched.

    Attributes
    ----------
    sequences
        Where it is kept.
    key
        The name of its file.
    sequence
        What is known of it.
    """

    sequences: FetchedSequences
    key: str
    sequence: StoredSequence

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the letters from `start` up to `stop`; for the errors see `FetchedSequences.read`."""
        return self.sequences.read(self.key, start, stop)


class IncomingSequence:
    """A sequence on its way in. It is kept if it proves to be that of its digest, and nothing of it is if not.

    Attributes
    ----------
    received
        How many bytes have come.
    """

    def __init__(self, files: DiskCache, digest: str, most: int) -> None:
        self.received = 0
        self.most = most
        self._files = files
        self._digest = digest
        self._hash = SequenceHash()
        self._entry = files.entry(digest)
        self._writer = CheckedWriter(self._entry.file)

    def add(self, piece: bytes) -> None:
        """Take the next bytes: letters in any case, with line ends or without.

        Raises
        ------
        WrongSequenceError
            If they cannot be part of the sequence.
        OSError
            If there is no room for them.
        """
        self.received += len(piece)
        if self.received > self.most:
            raise WrongSequenceError(f"it is longer than {self.most:,} bytes, a quarter of cram_cache_bytes")
        letters = piece.translate(_UPPER, _BLANK)
        if letters.translate(None, _LETTERS):
            raise WrongSequenceError("it has other characters than letters")
        self._hash.update(letters)
        self._writer.write(letters)

    def keep(self) -> None:
        """Keep what came, which is all.

        Raises
        ------
        WrongSequenceError
            If it is not the sequence of the digest.
        OSError
            If there is no room for it.
        """
        digests = self._hash.digests()
        if self._digest not in digests:
            raise WrongSequenceError("it has another digest")
        self._writer.write("".join(digests).encode())
        self._writer.finish()
        self._entry.commit()
        for other in {digests.md5, digests.sha1, digests.trunc512} - {self._digest}:
            with self._files.put(other) as file:
                writer = CheckedWriter(file)
                writer.write(_SEES + self._digest.encode())
                writer.finish()

    def close(self) -> None:
        """Remove what was written, unless it is kept."""
        self._entry.discard()


def _key(id: str) -> str:
    """Return the name of the file for a digest; nothing for what is none."""
    if not is_digest(id):
        return ""
    return base64.urlsafe_b64decode(id.removeprefix(PREFIX)).hex() if id.startswith(PREFIX) else id.lower()
