"""The text files of quantifiers, read by columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.quantifications.kinds import (
    COUNTS,
    COVERAGE,
    FEATURE_COUNTS,
    FPKM,
    HTSEQ,
    LENGTH,
    STAR,
    Kind,
    samples_of_cuffdiff,
)
from rnaget_server.importers.text.columns import describes_features
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import BadCell, is_number, parse_cells
from rnaget_server.importers.text.table_body import decoded
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.hdf5_dataset import shown_bytes

STRANDS = ("unstranded", "forward", "reverse")
"""The columns of STAR's counts."""

_HELD, _ROW_BYTES = 4, 64
_LOOKED_AT = 20
_NAME = "gene_name"
_TAB = b"\t"
_EXTRA = re.compile(rb'"--extraAttributes" "([^"]*)"')
_HTSEQ_COUNTERS = frozenset((b"no_feature", b"ambiguous", b"too_low_aQual", b"not_aligned", b"alignment_not_unique"))
_STAR_COUNTERS = frozenset((b"N_unmapped", b"N_multimapping", b"N_noFeature", b"N_ambiguous"))


@dataclass(frozen=True)
class Reading:
    """The columns to read where a kind has several: the strand of STAR, the read length for counts of StringTie."""

    strand: str | None = None
    read_length: int | None = None
    limits: FileLimits = field(default_factory=FileLimits)


@dataclass(frozen=True)
class Quantities:
    """The content of a file: its features, and a row of each layer for each sample.

    `samples` are the names that the file has for several samples; one that is named by its file is ``""``.
    """

    path: Path
    ids: list[str]
    samples: tuple[str, ...]
    layers: dict[str, NDArray[Any]]
    lengths: dict[str, NDArray[Any]]
    attributes: dict[str, list[str]]


@dataclass(frozen=True)
class _Columns:
    """The columns to read: where the ids and attributes are, and the header of each column of numbers."""

    width: int
    id: int
    attributes: dict[str, int]
    numbers: tuple[int, ...]
    headers: tuple[str, ...]


def read_quantities(path: Path, kind: Kind, reading: Reading) -> Quantities:
    """Return the content of a text file.

    Raises
    ------
    ImportFailure
        If it is not of this kind or not well formed.
    """
    with TextLines(path) as lines:
        extra = _extra_attributes(lines) if kind == FEATURE_COUNTS else ()
        header = _header(lines, kind)
        attributes = _attributes(lines, kind, header, extra)
        values = _value_columns([name for name in header if name not in attributes.values()], kind, reading, path)
        wanted = [*kind.lengths.values(), *(column for row in values.values() for column in row.values())]
        if reading.read_length is not None and COVERAGE in header:
            wanted.append(COVERAGE)
        columns = _Columns(
            len(header),
            header.index(kind.id or header[0]),
            {name: header.index(column) for name, column in attributes.items()},
            tuple(header.index(column) for column in dict.fromkeys(wanted)),
            tuple(dict.fromkeys(wanted)),
        )
        body = _Body(path, kind, columns)
        body.read(lines, reading.limits)
    ids, numbers, texts = body.merged()
    by_header = dict(zip(columns.headers, numbers, strict=True))
    layers = {
        units: np.stack([by_header[row[units]] for row in values.values()]) for units in next(iter(values.values()))
    }
    if reading.read_length is not None and COVERAGE in by_header:
        layers[COUNTS] = (by_header[COVERAGE] * by_header[kind.lengths[LENGTH]] / reading.read_length)[np.newaxis]
    lengths = {name: by_header[column] for name, column in kind.lengths.items()}
    return Quantities(path, ids, tuple(values), layers, lengths, texts)


def _header(lines: TextLines, kind: Kind) -> list[str]:
    """Return the header, or the names of columns where there is none."""
    taken = lines.take()
    while taken is not None and taken[1].startswith(b"#") and kind == FEATURE_COUNTS:
        taken = lines.take()
    if taken is None:
        raise ImportFailure(f"the file is empty: see whether the run of {kind.program} is whole", lines.path)
    number, line = taken
    fields = decoded(line.split(b"\t"), lines.path, number)
    if not kind.id:
        lines.put_back(number, line)
        made = (
            {4: ["gene_id", *STRANDS]} if kind == STAR else {2: ["gene_id", "count"], 3: ["gene_id", "name", "count"]}
        )
        if len(fields) in made:
            return made[len(fields)]
        raise _other_kind(lines.path, number, kind, f"{' or '.join(map(str, made))} fields with tabs between", fields)
    several = kind == FEATURE_COUNTS or (kind.layers == {FPKM: "FPKM"} and samples_of_cuffdiff(fields))
    needed = [kind.id, *kind.lengths.values(), *(() if several else kind.layers.values())]
    missing = [column for column in needed if column not in fields]
    if missing:
        raise _other_kind(lines.path, number, kind, f"the columns {', '.join(needed)}", fields)
    repeated = next((name for at, name in enumerate(fields) if name in fields[:at]), None)
    if repeated is not None:
        raise ImportFailure(f"two columns have the header {shortened(repeated)}: rename one", lines.path, number)
    return fields


def _other_kind(path: Path, number: int, kind: Kind, needed: str, fields: Sequence[str]) -> ImportFailure:
    return ImportFailure(
        f"this is no {kind.file} of {kind.program}, which has {needed}, and not {shortened(', '.join(fields))}: name "
        "the files that it wrote, as they are",
        path,
        number,
    )


def _extra_attributes(lines: TextLines) -> Sequence[str]:
    """Return the attributes that the command in the first line of featureCounts asks for."""
    first = next(iter(lines.peek(1)), b"")
    found = _EXTRA.search(first) if first.startswith(b"#") else None
    return found[1].decode("utf-8", "replace").split(",") if found else ()


def _attributes(lines: TextLines, kind: Kind, header: Sequence[str], extra: Sequence[str]) -> dict[str, str]:
    """Return the attributes that the file has, each with the header of its column."""
    known = {_NAME: "name"} if kind == HTSEQ else kind.attributes
    found = {name: column for name, column in known.items() if column in header}
    if kind == FEATURE_COUNTS:  # --extraAttributes adds columns in front of the samples
        rows = [line.split(b"\t") for line in lines.peek(_LOOKED_AT)]
        for at in range(header.index("Length") + 1, len(header)):
            words = any(at < len(row) and not is_number(row[at]) for row in rows)
            if words or header[at] in extra or describes_features(header[at]):
                found[header[at]] = header[at]
    return found


def _value_columns(header: Sequence[str], kind: Kind, reading: Reading, path: Path) -> dict[str, dict[str, str]]:
    """Return the columns of each sample, by units."""
    if kind == FEATURE_COUNTS:
        samples = {name: {COUNTS: name} for name in header[header.index("Length") + 1 :]}
        if not samples:
            raise ImportFailure("the file has no column of a sample behind Length", path)
        return samples
    if kind == STAR:
        return {"": {COUNTS: reading.strand or STRANDS[0]}}
    if kind == HTSEQ:
        return {"": {COUNTS: "count"}}
    if "FPKM" not in header and kind.layers == {FPKM: "FPKM"}:
        return {sample: {FPKM: column} for sample, column in samples_of_cuffdiff(header).items()}
    return {"": kind.layers}


class _Body:
    """The rows of a file, as they are read."""

    def __init__(self, path: Path, kind: Kind, columns: _Columns) -> None:
        self._path, self._kind, self._columns = path, kind, columns
        self._counters = kind in (HTSEQ, STAR)
        self._ids: list[str] = []
        self._lines: list[int] = []
        self._texts: list[list[str]] = [[] for _ in columns.attributes]
        self._numbers: list[NDArray[Any]] = []

    def read(self, lines: TextLines, limits: FileLimits) -> None:
        """Read all rows."""
        held = 0
        for numbers, block in lines.blocks():
            held += sum(map(len, block)) + _ROW_BYTES * len(block)
            if held > _HELD * limits.column_bytes:
                raise ImportFailure(
                    f"the file needs more than {shown_bytes(_HELD * limits.column_bytes)} of memory: import it as a "
                    "table, by --units, or set RNAGET_MAX_COLUMN_BYTES",
                    self._path,
                    numbers[0],
                )
            if self._counters:
                kept = [at for at, line in enumerate(block) if not self._is_counter(line.partition(b"\t")[0])]
                numbers, block = [numbers[at] for at in kept], [block[at] for at in kept]
            if block:
                self._take(numbers, block)
        if not self._ids:
            raise ImportFailure(
                f"the file has no rows: see whether the run of {self._kind.program} is whole", self._path
            )

    def merged(self) -> tuple[list[str], NDArray[Any], dict[str, list[str]]]:
        """Return the ids, the columns of numbers, and the attributes; rows of one id are added where that may be.

        Raises
        ------
        ImportFailure
            If an id is repeated or empty.
        """
        numbers = np.concatenate(self._numbers, axis=1)
        attributes = dict(zip(self._columns.attributes, self._texts, strict=True))
        if _NAME in attributes:
            attributes[_NAME] = ["" if text in ("-", ".") else text for text in attributes[_NAME]]
        if self._kind == FEATURE_COUNTS:
            attributes = {name: [_condensed(name, text) for text in texts] for name, texts in attributes.items()}
        if len(set(self._ids)) == len(self._ids) and all(map(str.strip, self._ids)):
            return self._ids, numbers, attributes
        first: dict[str, int] = {}
        for at, id in enumerate(self._ids):
            if not id.strip():
                raise ImportFailure("this row has no id", self._path, self._lines[at])
            if first.setdefault(id, at) != at and not self._kind.repeated:
                advice = (
                    "for counts of exons (-f) import the file as a table, by --units count --duplicates suffix or sum"
                    if self._kind == FEATURE_COUNTS
                    else "leave one out, or see that the index has each sequence once"
                )
                raise ImportFailure(
                    f"{shortened(id)} is repeated, here and in line {self._lines[first[id]]}: {advice}",
                    self._path,
                    self._lines[at],
                )
        place = {id: number for number, id in enumerate(first)}
        groups = np.array([place[id] for id in self._ids])
        summed = np.stack([np.bincount(groups, row, len(first)) for row in numbers])
        kept = {name: [texts[at] for at in first.values()] for name, texts in attributes.items()}
        return list(first), summed, kept

    def _is_counter(self, id: bytes) -> bool:
        if self._kind == HTSEQ:
            return id.startswith(b"__") or id in _HTSEQ_COUNTERS
        return self._kind == STAR and id in _STAR_COUNTERS

    def _take(self, numbers: Sequence[int], block: list[bytes]) -> None:
        columns = self._columns
        for number, line in zip(numbers, block, strict=True):
            if line.count(b"\t") != columns.width - 1:
                raise ImportFailure(
                    f"this line has {line.count(_TAB) + 1} fields, and {columns.width} are expected: see that the file "
                    "is whole",
                    self._path,
                    number,
                )
        fields = _TAB.join(block).split(_TAB)
        self._lines += numbers
        self._ids += self._decoded(fields[columns.id :: columns.width], numbers)
        for texts, at in zip(self._texts, columns.attributes.values(), strict=True):
            texts += self._decoded(fields[at :: columns.width], numbers)
        cells = [
            self._parsed(fields[at :: columns.width], column, numbers) for column, at in enumerate(columns.numbers)
        ]
        self._numbers.append(np.stack(cells))

    def _parsed(self, cells: list[bytes], column: int, numbers: Sequence[int]) -> NDArray[Any]:
        """Return the numbers of a column; `parse_cells` is given it as one row."""
        try:
            parsed = parse_cells([_TAB.join(cells).replace(b"-nan", b"nan")], _TAB, len(cells))
        except BadCell as error:
            raise ImportFailure(
                f"{shortened(error.text)} in the column {shortened(self._columns.headers[column])} {error.wrong}: see "
                f"that the file is as {self._kind.program} wrote it",
                self._path,
                numbers[error.column],
            ) from None
        return np.asarray(parsed[0], np.float64)

    def _decoded(self, fields: list[bytes], numbers: Sequence[int]) -> list[str]:
        try:
            return _TAB.join(fields).decode().split("\t")
        except UnicodeDecodeError:
            for number, one in zip(numbers, fields, strict=True):
                decoded([one], self._path, number)
            raise


def _condensed(name: str, text: str) -> str:
    """Return what featureCounts says of all exons of a gene as what that is of the gene."""
    values = text.split(";")
    if name in ("start", "end") and all(value.isascii() and value.isdigit() and len(value) < 19 for value in values):
        return str((min if name == "start" else max)(map(int, values)))
    return ";".join(dict.fromkeys(values))
