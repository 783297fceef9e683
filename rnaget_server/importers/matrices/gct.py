"""GCT 1.2 and 1.3: counts, header, for 1.3 attributes of the samples as lines, then a feature per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix, TsvStyle
from rnaget_server.importers.matrices.annotated import refuse_text_options
from rnaget_server.importers.matrices.axes import feature_axis, split_samples
from rnaget_server.importers.sparse_spool import filling
from rnaget_server.importers.spool import Spool
from rnaget_server.importers.text.columns import ColumnValues, free_name, text_column, typed_column
from rnaget_server.importers.text.fields import QuoteError, shortened, split_fields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import TableBody, check_ids, decoded
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.stores.native.write_dense import AxisTable

_TAB = b"\t"
_VERSIONS = {b"#1.2": 2, b"#1.3": 4}
# What GCT writers put where an attribute is unknown.
_ABSENT = frozenset(("na", "NA", "NaN", "nan"))


@dataclass(frozen=True)
class Counts:
    """The second line: rows and columns of cells, and how many attributes features and samples have."""

    features: int
    samples: int
    feature_attributes: int
    sample_attributes: int


class GctImporter(Importer):
    """The text format of GTEx, GenePattern and CMap."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the first line is ``#1.2`` or ``#1.3``."""
        return head.removeprefix(b"\xef\xbb\xbf")[:4] in _VERSIONS and not head[4:5].isdigit()

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If the file is not well formed or does not hold what its second line says.
        """
        refuse_text_options(options, path, "GCT")
        with TextLines(path) as lines:
            counts = _counts(lines)
            line, labels, ids = _header(lines, counts)
            if options.column is None:
                check_ids(ids, "sample", path, line)
            attributes = _sample_attributes(lines, counts)
            with filling(Spool(directory, len(ids)), path) as spool:
                body = TableBody(path, _TAB, len(labels), ids, "feature", options.limits.column_bytes)
                body.read(lines, spool, progress)
                _check_rows(path, len(body.columns[0]), counts)
                features = feature_axis(labels, body.columns, options, _typed)
                samples = AxisTable("", {"": text_column(ids), **attributes})
                tsv = TsvStyle()
                if options.column is not None:
                    samples = split_samples(samples, LabelTemplate(options.column), options, path, line)
                    tsv = TsvStyle(tuple(labels), options.column)
        version = "1.3" if counts.feature_attributes != 1 or attributes else "1.2"
        remark = f"GCT {version}, with {counts.feature_attributes} feature and {len(attributes)} sample attributes"
        return SourceMatrix(features, samples, spool.finish(), tsv, (remark,))


def _counts(lines: TextLines) -> Counts:
    _, version = _taken(lines)
    expected = _VERSIONS[version.strip()[:4]]
    number, line = _taken(lines)
    try:
        counts = [int(field) for field in line.split()]
    except ValueError:
        counts = []
    if len(counts) != expected or min(counts) < 0:
        raise ImportFailure(
            f"the second line of a GCT of this version holds {expected} whole numbers, not {shortened(line)}",
            lines.path,
            number,
        )
    # In GCT 1.2 a description follows each id.
    return Counts(counts[0], counts[1], *(counts[2:] or (1, 0)))


def _header(lines: TextLines, counts: Counts) -> tuple[int, list[str], list[str]]:
    """Return the line number, the headers of the label columns, and the sample ids."""
    number, fields = _fields(lines)
    labels = 1 + counts.feature_attributes
    if len(fields) != labels + counts.samples:
        raise ImportFailure(
            f"the file says that it holds {counts.samples} samples, and its header names {len(fields) - labels}",
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
        number, fields = _fields(lines)
        first = 1 + counts.feature_attributes
        if len(fields) != first + counts.samples:
            raise ImportFailure(
                f"this line has {len(fields)} fields, and the header {first + counts.samples}", lines.path, number
            )
        name = free_name(fields[0].strip() or f"attribute_{len(attributes) + 1}", attributes)
        attributes[name] = _typed(fields[first:])
    return attributes


def _check_rows(path: Path, found: int, counts: Counts) -> None:
    if found != counts.features:
        raise ImportFailure(f"the file says that it holds {counts.features} features, and it holds {found}", path, 2)


def _typed(values: Sequence[str]) -> ColumnValues:
    return typed_column(["" if value in _ABSENT else value for value in values])


def _fields(lines: TextLines) -> tuple[int, list[str]]:
    number, line = _taken(lines)
    try:
        return number, decoded(split_fields(line, _TAB), lines.path, number)
    except QuoteError as error:
        raise ImportFailure(str(error), lines.path, number) from None


def _taken(lines: TextLines) -> tuple[int, bytes]:
    taken = lines.take()
    if taken is None:
        raise ImportFailure("the file ends within its header", lines.path)
    return taken
