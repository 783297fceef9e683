"""The lines of GTF and GFF3 files: their nine fields, and both forms of attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.detect import unreadable
from rnaget_server.importers.text.lines import TextLines

_FIELDS = 9
_TABS = _FIELDS - 1
_MOST_DIGITS = 12
_OTHER_LINES = b"#>"
_STRANDS = {b"+": 1, b"-": -1, b".": 0, b"?": 0}
_PHASES = {b"0": 0, b"1": 1, b"2": 2, b".": -1}
# Each name is tried at its first letter only, and nothing is given back: time grows with the length alone.
_GTF = re.compile(r'(?<![^\s;])([^\s;"=]++)\s++(?:"([^"]*+)"|([^\s;"]++))\s*+(?=;|$)')
# Nothing but such attributes, which takes a third of the time of looking at what is left without them.
_ALL_GTF = re.compile(r'(?>[\s;]*[^\s;"=]+\s+(?:"[^"]*"|[^\s;"]+)\s*(?=;|$))*[; \t]*')
_GFF3 = re.compile(r"[\s;]*+([^\s;=][^;=]*+)=([^;]*+)")
_EITHER_FORM = (
    'must be attributes in the form of GTF (gene_id "YAL001C"; transcript_id "YAL001C_mRNA";) or of GFF3 '
    "(ID=gene-TFC3;Name=TFC3)"
)
SKIPPED = frozenset(
    name.encode()
    for name in (
        *("UTR", "five_prime_utr", "three_prime_utr", "five_prime_UTR", "three_prime_UTR", "5UTR", "3UTR", "intron"),
        *("match", "match_part", "cDNA_match", "EST_match", "protein_match", "region", "chromosome", "scaffold"),
        *("contig", "supercontig", "biological_region", "sequence_feature", "inter", "inter_CNS", "intron_CNS", "5CDS"),
    )
)
"""Types of features that say nothing of genes which others do not."""

_LANDMARKS = frozenset((b"region", b"chromosome", b"contig", b"supercontig", b"scaffold"))
"""Types of features that may be a whole sequence."""

_CIRCULAR = re.compile(r"(?:^|;)\s*is_circular=true", re.IGNORECASE)
_SOURCE = re.compile(r"(?:^|;)\s*gbkey=Src\s*(?:;|$)")


class FeatureLine(NamedTuple):
    """A line of the annotation; 0-based and half-open, without a phase -1, without a strand 0."""

    number: int
    contig: str
    type: str
    start: int
    stop: int
    strand: int
    phase: int
    attributes: str


class Directive(NamedTuple):
    """A line ``##sequence-region``: a contig and the last base of it."""

    number: int
    contig: str
    stop: int
    whole: bool


class AttributeForm(NamedTuple):
    """One of the two forms of attributes: all of a line, or the first of a name."""

    gff3: bool
    every: Callable[[str], dict[str, list[str]] | None]
    one: Callable[[str, str], str | None]


def read_lines(
    path: Path, progress: Callable[[float], None], adds_nothing: Callable[[bytes], bool] | None = None
) -> Iterator[FeatureLine | Directive]:
    """Yield the lines that may describe genes, and what is said of the lengths of contigs.

    Parameters
    ----------
    path, progress
        The file, and what is called with the share of it that is read.
    adds_nothing
        Returns whether a line of nine fields may be left out unread, for it says what is known.

    Raises
    ------
    ImportFailure
        If the file cannot be read, or a line has not the nine fields of both formats; with the line.
    """
    try:
        with TextLines(path) as lines:
            for numbers, block in lines.blocks():
                progress(lines.share)
                for number, line in zip(numbers, block, strict=True):
                    if adds_nothing is not None and line.count(b"\t") == _TABS and adds_nothing(line):
                        continue
                    if line[0] not in _OTHER_LINES:
                        feature: FeatureLine | Directive | None = _feature(number, line, path)
                    elif line.startswith((b"##FASTA", b">")):
                        return
                    else:
                        feature = _directive(number, line)
                    if feature is not None:
                        yield feature
    except OSError as error:
        raise unreadable(path, error) from None


def _directive(number: int, line: bytes) -> Directive | None:
    found = re.fullmatch(rb"##sequence-region\s+(\S+)\s+([0-9]{1,12})\s+([0-9]{1,12})\s*", line)
    if found is None:
        return None
    return Directive(number, unquote(found[1].decode("utf-8", "replace")), int(found[3]), int(found[2]) == 1)


def _feature(number: int, line: bytes, path: Path) -> FeatureLine | None:
    fields = line.split(b"\t")
    if len(fields) != _FIELDS:
        if not line.strip():
            return None
        raise ImportFailure(
            f"the line has {len(fields)} fields, and GTF and GFF3 have {_FIELDS}, with tabs between", path, number
        )
    contig, _, type_, first, last, _, strand, phase, attributes = fields
    if type_ in SKIPPED and not (type_ in _LANDMARKS and first == b"1"):
        return None
    start = int(first) - 1 if first.isdigit() and len(first) <= _MOST_DIGITS else -1
    if start < 0 or not last.isdigit() or len(last) > _MOST_DIGITS:
        raise ImportFailure(
            f"start {_text(first)} and end {_text(last)} must be whole numbers, counted from 1", path, number
        )
    if strand not in _STRANDS:
        raise ImportFailure(f"the strand must be '+', '-' or '.', not {_text(strand)}", path, number)
    if phase not in _PHASES:
        raise ImportFailure(f"the phase must be 0, 1, 2 or '.', not {_text(phase)}", path, number)
    try:
        texts = _name(contig), _name(type_), attributes.decode().strip()
    except UnicodeDecodeError:
        raise ImportFailure("the line is not UTF-8: convert the file by iconv", path, number) from None
    name = unquote(texts[0]) if "%" in texts[0] else texts[0]
    feature = FeatureLine(number, name, texts[1], start, int(last), _STRANDS[strand], _PHASES[phase], texts[2])
    return feature if type_ not in SKIPPED or _is_landmark(feature) else None


@lru_cache(maxsize=1024)
def _name(field: bytes) -> str:
    """Return a name that many lines have."""
    return field.decode()


def says_circular(line: FeatureLine) -> bool:
    """Return whether a line calls its sequence circular."""
    return _CIRCULAR.search(line.attributes) is not None


def _is_landmark(line: FeatureLine) -> bool:
    """Return whether a line that begins at 1 describes its whole sequence, and no part of it that begins there."""
    if line.type == "chromosome" or says_circular(line) or _SOURCE.search(line.attributes):
        return True
    id = GFF3.one(line.attributes, "ID")
    return id in (line.contig, f"{line.type}:{line.contig}", f"{line.contig}:1..{line.stop}")


def _text(field: bytes) -> str:
    return shown(field.decode("utf-8", "replace"))


def form_of(line: FeatureLine, path: Path) -> AttributeForm:
    """Return the form of the attributes of a line.

    Raises
    ------
    ImportFailure
        If it is neither.
    """
    for form in (GTF, GFF3):
        if form.every(line.attributes):
            return form
    raise ImportFailure(f"the last field {_EITHER_FORM}, not {shown(line.attributes)}", path, line.number)


def gene_attributes(form: AttributeForm, line: FeatureLine, path: Path) -> dict[str, list[str]]:
    """Return all attributes of a line: the values of each name.

    Raises
    ------
    ImportFailure
        If they are not in the form of the first line.
    """
    found = form.every(line.attributes)
    if not found:
        name = "GFF3 (ID=gene-TFC3;Name=TFC3)" if form.gff3 else 'GTF (gene_id "YAL001C";)'
        raise ImportFailure(
            f"the last field must be attributes of {name}, as in the lines above, not {shown(line.attributes)}",
            path,
            line.number,
        )
    return found


def _every_gtf(text: str) -> dict[str, list[str]] | None:
    values: dict[str, list[str]] = {}
    for name, quoted, bare in _GTF.findall(text):
        value = quoted or bare
        if not value:
            continue
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values if _ALL_GTF.fullmatch(text) or not _GTF.sub("", text).replace(";", "").strip() else None


def _every_gff3(text: str) -> dict[str, list[str]] | None:
    values: dict[str, list[str]] = {}
    at = 0
    while found := _GFF3.match(text, at):
        at = found.end()
        parts = [unquote(part) if "%" in part else part for part in found[2].strip().split(",")]
        values.setdefault(found[1].strip(), []).extend(part for part in parts if part)
    return values if not text[at:].strip("; \t") else None


@cache
def _gtf_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf'(?:^|;)\s*{name}\s+(?:"([^"]+)"|([^\s;"]+))')


@cache
def _gff3_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|;)\s*{name}=([^;,]+)")


def _one_gtf(text: str, name: str) -> str | None:
    at = text.find(name)
    if at < 0:
        return None
    # As nearly all write it: the name at its first place, in front of a value in quotes.
    start = at + len(name) + 2
    if text[start - 2 : start] == ' "' and (at == 0 or text[at - 2 : at] == "; "):
        end = text.find('"', start)
        if end > start:
            return text[start:end]
    found = _gtf_pattern(name).search(text)
    return (found[1] or found[2]) if found else None


def _one_gff3(text: str, name: str) -> str | None:
    found = _gff3_pattern(name).search(text) if name in text else None
    if found is None:
        return None
    return unquote(found[1].strip()) if "%" in found[1] else found[1].strip()


GTF = AttributeForm(False, _every_gtf, _one_gtf)
GFF3 = AttributeForm(True, _every_gff3, _one_gff3)
