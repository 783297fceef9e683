"""Write the store of the sequences of a genome; see `store` for its form."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from rnaget_server.sequences.digest_table import write_digest_table
from rnaget_server.sequences.digests import Digests, is_digest
from rnaget_server.sequences.parallel_hash import HashThreads, ParallelHash
from rnaget_server.sequences.parts import DIGESTS, INDEX, LETTERS
from rnaget_server.sequences.store import (
    DIGEST_FACT,
    MEMBERS,
    SIZE_FACT,
    TABLE_FACT,
    TABLES,
    VERSION,
    Alias,
    digest_of_members,
)


class SequenceWriter:
    """Writes sequences into a new, empty directory; complete when it is left without an error."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = (directory / LETTERS).open("wb")
        self._index = sqlite3.connect(directory / INDEX, isolation_level=None)
        # The directory is thrown away if this process ends before it is complete.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            self._index.execute(f"PRAGMA {pragma}")
        self._index.executescript(TABLES)
        self._index.execute("BEGIN")
        self._numbers: dict[str, int] = {}
        self._threads = HashThreads()
        self._places = 0
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            digest = digest_of_members(self._index.execute(MEMBERS))
            facts = (
                ("version", VERSION),
                (SIZE_FACT, str(self._end)),
                (TABLE_FACT, str(self._write_table())),
                (DIGEST_FACT, digest),
            )
            self._index.executemany("INSERT INTO facts VALUES (?, ?)", facts)
            self._index.execute("COMMIT")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._threads.close()
        self._index.close()
        self._file.close()

    def _write_table(self) -> int:
        ((sequences,),) = self._index.execute("SELECT count(*) FROM sequences")
        columns = "md5, sha1, trunc512, ga4gh, start, length, circular"
        rows = self._index.execute(f"SELECT {columns} FROM sequences ORDER BY number")
        return write_digest_table(self._directory / DIGESTS, sequences, rows)

    @property
    def index(self) -> sqlite3.Connection:
        """The database, in the middle of a transaction; see `store` for its tables."""
        return self._index

    def flush(self) -> None:
        """Have all letters so far in the file."""
        self._file.flush()

    def add(self, pieces: Iterable[bytes], circular: bool = False) -> tuple[int, Digests, int]:
        """Write a sequence, unless it is there; return its number, its digests and its length.

        Parameters
        ----------
        pieces
            The letters.
        circular
            Whether its end meets its beginning.
        """
        hashed = ParallelHash(self._threads)
        length = 0
        for piece in pieces:
            hashed.update(piece)
            self._file.write(piece)
            length += len(piece)
        digests = hashed.digests()
        number = self._numbers.get(digests.ga4gh)
        if number is None:
            number = self._numbers[digests.ga4gh] = len(self._numbers)
            row = (number, *digests, self._end, length, int(circular))
            self._index.execute("INSERT INTO sequences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._index.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", [(id, number) for id in digests])
            self._end += length
        else:
            self._file.seek(self._end)
            self._file.truncate()
            if circular:
                self._index.execute("UPDATE sequences SET circular = 1 WHERE number = ?", (number,))
        return number, digests, length

    def add_member(self, name: str, number: int) -> None:
        """Make a sequence the next one of the genome, under a name."""
        self._index.execute("INSERT INTO members VALUES (?, ?, ?)", (self._places, name, number))
        self._places += 1

    def add_alias(self, alias: Alias, number: int, bare: bool = True) -> bool:
        """Give a sequence a name by which it can be asked for, with its authority, and without where `bare`.

        A name in the form of a digest is found with its authority only, and so is one that two authorities give to
        different sequences. Return whether no other sequence has it.
        """
        self._index.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?, ?)", (number, alias.authority, alias.alias))
        ids = [f"{alias.authority}:{alias.alias}", *((alias.alias,) if bare and not is_digest(alias.alias) else ())]
        for id in ids:
            self._index.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (id, number))
        for id in ids[1:]:
            self._index.execute("UPDATE ids SET number = NULL WHERE id = ? AND number != ?", (id, number))
        (owner,) = self._index.execute("SELECT number FROM ids WHERE id = ?", (ids[0],)).fetchone()
        return bool(owner == number)
