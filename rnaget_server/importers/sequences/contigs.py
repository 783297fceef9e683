"""The sequences of a genome as an annotation names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.sequences.annotation_lines import Directive, FeatureLine
from rnaget_server.importers.sequences.gene_models import Contig
from rnaget_server.sequences.derive import CODES

_MOST_NAMED = 5
_MITOCHONDRIAL = frozenset({"chrm", "m", "mt", "chrmt", "mito", "chrmito", "mtdna", "mitochondrion"})
_YEAST, _VERTEBRATE, _INVERTEBRATE = 3, 2, 5
_ROMAN = re.compile(r"(?:chr)?([IVX]+)")
_WORM = {"I", "II", "III", "IV", "V", "X"}
_CODE_NAMES = {1: "standard", 2: "vertebrate mitochondrial", 3: "yeast mitochondrial", 5: "invertebrate mitochondrial"}


class Contigs:
    """The sequences of a genome by name.

    Parameters
    ----------
    contigs
        By their own names, in the order of the genome.
    by_alias
        Returns the own name of the sequence that has another name, None if none has it.
    """

    def __init__(self, contigs: Mapping[str, Contig], by_alias: Callable[[str], str | None]) -> None:
        self._contigs = dict(contigs)
        self._by_alias = by_alias
        self.made_circular: list[Contig] = []

    def find(self, line: FeatureLine | Directive, path: Path) -> Contig:
        """Return the sequence that a line is on.

        Raises
        ------
        ImportFailure
            If the genome has none of that name.
        """
        found = self._contigs.get(line.contig)
        if found is None:
            found = self._contigs.get(self._by_alias(line.contig) or "")
            if found is None:
                raise ImportFailure(self._unknown(line.contig), path, line.number)
            self._contigs[line.contig] = found
        return found

    def _unknown(self, name: str) -> str:
        message = f"the genome has no sequence {shown(name)}"
        short = name.removeprefix("chr")
        for other in (f"chr{name}", short, "MT" if short == "M" else "", "chrM" if name == "MT" else ""):
            if other in self._contigs:
                return (
                    f"{message}, but it has {other!r}: give the annotation the names of the FASTA file, or name "
                    f"{name!r} as an alias of {other!r} by --aliases"
                )
        names = [contig.name for contig in self._contigs.values()][:_MOST_NAMED]
        return f"{message}: its first are {', '.join(dict.fromkeys(names))}; take the annotation of this assembly"

    def span(self, contig: Contig, line: FeatureLine, path: Path) -> tuple[int, int]:
        """Return where a line begins and ends, 0-based; beyond the length of a circular sequence if over its end.

        Raises
        ------
        ImportFailure
            If it does not lie on the sequence.
        """
        start, stop = line.start, line.stop
        if contig.circular:
            if stop <= start:
                stop += contig.length
            if stop <= 2 * contig.length and stop - start <= contig.length:
                return start, stop
        if stop <= start:
            raise ImportFailure(
                f"the end {stop:,} is before the start {start + 1:,}: swap them (or name {contig.name} by --circular)",
                path,
                line.number,
            )
        if stop > contig.length:
            raise ImportFailure(
                f"the end {stop:,} is beyond {contig.name}, which has {contig.length:,} bases: take the annotation of "
                "this assembly (or name the sequence by --circular, if it is)",
                path,
                line.number,
            )
        return start, stop

    def check_length(self, line: Directive, path: Path) -> None:
        """Refuse what is said of the length of a sequence, if the genome has it and it is longer or shorter.

        Raises
        ------
        ImportFailure
            If so.
        """
        contig = self._contigs.get(line.contig) or self._contigs.get(self._by_alias(line.contig) or "")
        if contig is None or line.stop == contig.length or (line.stop < contig.length and not line.whole):
            return
        raise ImportFailure(
            f"{line.contig} has {line.stop:,} bases here and {contig.length:,} in the genome: take the annotation of "
            "this assembly (or remove the line, if it is wrong)",
            path,
            line.number,
        )

    def make_circular(self, line: FeatureLine, path: Path) -> None:
        """Take over that a sequence is circular."""
        contig = self.find(line, path)
        if not contig.circular and line.start == 0 and line.stop == contig.length:
            circular = replace(contig, circular=True)
            self._contigs = {name: circular if one is contig else one for name, one in self._contigs.items()}
            self.made_circular.append(circular)


class GeneticCodes:
    """The genetic code of each sequence: as the provider says, else by its name.

    Parameters
    ----------
    options
        Texts such as ``chrM=3``, or ``11`` for all.
    names
        The names of the sequences.

    Raises
    ------
    ImportFailure
        If an option names no sequence or no code.
    """

    def __init__(self, options: Sequence[str], names: Sequence[str]) -> None:
        self._default = 1
        self._by_name: dict[str, int] = {}
        self._all_given = False
        for option in options:
            name, _, text = option.rpartition("=")
            if text not in map(str, CODES):
                raise ImportFailure(
                    f"--genetic-code {option}: write NAME=CODE or CODE, with a code of {', '.join(map(str, CODES))}"
                )
            if name and name not in names:
                raise ImportFailure(
                    f"--genetic-code {option}: there is no sequence {shown(name)}; "
                    f"the first are {', '.join(names[:_MOST_NAMED])}"
                )
            if name:
                self._by_name[name] = int(text)
            else:
                self._default, self._all_given = int(text), True
        self._mitochondrial = _mitochondrial_code(names)
        self.guessed: dict[str, int] = {}

    def of(self, contig: str) -> int:
        """Return the code of a sequence."""
        if contig in self._by_name:
            return self._by_name[contig]
        if self._all_given or contig.lower() not in _MITOCHONDRIAL:
            return self._default
        code = {"mito": _YEAST, "chrmito": _YEAST, "mtdna": _INVERTEBRATE}.get(contig.lower(), self._mitochondrial)
        self.guessed[contig] = code
        return code

    def remarks(self) -> list[str]:
        """Return what was guessed."""
        return [
            f"{name}: translated by genetic code {code} ({_CODE_NAMES[code]}); --genetic-code {name}=N takes another"
            for name, code in self.guessed.items()
        ]


def _mitochondrial_code(names: Sequence[str]) -> int:
    """Return the code of a mitochondrion among these chromosomes: yeasts and worms number theirs in the Roman way."""
    roman = {found[1] for name in names if (found := _ROMAN.fullmatch(name))}
    if roman == _WORM:
        return _INVERTEBRATE
    return _YEAST if roman - {"X"} else _VERTEBRATE
