"""The sequences of transcripts: exons put together, the coding part of them, and the protein."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.sequences.gene_models import Contig, Node, Part
from rnaget_server.sequences.derive import begins_protein, reverse_complement, translate
from rnaget_server.sequences.genes import CodingPart, Exon

# Parts that meet where a ribosome slips back share so many bases at most.
_SLIPPED = 2
Read = Callable[[Contig, int, int], bytes]
"""Returns the letters of a sequence from a start up to a stop."""


@dataclass(frozen=True)
class Model:
    """A transcript with its sequences; exons and coding parts in the order of transcription."""

    exons: tuple[Exon, ...]
    coding: tuple[CodingPart, ...]
    cdna: bytes | None
    cds: bytes | None
    protein: str | None
    incomplete_start: bool
    incomplete_end: bool
    has_other_phases: bool = False

    @property
    def stops_within(self) -> bool:
        """True if the protein has stops before its end."""
        return self.protein is not None and "*" in self.protein


def model_of(
    node: Node, contig: Contig, exons: Sequence[Part], coding: Sequence[Part], code: int, read: Read, path: Path
) -> Model:
    """Return a transcript with its sequences, of parts that are sorted by position.

    Raises
    ------
    ImportFailure
        If its exons overlap, its coding sequence is not within them, or its strand is not known; with the line.
    """
    strand = node.seen[1] if node.seen else node.strand
    if contig.circular:
        exons, coding = _unrolled(node, exons, coding, contig.length)
    _check_overlaps(node, exons, 0, "exon", path)
    _check_overlaps(node, coding, _SLIPPED, "CDS part", path)
    given_phases = [part.phase for part in _in_order(coding, strand)]
    coding = _with_stops(coding, [_shifted(stop, exons or coding, contig) for stop in node.stops])
    exons = exons or _joined(coding)
    _check_within(node, exons, coding, path)
    if coding and not strand:
        raise ImportFailure(f"the CDS of {shown(node.key)} has no strand: write + or -", path, coding[0].line)
    exons, coding = _in_order(exons, strand), _in_order(coding, strand)
    phase = max(given_phases[0], 0) if given_phases else 0
    parts = _coding_parts(coding, phase)
    cds = _spliced(contig, coding, strand, read) if coding else None
    protein = _protein(node, cds, parts, strand, code, contig) if cds is not None else None
    return Model(
        exons=tuple(_exons(exons, coding, strand, phase)),
        coding=parts,
        cdna=_spliced(contig, exons, strand, read),
        cds=cds,
        protein=protein,
        incomplete_start=cds is not None and (phase > 0 or "start" in node.partial),
        incomplete_end=cds is not None and ((len(cds) - phase) % 3 > 0 or "end" in node.partial),
        has_other_phases=any(given not in (-1, part.phase) for given, part in zip(given_phases, parts, strict=False)),
    )


def _unrolled(node: Node, exons: Sequence[Part], coding: Sequence[Part], length: int) -> tuple[list[Part], list[Part]]:
    """Return parts that go over the end of a circular sequence in a row: those after it lie beyond its length."""
    first = _first_on_ring(node, exons or coding, length)

    def shifted(ones: Iterable[Part]) -> list[Part]:
        moved = (
            part._replace(start=part.start + length, stop=part.stop + length) if part.start < first else part
            for part in ones
        )
        return sorted(moved, key=lambda part: part.start)

    return shifted(exons), shifted(coding)


def _first_on_ring(node: Node, parts: Sequence[Part], length: int) -> int:
    """Return where a transcript on a circular sequence begins: what is before that comes after its end."""
    # Its own line says so, or that of its gene; else parts that meet at the end, or go over it.
    for one in (node, node.gene):
        if one.line and one.stop > length and any(part.start >= one.start for part in parts):
            return one.start
    last = max((part.stop for part in parts), default=0)
    is_split = bool(parts) and parts[0].start == 0 and last == length and len(parts) > 1
    if not is_split and last <= length:
        return 0
    gap, first = max(((after.start - before.stop, after.start) for before, after in pairwise(parts)), default=(0, 0))
    return first if gap > parts[0].start + length - last else parts[0].start


def _shifted(span: tuple[int, int], parts: Sequence[Part], contig: Contig) -> tuple[int, int]:
    """Return a span beyond the end of a circular sequence, if the parts begin behind it."""
    start, stop = span
    if contig.circular and parts and stop <= parts[0].start:
        return start + contig.length, stop + contig.length
    return span


def _check_overlaps(node: Node, parts: Sequence[Part], allowed: int, what: str, path: Path) -> None:
    for before, after in pairwise(parts):
        if (before.start, before.stop) == (after.start, after.stop):
            lines = sorted((before.line, after.line))
            raise ImportFailure(f"the same {what} of {shown(node.key)} is in line {lines[0]:,} already", path, lines[1])
        if after.start < before.stop - allowed:
            raise ImportFailure(f"two {what}s of {shown(node.key)} overlap: see line {before.line:,}", path, after.line)


def _with_stops(coding: Sequence[Part], stops: Sequence[tuple[int, int]]) -> list[Part]:
    """Return coding parts with the stop codon, which GTF has in lines of its own."""
    parts = list(coding)
    if not parts:
        return parts
    for start, stop in stops:
        covered = [part for part in parts if part.start < stop and start < part.stop]
        for part in covered:  # at its beginning or its end
            start, stop = (max(start, part.stop), stop) if part.start <= start else (start, min(stop, part.start))
        if start >= stop:
            continue
        for at, part in enumerate(parts):
            if part.stop == start:
                parts[at] = part._replace(stop=stop)
                break
            if part.start == stop:
                parts[at] = part._replace(start=start)
                break
        else:
            parts.append(Part(start, stop, -1, parts[-1].line, None))
            parts.sort(key=lambda part: part.start)
    return parts


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Return the exons of a transcript of which only the coding parts are known."""
    joined: list[Part] = []
    for part in parts:
        if joined and part.start <= joined[-1].stop:
            joined[-1] = joined[-1]._replace(stop=max(part.stop, joined[-1].stop))
        else:
            joined.append(part._replace(phase=-1))
    return joined


def _check_within(node: Node, exons: Sequence[Part], coding: Sequence[Part], path: Path) -> None:
    whole, at = _joined(exons), 0
    for part in coding:
        while at < len(whole) and whole[at].stop < part.stop:
            at += 1
        if at == len(whole) or part.start < whole[at].start:
            raise ImportFailure(f"the CDS of {shown(node.key)} is not within its exons", path, part.line)


def _in_order(parts: Sequence[Part], strand: int) -> list[Part]:
    return list(parts) if strand >= 0 else list(reversed(parts))


def _spliced(contig: Contig, parts: Sequence[Part], strand: int, read: Read) -> bytes:
    pieces = [read(contig, part.start, part.stop) for part in parts]
    return b"".join(pieces if strand >= 0 else map(reverse_complement, pieces))


def _coding_parts(coding: Sequence[Part], phase: int) -> tuple[CodingPart, ...]:
    """Return the coding parts with their phases, of which the first is given."""
    parts = []
    for part in coding:
        parts.append(CodingPart(part.start, part.stop, phase))
        phase = (phase - (part.stop - part.start)) % 3
    return tuple(parts)


def _exons(exons: Sequence[Part], coding: Sequence[Part], strand: int, phase: int) -> Iterable[Exon]:
    """Yield the exons with the bases of a codon that were before their beginning and before what follows their end."""
    before = -phase % 3
    at = 0
    for exon in exons:
        first, last = (exon.start, exon.stop) if strand >= 0 else (exon.stop, exon.start)
        start_phase = end_phase = -1
        while at < len(coding) and exon.start <= coding[at].start and coding[at].stop <= exon.stop:
            begin, end = (coding[at].start, coding[at].stop) if strand >= 0 else (coding[at].stop, coding[at].start)
            if begin == first:
                start_phase = before % 3
            before += coding[at].stop - coding[at].start
            if end == last:
                end_phase = before % 3
            at += 1
        yield Exon(exon.id, exon.start, exon.stop, start_phase, end_phase)


def _protein(node: Node, cds: bytes, parts: Sequence[CodingPart], strand: int, code: int, contig: Contig) -> str | None:
    phase = parts[0].phase
    aminos = translate(cds[phase:], code)
    if not phase and "start" not in node.partial and (node.start_codon or code != 1) and begins_protein(cds[:3], code):
        aminos = "M" + aminos[1:]
    for position, letter in node.recoded:
        at = _offset(parts, position, strand)
        if at is None and contig.circular:
            at = _offset(parts, position + contig.length, strand)
        if at is not None and (at - phase) % 3 == 0 and 0 <= (at - phase) // 3 < len(aminos):
            number = (at - phase) // 3
            aminos = aminos[:number] + letter + aminos[number + 1 :]
    return aminos.removesuffix("*") or None


def _offset(parts: Sequence[CodingPart], position: int, strand: int) -> int | None:
    """Return how many coding bases are before one of a position."""
    before = 0
    for part in parts:
        if part.start <= position < part.stop:
            return before + (position - part.start if strand >= 0 else part.stop - 1 - position)
        before += part.stop - part.start
    return None
