"""Regions as people write them: a stretch of a chromosome, counted from 1 with both ends, or a gene."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from rnaget_server.errors import InvalidQuery, UnknownId, shown, unknown_name
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.stores.tracks.base import own_name

_REGION = re.compile(r"(?P<name>.+):(?P<start>[0-9,]{1,15})(?:-(?P<end>[0-9,]{1,15}))?", re.DOTALL)
_LIKE_A_REGION = re.compile(r".+:[^:]*-[^:]*|.+:", re.DOTALL)
_LEAST = 100
"""A single base is shown with those around it."""

_MOST_NAMES = 1_000


@dataclass(frozen=True)
class NamedRegion:
    """A stretch of a chromosome: 0-based, half-open; `gene` is the name that it was found by."""

    chromosome: str
    start: int
    end: int
    gene: str | None = None

    def __len__(self) -> int:
        """Return the number of bases."""
        return self.end - self.start

    def __str__(self) -> str:
        """Return it counted from 1 with both ends, such as ``chr1:1001-2000``."""
        return f"{self.chromosome}:{self.start + 1}-{self.end}"


def parse_region(text: str, chromosomes: Mapping[str, int]) -> NamedRegion | None:
    """Return the stretch that a text names, or the whole of a chromosome; None if it names neither.

    Raises
    ------
    InvalidQuery
        If it is written like one, and there is none such.
    UnknownId
        If there is no such chromosome.
    """
    if text in chromosomes:
        return NamedRegion(text, 0, chromosomes[text])
    match = _REGION.fullmatch(text)
    if match is None:
        if _LIKE_A_REGION.fullmatch(text):
            raise InvalidQuery(f"{shown(text)} is no region: write it like chr1:1001-2000")
        return None
    start, end = (int((match[name] or "").replace(",", "") or 0) for name in ("start", "end"))
    if start < 1 or (match["end"] and end < start):
        raise InvalidQuery(f"{shown(text)} is no region: the first base is 1, and the end is not before the start")
    name = own_name(match["name"], chromosomes)
    size = chromosomes[name]
    if start > size:
        raise InvalidQuery(f"{shown(text)} lies beyond the end of {name}, which has {size:,} bases")
    return _with_surroundings(NamedRegion(name, start - 1, min(end or start, size)), size)


def find_region(
    text: str, chromosomes: Mapping[str, int], genome: SequenceStore | None, names: Mapping[str, str]
) -> NamedRegion:
    """Return the region that a text names, or that of a gene with a tenth of its length on both sides.

    Parameters
    ----------
    text
        What somebody has written.
    chromosomes
        Their names and sizes.
    genome
        The genome that has them, if it is known.
    names
        What the genome calls them, see `sequence_names`.

    Raises
    ------
    InvalidQuery, UnknownId
        If there is none such; the message says what to write.
    """
    region = parse_region(text, chromosomes)
    if region is not None:
        return region
    match = genome.find_genes(text) if genome is not None else None
    if genome is None or match is None:
        try:
            whole = own_name(text, chromosomes)
        except UnknownId:
            raise UnknownId(_unknown(text, chromosomes, genome)) from None
        return NamedRegion(whole, 0, chromosomes[whole])
    places = {contig: name for name, contig in names.items()}
    for gene in genome.genes(match.genes):
        chromosome = places.get(gene.contig)
        margin = max(_LEAST, (gene.stop - gene.start) // 10)
        start, end = max(0, gene.start - margin), gene.stop + margin
        if chromosome is not None and start < chromosomes[chromosome]:
            return NamedRegion(chromosome, start, min(end, chromosomes[chromosome]), gene.symbol or gene.id)
    raise UnknownId(f"the gene {shown(text)} is on no chromosome that has data here")


def sequence_names(genome: SequenceStore, chromosomes: Mapping[str, int], whole: bool) -> dict[str, str]:
    """Return what a genome calls the first thousand chromosomes; one of another length there is of another genome.

    `whole` is false where no lengths are known but the last bases that have data.
    """
    found = {}
    for name, size in islice(chromosomes.items(), _MOST_NAMES):
        for other in _spellings(name):
            sequence = genome.member(other)
            if sequence is not None and (size == sequence.length if whole else size <= sequence.length):
                found[name] = other
                break
    return found


def _spellings(name: str) -> Iterator[str]:
    plain = name.removeprefix("chr")
    yield from dict.fromkeys((name, plain, f"chr{plain}"))
    if other := {"M": "MT", "MT": "M"}.get(plain):
        yield from (other, f"chr{other}")


def _with_surroundings(region: NamedRegion, size: int) -> NamedRegion:
    if len(region) >= _LEAST:
        return region
    start = max(0, min((region.start + region.end - _LEAST) // 2, size - _LEAST))
    return NamedRegion(region.chromosome, start, min(size, start + _LEAST))


def _unknown(text: str, chromosomes: Mapping[str, int], genome: SequenceStore | None) -> str:
    if genome is None or not genome.number_of_genes():
        return f"{unknown_name('chromosome', text, chromosomes)}; genes are not known here"
    near = genome.near_names(text)
    start = f"there is neither a chromosome nor a gene {shown(text)}"
    return f"{start}: did you mean {', '.join(near)}?" if near else f"{start}: write chr1:1001-2000, or a symbol"
