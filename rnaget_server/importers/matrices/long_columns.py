"""The columns of long tables, which have one row for each feature and sample."""

from __future__ import annotations

from collections.abc import Sequence

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.matrices.table_start import Columns, TableStart
from rnaget_server.importers.text.columns import describes_among, describes_features, plain
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.headerless import is_id_header
from rnaget_server.importers.text.numbers import is_number
from rnaget_server.importers.text.quantities import is_quantity

SAMPLE_COLUMNS = frozenset(
    (
        *("sample", "samples", "sampleid", "sampleids", "samplename", "tissue", "tissueid", "run", "runid", "barcode"),
        *("cell", "cellid", "celltype", "cellline", "donor", "donorid", "subject", "subjectid", "patient", "patientid"),
        *("individual", "condition", "replicate", "library", "tissuesitedetailid", "cluster"),
        "var2",
    )
)
_VALUES = frozenset(("values", "expression", "expr", "level", "abundance", "intensity", "freq", "n", "umi", "umis"))
_CERTAIN = frozenset(("sample", "samples", "sampleid", "sampleids", "samplename"))


class LongTable(Exception):
    """A table has one row for each feature and sample: the columns, by positions."""

    def __init__(self, feature: int, sample: int, value: int, others: Sequence[int]) -> None:
        super().__init__(feature, sample, value)
        self.columns = (feature, sample, value, *others)


def named_values(start: TableStart, columns: Sequence[int]) -> list[int]:
    """Return the columns whose headers are those of values."""
    return [column for column in columns if is_quantity(start.headers[column]) or _is_value(start.headers[column])]


def repeats(start: TableStart, columns: Columns) -> bool:
    """Return whether the ids, or the samples next to them, are repeated in the first rows."""
    cells = [start.cells_of(column) for column in (columns.labels[0], _sample_column(start, columns))]
    return any(len(set(ids)) < len(ids) for ids in cells)


def check_three_columns(start: TableStart, options: ReadOptions) -> None:
    """Find a table of features, samples and values by its headers, also if all are numbers or no id is repeated."""
    samples = [column for column in start.columns if plain(start.headers[column]) in SAMPLE_COLUMNS]
    if len(start.columns) != 3 or len(samples) != 1:
        return
    others = [column for column in start.columns if column not in samples]
    values = named_values(start, others)
    if len(values) != 1 or values[0] == start.columns[0]:
        return
    (id,) = (column for column in others if column not in values)
    header = start.headers[id]
    if id != start.columns[0] and not (is_id_header(header) or describes_features(header)):
        return
    raise long_table(start, Columns([id, *samples], values), options)


def _is_value(header: str) -> bool:
    return plain(header) in _VALUES


def check_named_long(start: TableStart, options: ReadOptions, given: int | None) -> None:
    """Find a table with one row for each feature and sample by the column of the samples, which an option names."""
    name = options.sample_id
    if name is None or options.transpose or options.column is not None or start.headless or options.label_columns:
        return
    named = [column for column in start.columns if start.headers[column] == name]
    ids = [column for column in start.columns if column not in named] if given is None else [given]
    if len(named) != 1 or not ids or named == ids[:1]:
        return
    others = [column for column in ids[1:] if given is None] or [
        column for column in start.columns if column not in (given, *named)
    ]
    headers = [start.headers[column] for column in others]
    if options.value_column is not None:
        values = [column for column in others if start.headers[column] == options.value_column]
    else:
        values = [
            column
            for column in others
            if not describes_among(start.headers[column], start.headers) and _holds_numbers(start, column)
        ]
        if len(values) > 1:
            values = named_values(start, values)
    if len(values) != 1:
        raise ImportFailure(
            f"--sample-id names the column {shortened(name)} of a table with one row for each feature and sample: name "
            f"the column of its values by --value-column, one of {', '.join(headers)}",
            start.path,
            start.line,
        )
    raise long_table(start, Columns([ids[0], *named], values), options)


def _holds_numbers(start: TableStart, column: int) -> bool:
    cells = start.cells_of(column)
    return bool(cells) and all(is_number(cell) for cell in cells)


def _sample_column(start: TableStart, columns: Columns) -> int:
    """Return the column of the samples among the labels of a long table."""
    labels = columns.labels
    certain = [column for column in labels if plain(start.headers[column]) in _CERTAIN]
    known = [column for column in labels if plain(start.headers[column]) in SAMPLE_COLUMNS]
    others = [column for column in labels[1:] if not describes_features(start.headers[column])]
    return (certain[:1] or known or others or labels)[-1]


def long_table(start: TableStart, columns: Columns, options: ReadOptions) -> LongTable:
    """Return the columns of a table with one row for each feature and sample, as an exception."""
    named = [column for column in columns.labels if start.headers[column] == options.sample_id]
    sample = named[0] if named else _sample_column(start, columns)
    ids = [column for column in columns.labels if column != sample]
    by_option = [column for column in start.columns if start.headers[column] == options.feature_id]
    feature, value = (by_option or ids)[0], columns.cells[0]
    others = [column for column in start.columns if column not in (feature, sample, value)]
    return LongTable(feature, sample, value, others)


def long_hint(start: TableStart, columns: Columns) -> str:
    """Return what to say of repeated ids in a table that may have one row for each feature and sample."""
    sample, value = start.headers[_sample_column(start, columns)], start.headers[columns.cells[0]]
    return (
        "if this is a long table, with one row for each feature and sample, name its columns, as by "
        f"--sample-id {sample!r} --value-column {value!r}"
    )
