"""bedGraph text, checked line by line, and tables of chromosome sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.detect import unreadable
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import is_too_large
from rnaget_server.importers.text.table_body import not_utf8
from rnaget_server.stores.tracks.bigwig_layout import can_be_asked_for
from rnaget_server.stores.tracks.bigwig_writer import MOST_POSITION, Interval

_LARGEST = 3.4028234663852886e38
_MOST_BASES = 2**32 - 1
_MOST_DIGITS = 18  # of a position
_MOST_CHROMOSOMES = 1 << 22
_TOO_MANY = f"there are more than {_MOST_CHROMOSOMES:,} chromosomes: this is no file of a genome"
_SORT = "sort the file, as by `sort -k1,1 -k2,2n`"


@dataclass(frozen=True)
class Extent:
    """The extent of a bedGraph file: the last end on each chromosome, and the number of bases with a value."""

    ends: dict[str, int]
    covered: int


def extent_of(path: Path, sizes: Mapping[str, int] | None, progress: Progress) -> Extent:
    """Return the extent of a bedGraph file, having checked every line; see `intervals` for the errors."""
    ends: dict[str, int] = {}
    covered = 0
    for chromosome, start, end, _ in intervals(path, sizes, progress):
        ends[chromosome] = end
        covered += end - start
    if not ends:
        raise ImportFailure("the file holds no value", path)
    return Extent(ends, covered)


def intervals(path: Path, sizes: Mapping[str, int] | None, progress: Progress) -> Iterator[Interval]:
    """Yield (chromosome, start, end, value) of each line of a bedGraph file, plain or gzip.

    Parameters
    ----------
    path
        The file.
    sizes
        The size of every chromosome; None where no size is known.
    progress
        Called with the share read, from 0 to 1.

    Raises
    ------
    ImportFailure
        With the line, if one is not well formed, reaches beyond its chromosome, or is not in order.
    """
    checks = _Checks(path, sizes)
    limit, name, chromosome, last = 0, b"", "", 0
    with TextLines(path) as lines:
        for numbers, block in lines.blocks():
            progress(lines.share)
            for number, line in zip(numbers, block, strict=True):
                try:
                    field, first, second, third = line.split()
                    start, end, value = int(first), int(second), float(third)
                except ValueError:
                    checks.pass_over(line, number)
                    continue
                if field != name:
                    if field.startswith(b"#"):
                        continue
                    chromosome, limit = checks.enter(field, number)
                    name, last = field, 0
                if (
                    not (last <= start < end <= limit and -_LARGEST <= value <= _LARGEST)
                    or not (first.isdigit() and second.isdigit())
                    or b"_" in third
                ):
                    raise checks.refusal(line, number, chromosome, last)
                last = end
                yield chromosome, start, end, value


class _Checks:
    """The checks of a line beyond its order, and the words for what is wrong."""

    def __init__(self, path: Path, sizes: Mapping[str, int] | None) -> None:
        self._path = path
        self._sizes = sizes
        self._entered: dict[str, int] = {}

    def enter(self, field: bytes, number: int) -> tuple[str, int]:
        """Return the name of a chromosome that starts in a line, and the largest end it can have."""
        name = _chromosome(field, self._path, number)
        if name in self._entered:
            raise self._failure(
                f"{shortened(name)} is in two parts: it starts in line {self._entered[name]} and again here; {_SORT}",
                number,
            )
        if self._sizes is not None and name not in self._sizes:
            raise self._failure(f"the chromosome {shortened(name)} has no size in --chrom-sizes", number)
        if len(self._entered) >= _MOST_CHROMOSOMES:
            raise self._failure(_TOO_MANY, number)
        self._entered[name] = number
        return name, MOST_POSITION if self._sizes is None else min(self._sizes[name], MOST_POSITION)

    def pass_over(self, line: bytes, number: int) -> None:
        """Refuse a line that is neither an interval nor one of those without any."""
        fields = line.split()
        if not fields or fields[0].startswith(b"#") or fields[0] == b"browser":
            return
        if fields[0] == b"track":
            if self._entered:
                raise self._failure("a second track starts here: import each track as a file of its own", number)
            return
        if len(fields) != 4:
            raise self._failure(
                f"this line has {len(fields)} fields, and a line of a bedGraph file 4: chromosome, start, end, value",
                number,
            )
        for field, what in zip(fields[1:3], ("start", "end"), strict=True):
            if not _is_place(field):
                raise self._failure(f"the {what} {shortened(field)} is not a whole number", number)
        raise self._failure(f"the value {shortened(fields[3])} is not a number", number)

    def refusal(self, line: bytes, number: int, chromosome: str, last: int) -> ImportFailure:
        """Return what is wrong with an interval; `last` is the end of the one before."""
        _, first, second, third = line.split()
        for field, what in ((first, "start"), (second, "end")):
            if field.startswith(b"-"):
                return self._failure(f"the {what} {shortened(field)} is negative: positions count from 0", number)
            if not field.isdigit():
                return self._failure(f"the {what} {shortened(field)} is not a whole number", number)
        start, end, value = int(first), int(second), float(third)
        if b"_" in third or value != value or (abs(value) == float("inf") and not is_too_large(third)):
            return self._failure(f"the value {shortened(third)} is not a number; leave such a line out", number)
        if abs(value) > _LARGEST:
            return self._failure(f"the value {shortened(third)} is larger than a float32 can be (3.4e38)", number)
        if start >= end:
            return self._failure(f"the start {start} is not before the end {end}: intervals are half-open", number)
        if start < last < end:
            return self._failure(
                f"the interval {chromosome}:{start}-{end} overlaps the one before, which ends at {last}", number
            )
        if start < last:
            return self._failure(
                f"the start {start} comes behind the end {last} of the interval before: {_SORT}", number
            )
        size = (self._sizes or {}).get(chromosome, _MOST_BASES)
        if MOST_POSITION < end <= size:
            return self._failure(
                f"the end {end} is above {MOST_POSITION:,}, up to which bigWig files are written: "
                "convert the file by another program, and import that",
                number,
            )
        return self._failure(
            f"the end {end} is beyond the end of {shortened(chromosome)} ({size} bases): cut such intervals, as by "
            "`bedClip FILE CHROM.SIZES NEW`, or give the sizes of the genome that the file is of by --chrom-sizes",
            number,
        )

    def _failure(self, message: str, number: int) -> ImportFailure:
        return ImportFailure(message, self._path, number)


def read_sizes(path: Path) -> dict[str, int]:
    """Return the chromosome sizes in a table of two columns; further ones, as in a .fai, do not count.

    Raises
    ------
    ImportFailure
        If a line is not of that form, or a chromosome has two.
    """
    sizes: dict[str, int] = {}
    with _opened(path) as lines:
        for numbers, block in lines.blocks():
            for number, line in zip(numbers, block, strict=True):
                fields = line.split()
                if not fields or fields[0].startswith(b"#"):
                    continue
                if len(fields) < 2 or not _is_place(fields[1]) or not 0 < int(fields[1]) <= _MOST_BASES:
                    raise ImportFailure("this line is no chromosome and its size in bases", path, number)
                name = _chromosome(fields[0], path, number)
                if sizes.setdefault(name, int(fields[1])) != int(fields[1]):
                    raise ImportFailure(f"{shortened(name)} has two sizes, here and further up", path, number)
                if len(sizes) > _MOST_CHROMOSOMES:
                    raise ImportFailure(_TOO_MANY, path, number)
    if not sizes:
        raise ImportFailure("the file names no chromosome", path)
    return sizes


def _chromosome(field: bytes, path: Path, number: int) -> str:
    """Return the name of a chromosome; refuse one that the file that is made could not be asked for."""
    try:
        name = field.decode()
    except UnicodeDecodeError:
        raise not_utf8(path, number) from None
    if not can_be_asked_for(name):
        raise ImportFailure(
            f"the chromosome {shortened(name)} has a control character in its name, or too long a name: rename it",
            path,
            number,
        )
    if name[0] == '"' == name[-1]:
        raise ImportFailure(
            f"the chromosome {shortened(name)} is in quotes: write the file without them, as by quote=FALSE in R",
            path,
            number,
        )
    return name


def _is_place(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _MOST_DIGITS


def _opened(path: Path) -> TextLines:
    try:
        return TextLines(path)
    except OSError as error:
        raise unreadable(path, error) from None
