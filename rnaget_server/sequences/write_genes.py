"""Write the genes of a genome and the sequences of their transcripts; see `genes` for the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rnaget_server.sequences.digests import cannot_be_asked_for, is_digest
from rnaget_server.sequences.genes import GENE_TABLES, GENES_FACT, KINDS, Gene, Transcript, split_version, with_version
from rnaget_server.sequences.write import SequenceWriter

_MOST_HELD = 20_000
_CACHE_KIB = 128 << 10
_ID, _SYMBOL, _SYNONYM, _TRANSCRIPT, _PROTEIN = range(len(KINDS))


class GeneWriter:
    """Writes genes into the tables of a store that is being written, and their sequences to those of the genome.

    Parameters
    ----------
    writer
        Has the sequences of the genome already.
    genome
        The id of the genome, which names transcripts and proteins whose ids no archive gives.
    """

    def __init__(self, writer: SequenceWriter, genome: str) -> None:
        self._writer = writer
        self._genome = genome
        self._index = writer.index
        # Digests come in no order: a small cache would have their table written page by page, again and again.
        self._index.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for statement in GENE_TABLES.split(";"):
            self._index.execute(statement)
        (self._of_genome,) = self._index.execute("SELECT count(*) FROM sequences").fetchone()
        self._rows: dict[str, list[Sequence[Any]]] = {}
        self.genes = self.transcripts = 0
        self.ambiguous: set[str] = set()

    def add_sequence(self, letters: bytes, names: Iterable[str | None]) -> int:
        """Write a sequence unless it is there, and the names by which it is asked for; return its number."""
        number, _, _ = self._writer.add([letters])
        for name in names:
            if name and not cannot_be_asked_for(name):
                self._add_alias(name, number)
        return number

    def _add_alias(self, name: str, number: int) -> None:
        """Give a sequence a name; one that two sequences would have is none of either."""
        authority = _authority(name) or self._genome
        self._index.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?, ?)", (number, authority, name))
        for id in (f"{authority}:{name}", name):
            if id in self.ambiguous or is_digest(id):
                continue
            if self._index.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (id, number)).rowcount:
                continue
            (present,) = self._index.execute("SELECT number FROM ids WHERE id = ?", (id,)).fetchone()
            if present != number:
                self.ambiguous.add(id)
                if present is not None and present >= self._of_genome:
                    self._index.execute("UPDATE ids SET number = NULL WHERE id = ?", (id,))

    def add_gene(self, gene: Gene, sequence: int, keys: Iterable[str]) -> None:
        """Write a gene, and its names."""
        row = (gene.number, gene.key, gene.id, gene.version, gene.symbol, json.dumps(gene.synonyms), gene.biotype)
        place = (gene.description, gene.contig, sequence, gene.start, gene.stop, gene.strand)
        self._add("genes", (*row, *place))
        self.genes += 1
        for name in (gene.id, with_version(gene.id, gene.version), *keys):
            self._add_name(name, _ID, gene.number)
        self._add_name(gene.symbol, _SYMBOL, gene.number)
        for name in gene.synonyms:
            if name not in (gene.id, gene.symbol):
                self._add_name(name, _SYNONYM, gene.number)

    def add_transcript(self, number: int, gene: int, transcript: Transcript, sequences: Sequence[int | None]) -> None:
        """Write a transcript of a gene with the numbers of its cDNA, CDS and protein, and its names."""
        row = (number, gene, transcript.id, transcript.version, transcript.name, transcript.biotype)
        place = (json.dumps(transcript.tags), transcript.start, transcript.stop, transcript.strand, *sequences)
        protein = (transcript.protein_id, transcript.protein_version, transcript.code)
        ends = (int(transcript.incomplete_start), int(transcript.incomplete_end))
        self._add("transcripts", (*row, *place, *protein, *ends))
        self.transcripts += 1
        for rank, exon in enumerate(transcript.exons, 1):
            phases = (exon.start_phase, exon.end_phase)
            self._add("exons", (number, rank, exon.id, exon.start, exon.stop, *phases))
        for rank, part in enumerate(transcript.coding, 1):
            self._add("coding", (number, rank, part.start, part.stop, part.phase))
        for name in (transcript.id, with_version(transcript.id, transcript.version), transcript.name):
            self._add_name(name, _TRANSCRIPT, gene)
        if transcript.protein_id:
            for name in (transcript.protein_id, with_version(transcript.protein_id, transcript.protein_version)):
                self._add_name(name, _PROTEIN, gene)

    def numbers_of(self, name: str) -> list[int]:
        """Return the genes of which a name is the id or symbol, else those of which it is a synonym; after `finish`."""
        query = "SELECT kind, gene FROM names WHERE folded = ? AND name = ? AND kind <= ? ORDER BY kind, gene"
        found = self._index.execute(query, (name.lower(), name, _SYNONYM)).fetchall()
        official = [gene for kind, gene in found if kind < _SYNONYM]
        return list(dict.fromkeys(official or [gene for _, gene in found]))

    def add_synonyms(self, number: int, names: Iterable[str]) -> int:
        """Give a gene further names; return how many it had not before. After `finish`."""
        query = "SELECT id, symbol, synonyms FROM genes WHERE number = ?"
        id, symbol, synonyms = self._index.execute(query, (number,)).fetchone()
        present = json.loads(synonyms)
        new = [name for name in dict.fromkeys(names) if name not in (id, symbol, *present)]
        if new:
            row = (json.dumps([*present, *new]), number)
            self._index.execute("UPDATE genes SET synonyms = ? WHERE number = ?", row)
            rows = [(name.lower(), name, _SYNONYM, number) for name in new]
            self._index.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?)", rows)
        return len(new)

    def finish(self) -> None:
        """Write what is held."""
        for table in list(self._rows):
            self._write(table)
        self._index.execute("INSERT INTO facts VALUES (?, ?)", (GENES_FACT, str(self.genes)))

    def _add_name(self, name: str | None, kind: int, gene: int) -> None:
        if name:
            self._add("names", (name.lower(), name, kind, gene))

    def _add(self, table: str, row: Sequence[Any]) -> None:
        held = self._rows.setdefault(table, [])
        held.append(row)
        if len(held) >= _MOST_HELD:
            self._write(table)

    def _write(self, table: str) -> None:
        held = self._rows.pop(table)
        marks = ", ".join("?" * len(held[0]))
        repeated = " OR IGNORE" if table == "names" else ""
        self._index.executemany(f"INSERT{repeated} INTO {table} VALUES ({marks})", held)


def _authority(name: str) -> str | None:
    stem, _ = split_version(name)
    if stem.startswith("ENS"):
        return "ensembl"
    return "refseq" if stem[2:3] == "_" and stem[3:].isdigit() else None
