"""GCT 1.2 and 1.3: counts, header, for 1.3 attributes of the samples as lines, then a feature per line."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix, TsvStyle
from rnaget_server.importers.matrices.annotated import refuse_text_options
from rnaget_server.importers.matrices.axes import feature_axis, split_samples
from rnaget_server.importers.spool import closed_on_failure
from rnaget_server.importers.text.columns import ColumnValues, free_name, text_column, typed_column
from rnaget_server.importers.text.fields import QuoteError, shortened, split_fields, split_labels
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import TableBody, check_ids, decoded
from rnaget_server.importers.text.table_parts import read_body
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.stores.native.write_dense import AxisTable

_TAB = b"\t"
_VERSIONS = {b"#1.2": 2, b"#1.3": 4}
# The words that the reference reader (cmapPy) takes as missing, in attributes and in cells.
_MISSING = frozenset(
    ("#N/A", "N/A", "NA", "#NA", "NULL", "NaN", "-NaN", "nan", "-nan", "#N/A!", "na", "None", "#VALUE!")
)
# CMap's number for a missing value, of which GCT 1.2 knows nothing.
_NULL = frozenset(("-666", "-666.0"))
_NULL_SIGN = b"-666"
_BLANKS = b"\t "
_MOST_DIGITS = 18  # of a count


@dataclass(frozen=True)
class Counts:
    """The first two lines: rows and columns of cells, and how many attributes features and samples have."""

    version: str
    features: int
    samples: int
    feature_attributes: int
    sample_attributes: int

    @property
    def fields(self) -> int:
        """The number of fields of a line."""
        return 1 + self.feature_attributes + self.samples

    @property
    def missing(self) -> frozenset[str]:
        """The texts that stand for a missing value."""
        return _MISSING if self.version == "1.2" else _MISSING | _NULL

    @functools.cached_property
    def missing_cells(self) -> frozenset[bytes]:
        """The same as bytes."""
        return frozenset(text.encode() for text in self.missing)


class GctRows(TextLines):
    """The lines below the header, as a text table has them: without blank rows and columns, missing cells empty."""

    counts: Counts

    def blocks(self) -> Iterator[tuple[Sequence[int], list[bytes]]]:
        """Yield what is left, as line numbers and lines."""
        for numbers, block in super().blocks():
            if not any(line[0] in _BLANKS or line.endswith(_TAB) or self._may_miss(line) for line in block):
                yield numbers, block
                continue
            rows = [
                (number, self._cleaned(line))
                for number, line in zip(numbers, block, strict=True)
                if not _is_blank(line)
            ]
            if rows:
                yield [number for number, _ in rows], [line for _, line in rows]

    def _cleaned(self, line: bytes) -> bytes:
        """Return the line with nothing in the place of cells that are missing, and as wide as the header at most."""
        line, labels = _without_blanks(line, self.counts.fields), 1 + self.counts.feature_attributes
        try:
            first, cells = split_labels(line, _TAB, labels)
        except QuoteError:  # refused, by its number, by what reads the line next
            return line
        if cells is None or not self._may_miss(cells):
            return line
        missing = self.counts.missing_cells
        kept = [b"" if cell.strip() in missing else cell for cell in cells.split(_TAB)]
        if b'"' in line:
            first = [b'"' + label.replace(b'"', b'""') + b'"' for label in first]
        return _TAB.join([*first, *kept])

    def _may_miss(self, cells: bytes) -> bool:
        """Return whether there may be a cell that stands for a missing value here, and not in all text tables.

        Single letters, of which numbers have none, are looked for first, since that is fast.
        """
        if self.counts.version != "1.2" and _NULL_SIGN in cells:
            return True
        if b"#" in cells or (b"n" in cells and (b"na" in cells or b"None" in cells)):
            return True
        return b"a" in cells and b"-NaN" in cells


class GctImporter(Importer):
    """The text format of GTEx, GenePattern and CMap."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the first line is ``#1.2`` or ``#1.3``."""
        start = head.removeprefix(b"\xef\xbb\xbf")
        return start[:4] in _VERSIONS and not start[4:5].isdigit()

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If the file is not well formed or does not hold what its second line says.
        """
        refuse_text_options(options, path, "GCT")
        lines = GctRows(path)
        with lines:
            counts = lines.counts = _counts(lines)
            line, labels, ids = _header(lines, counts)
            if options.column is None:
                check_ids(ids, "sample", path, line)
            attributes = _sample_attributes(lines, counts)
            body = TableBody(path, _TAB, len(labels), ids, "feature", options.limits.column_bytes)
            cells = read_body(body, lines, options, directory, progress)
            with closed_on_failure(cells):
                _check_rows(path, len(body.columns[0]), counts)
                columns = [body.columns[0], *(_known(column, counts) for column in body.columns[1:])]
                features = feature_axis(labels, columns, options)
                samples = AxisTable("", {"": text_column(ids), **attributes})
                tsv = TsvStyle()
                if options.column is not None:
                    samples = split_samples(samples, LabelTemplate(options.column), options, path, line)
                    tsv = TsvStyle(tuple(labels), options.column)
        remark = (
            f"GCT {counts.version}, with {counts.feature_attributes} feature and {len(attributes)} sample attributes"
        )
        return SourceMatrix(features, samples, cells, tsv, (remark,))


def _counts(lines: TextLines) -> Counts:
    _, version = _taken(lines)
    expected = _VERSIONS[version.strip()[:4]]
    number, line = _taken(lines)
    texts = line.split()
    counts = [int(text) for text in texts if text.isdigit() and len(text) <= _MOST_DIGITS]
    if not len(counts) == len(texts) == expected:
        raise ImportFailure(
            f"the second line of a GCT of this version holds {expected} whole numbers, not {shortened(line)}",
            lines.path,
            number,
        )
    # In GCT 1.2 a description follows each id.
    return Counts(version[1:4].decode(), counts[0], counts[1], *(counts[2:] or (1, 0)))


def _header(lines: TextLines, counts: Counts) -> tuple[int, list[str], list[str]]:
    """Return the line number, the headers of the label columns, and the sample ids."""
    number, fields = _fields(lines, counts)
    labels = 1 + counts.feature_attributes
    if len(fields) != counts.fields:
        raise ImportFailure(
            f"the file says that it holds {counts.samples} samples, and its header names {len(fields) - labels} "
            f"(behind the id and {counts.feature_attributes} attributes of features): correct the second line",
            lines.path,
            number,
        )
    names: list[str] = []
    for field in fields[:labels]:
        names.append(free_name(field.strip() or f"column_{len(names) + 1}", names))
    return number, names, fields[labels:]


def _sample_attributes(lines: TextLines, counts: Counts) -> dict[str, ColumnValues]:
    attributes: dict[str, ColumnValues] = {}
    for _ in range(counts.sample_attributes):
        number, fields = _fields(lines, counts)
        first = 1 + counts.feature_attributes
        if len(fields) != first + counts.samples:
            raise ImportFailure(
                f"this line has {len(fields)} fields, and the header {first + counts.samples}", lines.path, number
            )
        name = free_name(fields[0].strip() or f"attribute_{len(attributes) + 1}", attributes)
        attributes[name] = typed_column(_known(fields[first:], counts))
    return attributes


def _check_rows(path: Path, found: int, counts: Counts) -> None:
    if found != counts.features:
        raise ImportFailure(
            f"the file says that it holds {counts.features} features, and it holds {found}: see that it is whole, or "
            "correct the second line",
            path,
            2,
        )


def _known(values: Sequence[str], counts: Counts) -> list[str]:
    """Return the values of an attribute, empty where they are missing."""
    return ["" if value.strip() in counts.missing else value for value in values]


def _is_blank(line: bytes) -> bool:
    """Return whether a spreadsheet program has written an empty row."""
    return not line.strip(_BLANKS)


def _without_blanks(line: bytes, fields: int) -> bytes:
    """Return the line without the empty columns that spreadsheet programs add behind the last."""
    if not line.endswith(_TAB) or line.count(_TAB) < fields:
        return line
    try:  # a tab within quotes is none between columns
        found = len(split_fields(line, _TAB))
    except QuoteError:  # refused, by its number, by what reads the line next
        return line
    empty = len(line) - len(line.rstrip(_TAB))
    return line[: len(line) - max(0, min(found - fields, empty))]


def _fields(lines: TextLines, counts: Counts) -> tuple[int, list[str]]:
    number, line = _taken(lines)
    line = _without_blanks(line, counts.fields)
    try:
        return number, decoded(split_fields(line, _TAB), lines.path, number)
    except QuoteError as error:
        raise ImportFailure(str(error), lines.path, number) from None


def _taken(lines: TextLines) -> tuple[int, bytes]:
    taken = lines.take()
    if taken is None:
        raise ImportFailure("the file ends within its header", lines.path)
    return taken
