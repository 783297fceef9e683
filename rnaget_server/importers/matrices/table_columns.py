"""The choice of the columns of a text table: ids, further labels, cells, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.matrices.long_columns import (
    SAMPLE_COLUMNS,
    check_named_long,
    check_three_columns,
    long_table,
    named_values,
    repeats,
)
from rnaget_server.importers.matrices.table_start import Columns, TableStart
from rnaget_server.importers.text.columns import (
    ID_NUMBERS,
    are_words,
    describes_among,
    describes_features,
    describing_by_numbers,
    plain,
    statistics,
)
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.headerless import STAR_COLUMNS, is_id_header
from rnaget_server.importers.text.numbers import MISSING, is_number
from rnaget_server.importers.text.positions import doubtful_positions
from rnaget_server.importers.text.quantities import (
    has_quantity,
    id_header,
    is_length,
    is_of_one_sample,
    is_quantity,
    sample_name,
    value_header,
)

_ROW_NUMBERS = frozenset(
    ("", "x", "index", "unnamed:0", "unnamed:01", "rownames", "rownumber", "rowid", "row", "#", "v1")
)
# Headers that can name ids in the first column, and something else next to ids.
_NO_IDS = _ROW_NUMBERS | {"position", "region", "contig", "locus", "description", "exon", "key", "ref"}
_STABLE_ID = re.compile(rb"ENS[A-Z]*[GTEP]\d{11}(?:\.\d+)?(?:_PAR_Y)?|[NX][MR]_\d+(?:\.\d+)?|AT[1-5CM]G\d{5}|FBgn\d{7}")
_OF_TRANSCRIPTS = frozenset(("tid", "bundleid", "tssid", "gc"))
_MOST_DIGITS = 18


def choose_columns(start: TableStart, options: ReadOptions) -> Columns:
    """Return the columns of labels and of cells.

    Raises
    ------
    ImportFailure
        If there are no cells, or it is not clear which columns are.
    LongTable
        If there is one row for each feature and sample.
    """
    given = _given_id(start, options)
    check_named_long(start, options, given)
    start, remarks = _without_row_numbers(start, options, given)
    columns = _chosen(start, options, given)
    columns.remarks[:0] = remarks
    header = start.headers[columns.labels[0]]
    if not options.transpose and not start.headless and plain(header) in SAMPLE_COLUMNS:
        columns.remarks.append(f"the ids are in the column {header}: if the rows are samples, say so by --transpose")
    return columns


def _chosen(start: TableStart, options: ReadOptions, given: int | None) -> Columns:
    headers = [start.headers[column] for column in start.columns]
    if not options.transpose and not start.headless:
        if options.label_columns is None and options.value_column is None:
            check_three_columns(start, options)
            _refuse_positions(start, headers)
        one_sample = is_of_one_sample(headers)
        with_quantity = one_sample or has_quantity(headers)
        if one_sample and options.label_columns is not None and not _unknown(start, headers, options):
            raise ImportFailure(
                f"this is a table of one sample, whose columns {', '.join(filter(is_quantity, headers))} are "
                "quantities: leave out --label-columns",
                start.path,
                start.line,
            )
        if (with_quantity and options.label_columns is None) or options.value_column is not None:
            return _one_sample(start, options, given)
    if options.value_column is not None and not (start.headless and options.value_column in start.headers):
        raise ImportFailure(
            "--value-column names a column of a table of one sample, and does not apply to this table", start.path
        )
    columns = _leading(start, options, given)
    if not columns.cells:
        raise ImportFailure(
            f"all {len(start.columns)} columns are label columns, and none holds numbers", start.path, start.line
        )
    if options.label_columns is None:
        _further_labels(start, options, columns)
    return columns


def _given_id(start: TableStart, options: ReadOptions) -> int | None:
    """Return the column that an option names as that of the ids, if the table has it."""
    name = options.sample_id if options.transpose else options.feature_id
    if name is None or name not in start.headers or (options.transpose and options.column is not None):
        return None
    if start.headers.count(name) > 1:
        raise ImportFailure(f"two columns have the header {shortened(name)}: rename one", start.path, start.line)
    return start.headers.index(name)


def _leading(start: TableStart, options: ReadOptions, given: int | None) -> Columns:
    """Return the label columns in front, the ids first, and all others as cells."""
    columns = list(start.columns)
    if options.label_columns is not None:
        labels = columns[: options.label_columns]
    else:
        labels = columns[:1]
        while len(labels) < len(columns):
            column = columns[len(labels)]
            if column != given and not _is_label(start, options, column):
                break
            labels.append(column)
    if given is not None:
        labels = [given, *(column for column in labels if column != given)]
    taken = set(labels)
    return Columns(labels, [column for column in columns if column not in taken])


def _further_labels(start: TableStart, options: ReadOptions, columns: Columns) -> None:
    """Take columns among the cells that describe, and refuse a table that has no samples besides."""
    headers = [start.headers[column] for column in start.columns]
    known: set[str | None] = set()
    if not (options.transpose or start.headless):
        known = {*statistics(headers), *describing_by_numbers(headers), options.feature_name}
    further = [
        column
        for column in columns.cells
        if start.headers[column] in known
        or are_words(start.cells_of(column), 1 if describes_features(start.headers[column]) else 2)
    ]
    taken = set(further)
    rest = [column for column in columns.cells if column not in taken]
    if not rest:
        listed = ", ".join(start.headers[column] for column in further)
        raise ImportFailure(
            f"the columns besides the ids ({listed}) describe the rows or are statistics, and none is a sample: import "
            "the table of the values; if they are samples all the same, say so by --label-columns",
            start.path,
            start.line,
        )
    columns.labels, columns.cells = columns.labels + further, rest
    _remark_on_attributes(start, columns, further)
    names = [start.headers[column] for column in columns.labels[1:]]
    others = [name for name in names if not describes_features(name)]
    of_samples = any(plain(name) in SAMPLE_COLUMNS for name in (*names, headers[0]))
    columns.is_long = not options.transpose and not start.headless and (of_samples or (len(rest) == 1 and bool(others)))
    if columns.is_long and of_samples and len(rest) == 1:
        if all(plain(start.headers[column]) in SAMPLE_COLUMNS for column in columns.labels):
            raise ImportFailure(
                f"the rows are samples by the header {shortened(headers[0])}: say so by --transpose; if they are "
                "features all the same, say so by --label-columns",
                start.path,
                start.line,
            )
        raise long_table(start, columns, options)
    values = named_values(start, rest)
    if columns.is_long and of_samples and len(values) == 1 and len(columns.labels) > 1 and repeats(start, columns):
        raise long_table(start, replace(columns, cells=values), options)


def _remark_on_attributes(start: TableStart, columns: Columns, further: Sequence[int]) -> None:
    """Add remarks on columns of numbers, and on those behind cells, that were taken for attributes."""
    numbers = [
        start.headers[column]
        for column in columns.labels[1:]
        if all(is_number(cell) for cell in start.cells_of(column)[:1]) and not are_words(start.cells_of(column))
    ]
    texts = [start.headers[column] for column in further if start.headers[column] not in numbers]
    if texts:
        columns.remarks.append(f"taken for attributes, since they hold text: {', '.join(texts)}")
    if numbers:
        columns.remarks.append(
            f"taken for attributes by their names: {', '.join(numbers)}; if they are samples, say so by --label-columns"
        )


def _refuse_positions(start: TableStart, headers: Sequence[str]) -> None:
    """Refuse a start, an end or the like, without a chromosome, whose numbers can be positions."""
    with_quantity = is_of_one_sample(headers) or has_quantity(headers)
    found = [] if with_quantity else doubtful_positions(headers, list(map(start.cells_of, start.columns)))
    if found:
        raise ImportFailure(
            f"the column{'s' if len(found) > 1 else ''} {' and '.join(found)} can be positions or samples: say by "
            "--label-columns how many columns are in front of the samples",
            start.path,
            start.line,
        )


def _one_sample(start: TableStart, options: ReadOptions, given: int | None) -> Columns:
    """Return the columns of a table of one sample: the quantity that is meant, and descriptions as labels."""
    headers = [start.headers[column] for column in start.columns]
    if options.value_column is not None and options.value_column not in headers:
        raise ImportFailure(
            f"--value-column: this table has no column {shortened(options.value_column)}; it has "
            f"{', '.join(filter(None, headers))}",
            start.path,
            start.line,
        )
    names_samples = any(
        plain(start.headers[column]) in SAMPLE_COLUMNS and _is_description(start, options, column)
        for column in start.columns[1:]
    )
    unknown = [] if names_samples else _unknown(start, headers, options)
    if unknown and options.value_column is None:
        raise ImportFailure(
            f"{_quantities(headers)} of one sample, and "
            f"{', '.join(unknown)} {'are' if len(unknown) > 1 else 'is'} unknown: if this is a matrix, say by "
            "--label-columns how many columns are in front of the samples; if this is a table of one sample, name the "
            "column of its values by --value-column",
            start.path,
            start.line,
        )
    value = value_header(start.path, headers, options.units, options.value_column)
    values = [column for column in start.columns if start.headers[column] == value]
    if len(values) > 1:
        raise ImportFailure(f"two columns have the header {shortened(value)}: rename one", start.path, start.line)
    id = start.headers.index(id_header(headers)) if given is None else given
    if values == [id]:
        raise ImportFailure(f"--value-column: the column {value} holds the ids", start.path, start.line)
    others = [column for column in start.columns if column not in (id, *values)]
    labels = [column for column in others if _is_description(start, options, column)]
    left_out = [start.headers[column] for column in others if column not in labels]
    name = sample_name(start.path)
    remarks = [
        f"a table of one sample, called {name} after the file; its values are the column {value}"
        + (f"; left out are {', '.join(left_out)}" if left_out else "")
    ]
    columns = Columns([id, *labels], values, remarks, (name,))
    columns.is_long = not all(_is_usual(start.headers[column], headers) for column in labels)
    if any(plain(start.headers[column]) in SAMPLE_COLUMNS for column in labels):
        raise long_table(start, columns, options)
    return columns


def _is_usual(header: str, headers: Sequence[str]) -> bool:
    """Return whether a quantifier describes features in a column of this header, which so names no samples."""
    return describes_among(header, headers) or is_length(header) or is_of_one_sample(headers)


def _quantities(headers: Sequence[str]) -> str:
    names = list(filter(is_quantity, headers))
    return (
        f"the columns {', '.join(names)} are quantities" if len(names) > 1 else f"the column {names[0]} is a quantity"
    )


def _unknown(start: TableStart, headers: Sequence[str], options: ReadOptions) -> list[str]:
    """Return the headers besides the ids that are no quantity and no known description, and are above numbers."""
    ids = {id_header(headers), headers[0], options.feature_id, options.feature_name}
    return [
        header
        for header, column in zip(headers, start.columns, strict=True)
        if header not in ids
        and not (is_quantity(header) or is_length(header) or describes_features(header))
        and plain(header) not in _OF_TRANSCRIPTS
        and any(cell.strip() not in MISSING for cell in start.cells_of(column))
        and all(is_number(cell) for cell in start.cells_of(column))
    ]


def _is_description(start: TableStart, options: ReadOptions, column: int) -> bool:
    header = start.headers[column]
    if is_quantity(header):
        return False
    if header == options.feature_name or describes_features(header) or is_of_one_sample(start.headers):
        return True
    return not all(is_number(cell) for cell in start.cells_of(column))


def star_columns(start: TableStart, options: ReadOptions) -> Columns:
    """Return the columns of ReadsPerGene.out.tab of STAR, which holds three counts of one sample.

    Raises
    ------
    ImportFailure
        If no option names one of them.
    """
    if options.value_column not in STAR_COLUMNS:
        raise ImportFailure(
            "this is ReadsPerGene.out.tab of STAR, with three counts of one sample: say by --value-column which to "
            "take: unstranded (the 2nd column), forward (the 3rd, as htseq-count -s yes) or reverse (the 4th, as "
            "htseq-count -s reverse, for most stranded kits)",
            start.path,
        )
    name = sample_name(start.path)
    remark = f"a table of one sample, called {name} after the file; its values are the counts {options.value_column}"
    return Columns([0], [1 + STAR_COLUMNS.index(options.value_column)], [remark], (name,))


def _without_row_numbers(start: TableStart, options: ReadOptions, given: int | None) -> tuple[TableStart, list[str]]:
    """Return the table without the columns in front that number its rows, and remarks on them."""
    remarks = []
    while options.label_columns is None and _has_row_numbers(start, start.columns, given):
        number, *others = start.columns
        name = start.headers[number] or "(no header)"
        start = replace(start, columns=tuple(others))
        id = next(column for column in others if not _has_row_numbers(start, others[others.index(column) :], given))
        id = id if given is None else given
        remarks.append(
            f"the first column {name} holds row numbers and was left out: the ids are in the column {start.headers[id]}"
        )
    return start, remarks


def _has_row_numbers(start: TableStart, columns: Sequence[int], given: int | None) -> bool:
    """Return whether the first column numbers the rows, and the next one holds ids or such numbers again."""
    if start.headless or len(columns) < 3 or given == columns[0]:
        return False
    first_header = start.headers[columns[0]]
    if plain(first_header) not in _ROW_NUMBERS and first_header != "...1":  # as readr calls it
        return False
    numbers, ids = start.cells_of(columns[0]), start.cells_of(columns[1])
    if not numbers or not all(number.isdigit() and len(number) <= _MOST_DIGITS for number in numbers):
        return False
    first = int(numbers[0])
    counted = first in (0, 1) and [int(number) for number in numbers] == list(range(first, first + len(numbers)))
    header = start.headers[columns[1]]
    if counted and plain(header) not in _NO_IDS and (is_id_header(header) or plain(header) in ID_NUMBERS):
        return True
    if counted and (plain(header).startswith("unnamed:") or _has_row_numbers(start, columns[1:], given)):
        return True
    return are_words(ids, 1) and (counted or all(_STABLE_ID.fullmatch(id) for id in ids))


def _is_label(start: TableStart, options: ReadOptions, column: int) -> bool:
    header = start.headers[column]
    known = not options.transpose and (header == options.feature_name or describes_among(header, start.headers))
    return (known and not start.headless) or are_words(start.cells_of(column))
