"""TSV and CSV: features as rows or, transposed, samples as rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix, TsvStyle
from rnaget_server.importers.matrices.axes import feature_axis, label_axis, split_samples
from rnaget_server.importers.matrices.long_columns import LongTable, long_hint
from rnaget_server.importers.matrices.long_text import LongText
from rnaget_server.importers.matrices.table_columns import choose_columns, star_columns
from rnaget_server.importers.matrices.table_start import Columns, TableStart
from rnaget_server.importers.spool import SpooledCells, closed_on_failure
from rnaget_server.importers.text.columns import find_name, is_chromosome, plain, text_column
from rnaget_server.importers.text.comments import first_lines
from rnaget_server.importers.text.decimals import DecimalMark
from rnaget_server.importers.text.fields import (
    BLANK,
    COMMA,
    TAB,
    QuoteError,
    find_separator,
    shortened,
    split_fields,
    tabs_for_blanks,
)
from rnaget_server.importers.text.headerless import (
    ends_with_counters,
    has_header,
    is_star,
    old_counters,
)
from rnaget_server.importers.text.layout import TableLayout
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import is_number
from rnaget_server.importers.text.quantities import sample_name
from rnaget_server.importers.text.repeats import Repeats
from rnaget_server.importers.text.spreadsheets import remark_on
from rnaget_server.importers.text.table_body import TableBody, decoded, header_mistakes
from rnaget_server.importers.text.table_parts import read_body
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.stores.native.write_dense import AxisTable

_LOOKED_AT = 100
_OF_REGIONS = (
    "the rows are regions, of which several are on one chromosome: put a column with an id of each in front, such as "
    "chr1:0-500"
)
# First headers that no sample is called by; compared by `plain`.
_IDS = frozenset(
    (
        *("gene", "genes", "geneid", "geneids", "genename", "genesymbol", "symbol", "ensembl", "ensemblid"),
        *("id", "ids", "idref", "feature", "featureid", "transcript", "transcriptid", "targetid", "probe", "probeid"),
        *("probesetid", "identifier", "hgncsymbol", "ensemblgeneid", "geneshortname", "trackingid"),
    )
)
_SEPARATORS = {TAB: "tabs", COMMA: "commas", b";": "semicolons"}


@dataclass(frozen=True)
class Header:
    """The header of a table, read or made up: its line, the headers of labels and of cells, and the columns of both."""

    line: int
    layout: TableLayout
    labels: tuple[str, ...]
    names: tuple[str, ...]
    comments: bool
    headless: bool = False
    unnamed: bool = False
    repeated_hint: str = ""
    separator: str = ""
    remarks: tuple[str, ...] = ()
    counters: frozenset[str] = frozenset()
    is_long: bool = False


class DelimitedImporter(Importer):
    """Wide text tables separated by tabs, commas, semicolons or, as R writes them, blanks."""

    takes = frozenset({"duplicates"})
    takes_any_text = True

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is text."""
        return b"\0" not in head

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If the table is not well formed.
        """
        with TextLines(path) as lines:
            return read_table(lines, options, directory, progress)


def read_table(lines: TextLines, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
    """Return the matrix in a table, wide or long.

    Raises
    ------
    ImportFailure
        If the table is not well formed.
    """
    path, header = lines.path, read_header(lines, options)
    layout, decimal = header.layout, DecimalMark(header.layout.separator, options.decimal)
    if header.is_long:
        if options.duplicates is not None:
            raise ImportFailure("--duplicates does not apply to a long table: it is for rows of features", path)
        return LongText(path, header.names, layout, decimal).read(lines, directory, options, progress)
    kind, other = ("sample", "feature") if options.transpose else ("feature", "sample")
    composed = options.column is not None and not options.transpose  # checked once they are split
    mistakes = [] if composed else header_mistakes(header.names, other)
    body = TableBody(
        path,
        layout.separator,
        len(layout.labels),
        header.names,
        kind,
        options.limits.column_bytes,
        layout,
        decimal,
        None if options.transpose else "all" if header.headless else "known",
        header.repeated_hint,
        header.counters,
        Repeats(options.duplicates) if options.duplicates else None,
    )
    cells = read_body(body, lines, options, directory, progress, [(header.line, mistake) for mistake in mistakes])
    with closed_on_failure(cells):
        return _assembled(path, header, body, cells, options)


def read_header(lines: TextLines, options: ReadOptions) -> Header:
    """Return the header, distinguished from comments, from a header of R and from a first row of values.

    Raises
    ------
    ImportFailure
        If there is no header and that is not clear, or no cell column besides the label columns.
    """
    comments, (number, line) = first_lines(lines, options.header)
    rows = lines.peek(_LOOKED_AT)
    if not rows and options.header is not False:
        raise ImportFailure("there is a header and nothing below it", lines.path, number)
    rows = [row for row in rows if row.strip(b" \t")]
    separator = find_separator(lines.path, line, rows, blanks=True, decimal=options.decimal)
    words = _SEPARATORS.get(separator, "blanks")
    if separator == BLANK:
        line, separator = tabs_for_blanks(line), TAB
        lines.convert(tabs_for_blanks)
        rows = [tabs_for_blanks(row) for row in rows]
    try:
        fields = decoded(split_fields(line, separator), lines.path, number)
    except QuoteError as error:
        raise ImportFailure(str(error), lines.path, number) from None
    start = _start(lines.path, number, fields, _split_rows(rows, separator), options.header is not False)
    headless = _is_headless(lines, start, options, separator)
    if len(fields) == 1 and len(start.headers) == 1:
        raise ImportFailure(
            "neither tabs nor commas separate the header: save the table with one of them", lines.path, number
        )
    if headless:
        lines.put_back(number, line)
        start, columns = _headless_columns(start, fields, options)
    else:
        try:
            columns = choose_columns(start, options)
        except LongTable as long:
            return _long_header(start, long.columns, separator, options)
    if len(fields) < len(start.headers) and not options.header:
        _refuse_short_header(start)
    layout = TableLayout(
        separator,
        len(start.headers),
        tuple(columns.labels),
        tuple(columns.cells),
        frozenset(range(len(start.headers))) - frozenset(start.columns),
        separator == COMMA and options.decimal == ",",
    )
    counters = old_counters(lines, separator) if headless else frozenset[str]()
    header = Header(number, layout, (), (), comments, headless, separator=words, counters=counters)
    return _header(start, columns, header)


def _long_header(start: TableStart, columns: Sequence[int], separator: bytes, options: ReadOptions) -> Header:
    """Return the header of a table with one row for each feature and sample; `columns` are those, values and others."""
    if options.column is not None:
        raise ImportFailure("--column does not apply to a long table, whose samples are in one column", start.path)
    feature, sample, value, *others = columns
    width = len(start.headers)
    layout = TableLayout(
        separator,
        width,
        (feature, sample, *others),
        (value,),
        frozenset(range(width)) - frozenset(start.columns),
        separator == COMMA and options.decimal == ",",
    )
    names = _names([start.headers[column] for column in columns], start.path, start.line)
    return Header(start.line, layout, (), names, False, is_long=True)


def _header(start: TableStart, columns: Columns, header: Header) -> Header:
    """Return the header with the names of the chosen columns."""
    hint = long_hint(start, columns) if columns.is_long else ""
    if is_chromosome(start.headers[columns.labels[0]]):
        hint = _OF_REGIONS
    return replace(
        header,
        labels=_names([start.headers[column] for column in columns.labels], start.path, header.line),
        names=columns.samples or tuple(start.headers[column] for column in columns.cells),
        unnamed=columns.samples is not None,
        repeated_hint=hint,
        remarks=tuple(columns.remarks),
    )


def _start(path: Path, number: int, fields: list[str], cells: Sequence[Sequence[bytes]], is_header: bool) -> TableStart:
    """Return the first lines, with a name for the column that R does not name, and without blank columns."""
    if is_header and cells and len(cells[0]) == len(fields) + 1:
        if not any(row[-1] for row in cells):
            raise ImportFailure(
                "every line ends with a separator and the header does not: remove it at the line ends", path, number
            )
        fields = ["", *fields]  # R's write.table names no column of row names
    width = len(fields)
    end = width
    while end > 1 and _is_blank(end - 1, fields, cells):
        end -= 1
    first = 0
    while cells and first < end - 1 and _is_blank(first, fields, cells):
        first += 1
    return TableStart(path, number, tuple(fields), cells, tuple(range(first, end)))


def _refuse_short_header(start: TableStart) -> None:
    """Refuse a header without a field for the ids, as R writes it, if its first field names ids: a sample lacks one.

    Below it are numbers then, and the ids in front of them.
    """
    are_numbers = [all(map(is_number, start.cells_of(column))) for column in (0, 1)]
    if plain(start.headers[1]) in _IDS and are_numbers == [False, True]:
        raise ImportFailure(
            f"the header has a field less than the lines below it, and its first, {shortened(start.headers[1])}, is no "
            "name of a sample: see which sample has no name; or say --header if all have, and the ids alone have none",
            start.path,
            start.line,
        )


def _is_blank(column: int, fields: Sequence[str], cells: Sequence[Sequence[bytes]]) -> bool:
    return not fields[column].strip() and not any(row[column].strip() for row in cells if column < len(row))


def _is_headless(lines: TextLines, start: TableStart, options: ReadOptions, separator: bytes) -> bool:
    """Return whether the first line is a row already, by the option or by its fields."""
    if options.header is not None:
        if not options.header and options.transpose:
            raise ImportFailure(
                "--no-header: a table with samples as rows needs a header that names features", start.path
            )
        return not options.header
    fields = [start.headers[column] for column in start.columns]
    rows = [row[start.columns[0] : start.columns[-1] + 1] for row in start.rows]
    found = has_header(fields, rows) if len(start.headers) > 1 else True
    if found is None and not options.transpose and ends_with_counters(lines, separator):
        found = False
    if found is None or (not found and options.transpose):
        raise ImportFailure(
            f"the first line can be a header or a first row of values ({shortened(fields[0])} with only numbers): "
            + ("say so by --header if it is a header, and put one above it if not" if options.transpose else "")
            + ("" if options.transpose else "say --header if it names the samples, or --no-header if it holds values"),
            start.path,
            start.line,
        )
    return not found


def _headless_columns(start: TableStart, fields: Sequence[str], options: ReadOptions) -> tuple[TableStart, Columns]:
    """Return a table without a header, with names for its columns, and the choice of them."""
    rows = [[field.encode() for field in fields], *start.rows]
    headers = ["", *(f"column_{column + 1}" for column in range(1, len(rows[0])))]
    width = max(at for row in rows for at, cell in enumerate(row[: len(fields)]) if cell.strip() or at == 0) + 1
    start = replace(start, headers=tuple(headers), rows=rows, columns=tuple(range(width)), headless=True)
    if is_star([[field.decode("utf-8", "replace") for field in row] for row in rows[:4]]):
        return start, star_columns(start, options)
    columns = choose_columns(start, options)
    stem = sample_name(start.path)
    count = len(columns.cells)
    columns.samples = (stem,) if count == 1 else tuple(f"{stem}_{number}" for number in range(1, count + 1))
    names = stem if count == 1 else f"{columns.samples[0]} to {columns.samples[-1]}"
    columns.remarks.insert(0, f"no header: the samples are called {names}, after the file (--header says otherwise)")
    return start, columns


def _split_rows(rows: Sequence[bytes], separator: bytes) -> list[list[bytes]]:
    """Return the fields of the rows, up to one with bad quotes: that one is refused, by its line, once it is read."""
    cells: list[list[bytes]] = []
    with contextlib.suppress(QuoteError):
        for row in rows:
            cells.append(split_fields(row, separator))
    return cells


def _names(labels: Sequence[str], path: Path, line: int) -> tuple[str, ...]:
    """Return the headers of the label columns; a nameless one beyond the id is called by its place."""
    names: list[str] = []
    for place, label in enumerate(labels):
        name = label.strip() or (f"column_{place + 1}" if place else "")
        if name in names:
            raise ImportFailure(f"two label columns have the header {shortened(name)}: rename one", path, line)
        names.append(name)
    return tuple(names)


def _assembled(path: Path, header: Header, body: TableBody, cells: SpooledCells, options: ReadOptions) -> SourceMatrix:
    across = AxisTable("", {"": text_column(header.names)})
    if options.transpose:
        samples, features = label_axis(header.labels, body.columns), across
    else:
        features, samples = feature_axis(header.labels, body.columns, options), across
    tsv = TsvStyle()
    if options.column is not None:
        samples = split_samples(samples, LabelTemplate(options.column), options, path, header.line)
        labels = header.labels if header.labels[0] and not options.transpose else None
        tsv = TsvStyle(labels, options.column, header.comments)
    remarks = tuple(_remarks(header, body, options))
    return SourceMatrix(features, samples, cells, tsv, remarks, header.unnamed)


def _remarks(header: Header, body: TableBody, options: ReadOptions) -> list[str]:
    rows, kind = ("samples", "sample") if options.transpose else ("features", "feature")
    labels = ", ".join(label or "(no header)" for label in header.labels)
    remarks = [f"text separated by {header.separator}, {rows} as rows; label columns: {labels}", *header.remarks]
    if body.decimal is not None and (body.decimal.mark == COMMA or header.layout.decimal_comma):
        remarks.append("the numbers have decimal commas")
    if header.layout.blank:
        remarks.append(f"empty columns without a header were left out: {len(header.layout.blank)}")
    if body.blank:
        remarks.append(f"empty rows were left out: {body.blank}")
    if body.last_is_empty and not options.transpose:
        remarks.append(
            f"warning: the last row, {shortened(body.columns[0][-1])}, has no value for any sample: if it is a note "
            "below the table, remove it and import again with --replace"
        )
    if body.left_out:
        shown = ", ".join(body.left_out[:5]) + (" …" if len(body.left_out) > 5 else "")
        remarks.append(f"counters of a program, which are no features, were left out: {shown}")
    if body.repeats is not None and body.repeats.count:
        remarks.append(body.repeats.remark())
    if not options.transpose:
        for label, column in zip(header.labels, body.columns, strict=True):
            remark = remark_on(column, f"{kind} ids" if column is body.columns[0] else label)
            if remark is not None and (column is body.columns[0] or find_name([label]) == label):
                remarks.append(remark)
    return remarks
