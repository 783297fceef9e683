"""The rows below the header: labels into lists, cells into the spool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.spool import Spool, SpooledCells
from rnaget_server.importers.text.decimals import DecimalMark
from rnaget_server.importers.text.fields import QuoteError, shortened
from rnaget_server.importers.text.headerless import COUNTER_STARTS, is_counter
from rnaget_server.importers.text.label_block import split_block
from rnaget_server.importers.text.layout import NamelessCell, TableLayout, WrongFields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.mistakes import BLANK_STARTS, SHOWN, RowCheck, is_blank
from rnaget_server.importers.text.numbers import BadCell, RaggedRow, parse_cells
from rnaget_server.importers.text.repeats import Repeats
from rnaget_server.importers.threads import in_order
from rnaget_server.storage.access import DEFAULT_LIMITS
from rnaget_server.stores.hdf5_dataset import shown_bytes

LABEL_BYTES = 32
"""The least memory that a label takes in addition to its characters."""


class RowMistake(Exception):
    """A mistake in a row: its line, and what is wrong."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class TableBody:
    """Reads the rows of a matrix.

    Parameters
    ----------
    path
        For messages.
    separator
        Of the fields.
    labels
        Number of label columns; the first holds the id.
    names
        Headers of the cell columns.
    kind
        The kind of the rows: ``feature`` or ``sample``.
    most_bytes
        Most bytes that the labels of all rows may take.
    layout
        The columns, where options say which they are; else the cells are all that follows the labels.
    decimal
        The decimal mark; points by default.
    counters
        The ids of rows that are left out: none, the known ``counters`` of programs, or ``all`` that begin with ``__``.
    repeated_hint
        What to say of repeated ids, where the form of the table explains them.
    further_counters
        Further ids of rows that are left out.
    repeats
        The way out of repeated ids; None: they are refused.
    """

    path: Path
    separator: bytes
    labels: int
    names: Sequence[str]
    kind: str
    most_bytes: int = DEFAULT_LIMITS.column_bytes
    layout: TableLayout | None = None
    decimal: DecimalMark | None = None
    counters: str | None = None
    repeated_hint: str = ""
    further_counters: frozenset[str] = frozenset()
    repeats: Repeats | None = None
    columns: list[list[str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    blank: int = 0
    last_is_empty: bool | None = None
    _bytes: int = 0
    _seen: set[str] = field(default_factory=set)

    def read(
        self, lines: TextLines, spool: Spool, progress: Progress, mistakes: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Read every row that is left; afterwards `columns` holds the label columns.

        Parameters
        ----------
        lines, spool, progress
            Where the rows come from, where the cells go, and what is called with the share of the file read.
        mistakes
            Mistakes above the rows, with their lines: all others are looked for, and none is read.

        Raises
        ------
        ImportFailure
            If a row has more or fewer fields than the header, a cell is no number, or an id is empty or
            repeated. It names all such mistakes.
        """
        layout, decimal = self.resolved_layout, self.decimal or DecimalMark(b"\t")
        first = lines.next_number
        try:
            if mistakes:
                raise RowMistake(*mistakes[0])
            self.read_rows(lines, spool, progress)
        except RowMistake as error:
            raise self._all_mistakes(layout, decimal, lines, first, mistakes) or ImportFailure(
                str(error), self.path, error.line
            ) from None
        if not self._seen:
            raise ImportFailure(f"there is no {self.kind} below the header", self.path)
        if decimal.ambiguous:
            raise ImportFailure(
                "the commas can be decimal marks as well as between thousands: say --decimal ',' if they are decimal "
                "marks, or save the numbers without marks between thousands",
                self.path,
                decimal.first_comma,
            )

    @property
    def resolved_layout(self) -> TableLayout:
        """The columns."""
        return self.layout or TableLayout.leading(self.separator, self.labels, len(self.names))

    def read_rows(self, lines: TextLines, spool: Spool, progress: Progress, alone: bool = False) -> None:
        """Read every row that is left, as `read` does; in one thread, if the others have work already.

        Raises
        ------
        RowMistake
            If there is a mistake: the first that is found.
        """
        layout, decimal = self.resolved_layout, self.decimal or DecimalMark(b"\t")
        self.columns = [[] for _ in layout.labels]
        blocks = (self._texts(layout, decimal, numbers, block) for numbers, block in lines.blocks())
        for cells in in_order(partial(self._parsed, spool), blocks, alone):
            if cells is not None:
                spool.append(cells)
                self.last_is_empty = self.repeats is None and bool(np.isnan(cells[-1]).all())
            progress(lines.share)

    @property
    def label_bytes(self) -> int:
        """The memory that the labels of the rows so far take."""
        return self._bytes

    def cells(self, spool: Spool, directory: Path) -> SpooledCells:
        """Return the cells of the rows that were read; `directory` is that of temporary files."""
        return spool.finish() if self.repeats is None else self.repeats.finish(spool, directory, len(self.names))

    def _texts(
        self, layout: TableLayout, decimal: DecimalMark, numbers: Sequence[int], block: Sequence[bytes]
    ) -> tuple[Sequence[int], Sequence[bytes]]:
        """Return the cells of the lines that are not left out, as text with points, and the numbers of these lines."""
        cells = self._block(layout, numbers, block)
        if cells is None:
            rows = [self._row(layout, number, line) for number, line in zip(numbers, block, strict=True)]
            cells = [row for row in rows if row is not None]
            if len(cells) < len(rows):
                numbers = [number for number, row in zip(numbers, rows, strict=True) if row is not None]
        if cells and self._bytes > self.most_bytes:
            raise too_many_labels(self.path, self.kind, self.most_bytes, numbers[-1])
        try:
            return numbers, decimal.with_points(cells, numbers) if cells else ()
        except BadCell as error:
            raise _bad_cell(numbers, error) from None

    def _parsed(self, spool: Spool, texts: tuple[Sequence[int], Sequence[bytes]]) -> NDArray[Any] | None:
        """Return the numbers in cells; None if there are none. It is called by several threads at once."""
        numbers, cells = texts
        if not cells:
            return None
        try:
            return parse_cells(cells, self.separator, len(self.names), single=not spool.whole)
        except BadCell as error:
            raise _bad_cell(numbers, error) from None
        except RaggedRow as error:
            raise RowMistake(numbers[error.row], f"this line has {error.found} cells") from None

    def _block(self, layout: TableLayout, numbers: Sequence[int], lines: Sequence[bytes]) -> list[bytes] | None:
        """Return the cells of lines, having kept their labels; None, and nothing kept, if one needs `_row`."""
        labels = split_block(layout, lines) if self.repeats is None else None
        if labels is None:
            return None
        ids = labels.columns[0]
        if "" in map(str.strip, ids):
            return None
        if not self.further_counters.isdisjoint(ids) or any(
            self._is_left_out(id) for id in ids if id[:1] in COUNTER_STARTS
        ):
            return None
        known = len(self._seen)
        self._seen.update(ids)
        if len(self._seen) < known + len(ids):
            raise RowMistake(numbers[0], f"a {self.kind} id in this line or one of those below it is repeated")
        self._bytes += labels.size + LABEL_BYTES * len(self.columns) * len(ids)
        for column, texts in zip(self.columns, labels.columns, strict=True):
            column += texts
        return labels.cells

    def _row(self, layout: TableLayout, number: int, line: bytes) -> bytes | None:
        """Return the cells of a line, having kept its labels; None if the line is left out."""
        if (not line or line[0] in BLANK_STARTS) and is_blank(line, self.separator):
            self.blank += 1
            return None
        try:
            labels, cells = layout.split(line)
            texts = [label.decode("utf-8") for label in labels]
        except (QuoteError, WrongFields, NamelessCell) as error:
            raise RowMistake(number, str(error)) from None
        except UnicodeDecodeError:
            raise not_utf8(self.path, number) from None
        id = texts[0]
        if (id[:1] in COUNTER_STARTS or id in self.further_counters) and self._is_left_out(id):
            self.left_out.append(id)
            return None
        if self.repeats is not None and id.strip():
            own, wanted = self.repeats.take(id, self._seen)
            if own is None:
                return cells if wanted else None
            texts[0] = id = own
        if not id.strip() or id in self._seen:
            raise RowMistake(number, f"the {self.kind} id {shortened(id)} is empty or repeated")
        self._seen.add(id)
        self._bytes += len(line) - len(cells) + LABEL_BYTES * len(texts)
        for column, text in zip(self.columns, texts, strict=True):
            column.append(text)
        return cells

    def _is_left_out(self, id: str) -> bool:
        if id in self.further_counters:
            return True
        return self.counters is not None and (is_counter(id) or (self.counters == "all" and id.startswith("__")))

    def _all_mistakes(
        self,
        layout: TableLayout,
        decimal: DecimalMark,
        lines: TextLines,
        first: int,
        before: Sequence[tuple[int, str]],
    ) -> ImportFailure | None:
        check = RowCheck(
            self.path,
            layout,
            self.names,
            self.kind,
            decimal,
            self._is_left_out,
            self.repeated_hint,
            optional=self.layout is not None,
            unique=self.repeats is None,
        )
        with lines.again() as rows:
            return check.failure(rows, first, before)


def _bad_cell(numbers: Sequence[int], error: BadCell) -> RowMistake:
    return RowMistake(numbers[error.row], f"the cell {shortened(error.text)} {error.wrong}")


def too_many_labels(path: Path, kind: str, most: int, line: int) -> ImportFailure:
    """Return the error for labels that have no room in memory."""
    return ImportFailure(
        f"the labels of the {kind}s need more than {shown_bytes(most)} of memory: leave out label columns, split the "
        "file, or set RNAGET_MAX_COLUMN_BYTES",
        path,
        line,
    )


def not_utf8(path: Path, line: int) -> ImportFailure:
    """Return the error for bytes that are no UTF-8 text."""
    return ImportFailure("the text is not UTF-8: convert the file, as by `iconv -f LATIN1 -t UTF-8 FILE`", path, line)


def decoded(fields: Sequence[bytes], path: Path, line: int) -> list[str]:
    """Return the fields of a line as text.

    Raises
    ------
    ImportFailure
        If they are not UTF-8.
    """
    try:
        return [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        raise not_utf8(path, line) from None


def check_ids(ids: Sequence[str], kind: str, path: Path, line: int) -> None:
    """Check the ids in a header line.

    Raises
    ------
    ImportFailure
        If there are none, or some are empty or repeated.
    """
    mistakes = header_mistakes(ids, kind)
    if mistakes:
        first, *others = mistakes[:SHOWN]
        listed = [first, *(f"{path}:{line}: {mistake}" for mistake in others)]
        if len(mistakes) > SHOWN:
            listed.append(f"and {len(mistakes) - SHOWN} more such mistakes")
        raise ImportFailure("\n".join(listed), path, line)


def header_mistakes(ids: Sequence[str], kind: str) -> list[str]:
    """Return what is wrong with the ids in a header line."""
    if not ids:
        return [f"the header names no {kind}: it has only label columns"]
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for column, id in enumerate(ids, 1):
        if not id.strip():
            mistakes.append(
                f"the {kind} id in the header is empty (the {column}. of {len(ids)}): name the column, or remove it "
                "from every line"
            )
        elif seen.setdefault(id, column) != column:
            mistakes.append(
                f"the {kind} id {shortened(id)} is in the header twice "
                f"(the {seen[id]}. and the {column}. of {len(ids)}): ids must be unique, so rename one"
            )
    return mistakes
