"""The sequences of one genome: their letters in one file, their names and digests in another.

``letters`` holds the letters of each sequence, upper-case ASCII, one after the other with nothing between. ``index``
is an SQLite database (https://www.sqlite.org/fileformat2.html) of the tables below. ``digests`` has the digests again,
see `digest_table`. A sequence is stored once, with all its names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, tee
from pathlib import Path
from typing import Any

from rnaget_server.sequences.digest_table import DigestTable
from rnaget_server.sequences.digests import (
    INHERENT,
    Digests,
    StoredSequence,
    attributes_of,
    collection_digest,
    digest_of,
    digests_of,
    is_digest,
)
from rnaget_server.sequences.genes import (
    GENES_FACT,
    Gene,
    Match,
    NamedGene,
    Transcript,
    existing_names,
    find_genes,
    names_beginning,
    near_names,
    read_genes,
    read_genes_within,
    read_transcripts,
)
from rnaget_server.sequences.parts import DIGESTS, INDEX, LETTERS
from rnaget_server.storage.places import local_path, open_file
from rnaget_server.storage.source import OpenFile

TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE sequences (
    number INTEGER PRIMARY KEY, md5 TEXT, sha1 TEXT, trunc512 TEXT, ga4gh TEXT,
    start INTEGER, length INTEGER, circular INTEGER
);
CREATE TABLE ids (id TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE aliases (number INTEGER, authority TEXT, alias TEXT, PRIMARY KEY (number, authority, alias)) WITHOUT ROWID;
CREATE TABLE members (place INTEGER PRIMARY KEY, name TEXT, number INTEGER);
"""
"""``ids``: every digest and alias by which a sequence is asked for, without a number if several have it; ``members``:
the genome, in the order of its file."""

VERSION = "1"
SIZE_FACT = "letters"
"""How many letters the other file has, by which the two are known to belong together."""

TABLE_FACT = "digests"
"""How many bytes the table of digests has; stores that were written by older versions have none."""

DIGEST_FACT = "collection"
"""The digest of the collection of the sequences; stores that were written by older versions lack it."""

MOST_KEPT = 2_000
"""Of so many sequences names, lengths and digests are held while the store is open: some 600 bytes for each."""

_PIECE = 1 << 19
_ROWS = 1000
MEMBERS = "SELECT name, length, ga4gh FROM members JOIN sequences USING (number) ORDER BY place"
"""The query for the sequences of the genome, see `attributes_of_members`."""

_COLUMNS = "number, md5, sha1, trunc512, ga4gh, start, length, circular"
_FIND = f"SELECT {_COLUMNS} FROM ids LEFT JOIN sequences USING (number) WHERE id = ?"
_FIND_NUMBER = "SELECT number FROM ids WHERE id = ?"
_KEPT_KIB = 16 << 10
"""Memory in which SQLite keeps the upper part of an index: of ten million names, 10 MiB are above the last branches."""


@dataclass(frozen=True)
class Alias:
    """A name of a sequence, and who gives it."""

    authority: str
    alias: str


class SequenceStore:
    """The sequences in one directory. Safe to share among threads.

    Raises
    ------
    OSError
        If the directory holds no such store, or one of another version.
    """

    def __init__(self, directory: Path) -> None:
        self._letters = open_file(directory / LETTERS)
        try:
            # The module's own lock lets several threads share it (sqlite3.threadsafety is 3).
            self._index = sqlite3.connect(
                f"{local_path(directory / INDEX).absolute().as_uri()}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
            self._index.execute(f"PRAGMA cache_size=-{_KEPT_KIB}")
            facts = dict(self._rows("SELECT name, value FROM facts"))
            if facts.get("version") != VERSION:
                raise OSError("the store of sequences is of another version: import the genome again")
        except sqlite3.Error as error:
            raise OSError(f"the store of sequences is damaged: {error}") from None
        if int(facts.get(SIZE_FACT, self._letters.size)) != self._letters.size:
            raise OSError("the file of letters is not that of the index: import the genome again")
        self._table = DigestTable(directory / DIGESTS) if TABLE_FACT in facts else None
        if self._table is not None and self._table.size != int(facts[TABLE_FACT]):
            raise OSError("the table of digests is not that of the index: import the genome again")
        self._genes = int(facts.get(GENES_FACT, 0))
        self._digest = facts.get(DIGEST_FACT)
        self._kept: dict[str, list[Any]] | None = None

    def find(self, id: str) -> StoredSequence | None:
        """Return the sequence that has an id: a digest in the form of `Digests`, or an alias that no other has."""
        if self._table is not None:
            return self._table.find(id) if is_digest(id) else self._find_alias(id, self._table)
        rows = self._rows(_FIND, (id,))
        return _sequence(rows[0]) if rows and rows[0][0] is not None else None

    def _find_alias(self, alias: str, table: DigestTable) -> StoredSequence | None:
        rows = self._rows(_FIND_NUMBER, (alias,))
        return table.read(rows[0][0]) if rows and rows[0][0] is not None else None

    def is_ambiguous(self, id: str) -> bool:
        """Return whether several sequences have an alias, so that it finds none."""
        return self._rows(_FIND_NUMBER, (id,)) == [(None,)]

    def named(self, id: str, most: int) -> list[tuple[Alias, StoredSequence]]:
        """Return up to `most` of the sequences that have an alias, with or without its authority; reads all aliases."""
        columns = ", ".join(f"sequences.{name}" for name in _COLUMNS.split(", "))
        query = (
            f"SELECT authority, alias, {columns} FROM aliases JOIN sequences USING (number) "
            "WHERE alias = ? OR authority || ':' || alias = ? ORDER BY number, authority LIMIT ?"
        )
        return [(Alias(*row[:2]), _sequence(row[2:])) for row in self._rows(query, (id, id, most))]

    def aliases(self, sequence: StoredSequence) -> list[Alias]:
        """Return the names of a sequence, sorted."""
        rows = self._rows("SELECT authority, alias FROM aliases WHERE number = ? ORDER BY 1, 2", (sequence.number,))
        return [Alias(*row) for row in rows]

    def authorities(self) -> list[str]:
        """Return who gives the names."""
        return [row[0] for row in self._rows("SELECT DISTINCT authority FROM aliases")]

    def read(self, sequence: StoredSequence, start: int, stop: int) -> Iterator[bytes]:
        """Yield the letters from `start` up to `stop`, 0-based; from the end on to the beginning where start > stop.

        Raises
        ------
        OSError
            If the file is cut off.
        """
        spans = [(start, stop)] if start <= stop else [(start, sequence.length), (0, stop)]
        for first, last in spans:
            pieces = ((sequence.start + at, min(_PIECE, last - at)) for at in range(first, last, _PIECE))
            yield from map(bytes, self._letters.read_many(pieces))

    def read_each(self) -> Iterator[tuple[StoredSequence, Iterator[bytes]]]:
        """Yield all sequences in the order of their letters, each with its letters, which are to be read all.

        Raises
        ------
        OSError
            If the file is cut off.
        """
        planned, read = tee(self.sequences())
        pieces = self._letters.read_many(
            (sequence.start + at, min(_PIECE, sequence.length - at))
            for sequence in planned
            for at in range(0, sequence.length, _PIECE)
        )
        for sequence in read:
            yield sequence, map(bytes, islice(pieces, -(-sequence.length // _PIECE)))

    def place(self, sequence: StoredSequence) -> tuple[OpenFile, int]:
        """Return the file of letters, which is closed with the store, and the place where those of a sequence begin."""
        return self._letters, sequence.start

    def member(self, name: str) -> StoredSequence | None:
        """Return the sequence that the genome has under a name."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM members JOIN sequences USING (number) WHERE name = ?", (name,))
        return next((_sequence(row) for row in rows), None)

    def sequences(self) -> Iterator[StoredSequence]:
        """Yield all sequences in the order of their letters, also those of transcripts."""
        last = -1
        while rows := self._rows(
            f"SELECT {_COLUMNS} FROM sequences WHERE number > ? ORDER BY 1 LIMIT ?", (last, _ROWS)
        ):
            yield from map(_sequence, rows)
            last = rows[-1][0]

    def length(self) -> int:
        """Return how many letters the sequences of the genome have."""
        rows = self._rows("SELECT sum(length) FROM members JOIN sequences USING (number)")
        return int(rows[0][0] or 0)

    def number_of_sequences(self) -> int:
        """Return how many sequences the genome has."""
        return self._members

    def members(self, first: int, most: int) -> list[tuple[str, StoredSequence]]:
        """Return up to `most` sequences of the genome with their names, from its place `first` (0 is the first) on."""
        columns = f"name, {_COLUMNS}"
        query = f"SELECT {columns} FROM members JOIN sequences USING (number) WHERE place >= ? ORDER BY place LIMIT ?"
        return [(row[0], _sequence(row[1:])) for row in self._rows(query, (first, most))]

    def collection(self) -> Collection:
        """Return the sequences of the genome in the order of its file."""
        return Collection(self._digests, self.digest(), self.attributes)

    def digest(self) -> str:
        """Return the digest of the collection."""
        return self._digest or collection_digest(self._digests)

    @cached_property
    def _members(self) -> int:
        return int(self._rows("SELECT COUNT(*) FROM members")[0][0])

    @cached_property
    def _digests(self) -> dict[str, str]:
        return digests_of(self.attributes())

    def attributes(self) -> dict[str, list[Any]]:
        """Return the attributes of the collection; those of many sequences are read each time, and never held."""
        if self._kept is not None:
            return self._kept
        found = attributes_of_members(self._rows(MEMBERS))
        if self._members <= MOST_KEPT:
            self._kept = found
        return found

    def example_gene(self) -> str | None:
        """Return the symbol or id of one gene, of one that codes for a protein if there is such; None without genes."""
        if not self._genes:
            return None
        wanted = ("biotype = 'protein_coding' AND symbol IS NOT NULL", "symbol IS NOT NULL", "1")
        for condition in wanted:
            query = f"SELECT symbol, genes.id FROM genes WHERE {condition} ORDER BY number LIMIT 1"
            for symbol, id in self._rows(query):
                return str(symbol or id)
        return None

    def number_of_genes(self) -> int:
        """Return how many genes the annotation of the genome has; 0 if there is none."""
        return self._genes

    def find_genes(self, name: str, only: str | None = None) -> Match | None:
        """Return the genes that have a name, see `genes.find_genes`; None if none has."""
        return find_genes(self._rows, name, only) if self._genes else None

    def existing_names(self, names: Iterable[str]) -> set[str]:
        """Return those of the names by which `find_genes` finds a gene, but for ids that have no version here."""
        return existing_names(self._rows, names) if self._genes else set()

    def names_beginning(self, start: str, most: int) -> list[NamedGene]:
        """Return genes of which some name begins so, see `genes.names_beginning`."""
        return names_beginning(self._rows, start, most) if self._genes else []

    def near_names(self, name: str) -> list[str]:
        """Return names of genes that are like one that there is not."""
        return near_names(self._rows, name) if self._genes else []

    def genes(self, numbers: Sequence[int]) -> list[Gene]:
        """Return genes by their numbers."""
        return read_genes(self._rows, numbers)

    def genes_within(self, contig: str, start: int, stop: int, most: int) -> list[Gene]:
        """Return up to `most` genes that overlap a part of a sequence."""
        return read_genes_within(self._rows, contig, start, stop, most) if self._genes else []

    def transcripts(self, gene: Gene) -> list[Transcript]:
        """Return the transcripts of a gene."""
        return read_transcripts(self._rows, gene.number)

    def close(self) -> None:
        """Close the files."""
        self._letters.close()
        self._index.close()
        if self._table is not None:
            self._table.close()

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._index.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"the store of sequences is damaged: {error}") from None


@dataclass(frozen=True)
class Collection:
    """A collection of sequences: the digest of each of its attributes, and its own; equal if these are.

    Attributes
    ----------
    read
        Returns the attributes, but for the sorted pairs.
    """

    digests: dict[str, str]
    digest: str
    read: Callable[[], dict[str, list[Any]]] = field(compare=False, repr=False)

    @property
    def attributes(self) -> dict[str, list[Any]]:
        """The values of its attributes."""
        return self.read()


def attributes_of_members(rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the attributes of sequences given as rows of name, length and GA4GH digest."""
    names, lengths, digests = [list(column) for column in zip(*rows, strict=True)] or ([], [], [])
    return attributes_of(names, lengths, digests)


def digest_of_members(rows: Iterable[Sequence[Any]]) -> str:
    """Return the digest of the collection of sequences given as such rows."""
    attributes = attributes_of_members(rows)
    return collection_digest({name: digest_of(attributes[name]) for name in INHERENT})


def _sequence(row: Sequence[Any]) -> StoredSequence:
    number, md5, sha1, trunc512, ga4gh, start, length, circular = row
    return StoredSequence(number, Digests(md5, sha1, trunc512, ga4gh), start, length, bool(circular))
