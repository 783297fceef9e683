"""A genome and its annotation of the size and form of the human one, made anew from a seed."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

_LINE = 60
_LETTERS = np.frombuffer(b"ACGT", np.uint8)
_EXON = 60, 260
_INTRON = 20, 300
# Of three genes one is coding, with as many transcripts and exons as make the human numbers.
_CODING = 7.5, 8
_OTHERS = 2.5, 4
_SPARE_EXONS = 2


@dataclass(frozen=True)
class GenomeSize:
    """The size of a genome to be made: letters in all, sequences, and genes; the defaults but the letters are human.

    There are about four transcripts to a gene, and about 27 exon lines.
    """

    letters: int = 300_000_000
    sequences: int = 25
    genes: int = 60_000

    @property
    def length(self) -> int:
        """Letters of each sequence."""
        return self.letters // self.sequences


def write_fasta(path: Path, size: GenomeSize, seed: int = 1) -> None:
    """Write the sequences, random letters in lines of 60."""
    numbers = np.random.default_rng(seed)
    with path.open("wb") as file:
        for at in range(size.sequences):
            file.write(f">{_name(at)}\n".encode())
            letters = _LETTERS[numbers.integers(0, 4, size.length, np.uint8)]
            whole = size.length // _LINE * _LINE
            lines = np.full((whole // _LINE, _LINE + 1), ord("\n"), np.uint8)
            lines[:, :_LINE] = letters[:whole].reshape(-1, _LINE)
            file.write(lines.tobytes())
            if whole < size.length:
                file.write(letters[whole:].tobytes() + b"\n")


def write_annotation(path: Path, size: GenomeSize, seed: int = 1) -> Counter[str]:
    """Write the genes as GTF in the form of GENCODE, compressed if the name says so; return how many lines of a type.

    A sequence needs about 5,000 letters for each of its genes.
    """
    lines = _Lines(random.Random(seed))
    room = size.length * size.sequences // size.genes
    with _opened(path) as file:
        file.write("##description: made from a seed\n##provider: none\n##format: gtf\n")
        for gene in range(size.genes):
            contig, within = divmod(gene, -(-size.genes // size.sequences))
            file.writelines(lines.of_gene(gene + 1, _name(contig), within * room + 1, room))
    return lines.counts


def _opened(path: Path) -> IO[str]:
    return gzip.open(path, "wt", 1) if path.suffix == ".gz" else path.open("w")


def _name(at: int) -> str:
    return f"chr{at + 1}"


class _Lines:
    """The lines of genes, and how many there were of each type."""

    def __init__(self, numbers: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._numbers = numbers
        self._contig = self._strand = self._of_gene = ""

    def of_gene(self, number: int, contig: str, start: int, room: int) -> Iterator[str]:
        """Yield the lines of a gene, which has so many letters to itself."""
        is_coding = number % 3 == 0
        transcripts, of_transcript = _CODING if is_coding else _OTHERS
        exons = _exons(start, room, of_transcript + _SPARE_EXONS, self._numbers)
        self._contig, self._strand = contig, self._numbers.choice("+-")
        type = "protein_coding" if is_coding else self._numbers.choice(("lncRNA", "processed_pseudogene", "snoRNA"))
        names = f'gene_type "{type}"; gene_name "GENE{number}"; '
        of_gene = f'gene_id "ENSG{number:011d}.{number % 9 + 1}"; '
        yield self._line("gene", exons[0][0], exons[-1][1], f'{of_gene}{names}hgnc_id "HGNC:{number}"; ')
        for _ in range(int(transcripts) + (self._numbers.random() < transcripts % 1)):
            id = self.counts["transcript"] + 1
            more = f'{of_gene}transcript_id "ENST{id:011d}.1"; {names}'
            more += f'transcript_type "{type}"; transcript_name "GENE{number}-{id}"; '
            chosen = sorted(self._numbers.sample(exons, min(len(exons), of_transcript)))
            yield self._line("transcript", chosen[0][0], chosen[-1][1], more)
            in_order = chosen if self._strand == "+" else chosen[::-1]
            yield from self._parts(in_order, more, f"ENSP{id:011d}.1" if is_coding else None)

    def _parts(self, exons: Sequence[tuple[int, int]], attributes: str, protein: str | None) -> Iterator[str]:
        length = 0
        for at, (start, end) in enumerate(exons, 1):
            own = f'{attributes}exon_number {at}; exon_id "ENSE{start:011d}.1"; '
            yield self._line("exon", start, end, own)
            if protein is not None and at > 1:
                yield self._line("CDS", start, end, f'{own}protein_id "{protein}"; tag "basic"; ', str(-length % 3))
                length += end - start + 1

    def _line(self, type: str, start: int, end: int, attributes: str, phase: str = ".") -> str:
        self.counts[type] += 1
        return f"{self._contig}\tHAVANA\t{type}\t{start}\t{end}\t.\t{self._strand}\t{phase}\t{attributes}level 2;\n"


def _exons(start: int, room: int, count: int, numbers: random.Random) -> list[tuple[int, int]]:
    exons = []
    at = start
    for _ in range(count):
        stop = at + numbers.randint(*_EXON)
        if stop >= start + room:
            break
        exons.append((at, stop - 1))
        at = stop + numbers.randint(*_INTRON)
    return exons
