"""All mistakes in the rows of a text table, found by a second reading that checks line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import are_words
from rnaget_server.importers.text.decimals import COMMA, DecimalMark
from rnaget_server.importers.text.fields import QuoteError, shortened, split_fields
from rnaget_server.importers.text.layout import NamelessCell, TableLayout, WrongFields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import BadCell, parse_cells
from rnaget_server.importers.text.repeats import WAYS
from rnaget_server.importers.text.spreadsheets import ADVICE, is_date

SHOWN = 20
_COUNTED = 1000
BLANK_STARTS = b' "\t,;'
"""The bytes that a line of only separators, blanks and quotes may begin with."""

_THOUSANDS = re.compile(rb"[+-]?\d{1,3}(?:(?:[' .]|\xc2\xa0|\xe2\x80[\x89\xaf\x99])\d{3})+(?:[.,]\d+)?")
_WITH_COMMA = re.compile(rb"[+-]?\d+(?:,\d+)+(?:[eE][+-]?\d+)?")


@dataclass
class RowCheck:
    """Finds the mistakes of rows.

    Parameters
    ----------
    path
        The table.
    layout
        Its columns.
    names
        Headers of the columns of cells.
    kind
        The kind of the rows: ``feature`` or ``sample``.
    decimal
        The decimal mark as far as it is known.
    left_out
        Returns whether a row of this id is left out.
    repeated_hint
        What to say of repeated ids, where the form of the table explains them.
    optional
        Whether options say how the table is read; a hint at one is of no use if its format fixes that.
    unique
        Whether repeated ids are mistakes.
    """

    path: Path
    layout: TableLayout
    names: Sequence[str]
    kind: str
    decimal: DecimalMark
    left_out: Callable[[str], bool]
    repeated_hint: str = ""
    optional: bool = True
    unique: bool = True
    _lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    _rows: int = 0
    _words: int = 0  # in the first column of cells
    _hints: dict[str, None] = field(default_factory=dict)

    def failure(self, lines: TextLines, first: int, before: Sequence[tuple[int, str]] = ()) -> ImportFailure | None:
        """Return the error of all mistakes from line `first` on, after those `before`; None if there is none."""
        shown, count = list(before)[:SHOWN], len(before)
        try:
            for numbers, block in lines.blocks():
                for number, line in zip(numbers, block, strict=True):
                    if number < first or count >= _COUNTED:
                        continue
                    for mistake in self._of_line(number, line):
                        count += 1
                        if len(shown) < SHOWN:
                            shown.append((number, mistake))
        except ImportFailure:
            pass  # of the file as a whole, such as cut-off gzip data
        return self._listed(shown, count) if shown else None

    def _listed(self, shown: Sequence[tuple[int, str]], count: int) -> ImportFailure:
        (number, message), *others = shown
        if self.optional and self.kind == "feature" and len(self.names) > 1 and self._words > self._rows / 2:
            self._hints["if that column describes the features, say so by --label-columns"] = None
        hints = list(self._hints)
        if count == 1:
            message, hints = "; ".join([message, *hints]), []
        listed = [f"{self.path}:{number}: {message}" for number, message in others]
        if count > len(shown):
            listed.append(f"and {'more than ' if count >= _COUNTED else ''}{count - len(shown)} more such mistakes")
        return ImportFailure("\n".join([message, *listed, *hints]), self.path, number)

    def _of_line(self, number: int, line: bytes) -> Iterator[str]:
        """Yield the mistakes of one line."""
        if is_blank(line, self.layout.separator):
            return
        try:
            labels, cells = self.layout.split(line)
            id = labels[0].decode()
        except WrongFields as error:
            yield self._ragged(error.found)
            return
        except QuoteError as error:
            yield self._quoted(str(error))
            return
        except NamelessCell as error:
            yield str(error)
            return
        except UnicodeDecodeError:
            return  # refused by its own words
        if self.left_out(id):
            return
        self._rows += 1
        yield from self._of_id(id, number, hash(line))
        yield from self._of_cells(number, cells)

    def _of_id(self, id: str, number: int, content: int) -> Iterator[str]:
        if not id.strip():
            column = self.layout.labels[0]
            place = "the first field" if column == 0 else f"the {column + 1}. field"
            yield f"the {self.kind} id ({place}) is empty"
            return
        first, other = self._lines.setdefault(id, (number, content))
        if first == number or not self.unique:
            return
        if self.optional and self.kind == "feature" and not (self.repeated_hint or is_date(id)):
            self._hints[f"ways out: --duplicates {', '.join(WAYS[:-1])} or {WAYS[-1]}"] = None
        start = f"the {self.kind} id {shortened(id)} is here and in line {first} already: "
        if other == content:
            yield start + "the lines are the same, so leave one of the two out"
        elif is_date(id):
            self._hints[ADVICE] = None
            yield start + "ids must be unique"
        else:
            if self.repeated_hint:
                self._hints[self.repeated_hint] = None
            yield start + "ids must be unique" + ("" if self.repeated_hint else ", so rename one")

    def _of_cells(self, number: int, cells: bytes) -> Iterator[str]:
        found = cells.count(self.layout.separator) + 1
        if found != len(self.names):
            yield self._ragged(self.layout.width - len(self.names) + found)
            return
        try:
            (row,) = self.decimal.with_points([cells], [number])
            parse_cells([row], self.layout.separator, len(self.names))
        except BadCell as error:
            yield from self._bad_cells(cells, error)

    def _bad_cells(self, cells: bytes, error: BadCell) -> Iterator[str]:
        """Yield the mistakes in a row that holds at least one; `error` is the first that the reader met."""
        texts = cells.split(self.layout.separator)
        for column, text in enumerate(texts):
            wrong = error.wrong if column == error.column else self._wrong(text)
            if wrong is not None:
                self._words += not column and are_words([text], 1)
                if self.decimal.mark != COMMA and _WITH_COMMA.fullmatch(text.strip()):
                    self._hint_at_commas()
                elif _THOUSANDS.fullmatch(text.strip()):
                    self._hints["marks between thousands cannot be read: save the numbers without them"] = None
                yield f"the cell {shortened(text)} in the column {shortened(self.names[column])} {wrong}"

    def _wrong(self, text: bytes) -> str | None:
        try:
            (row,) = self.decimal.with_points([text], [0])
            parse_cells([row], self.layout.separator, 1)
        except BadCell as error:
            return error.wrong
        return None

    def _quoted(self, message: str) -> str:
        if message.startswith("the cell"):
            self._hint_at_commas()
        return message

    def _hint_at_commas(self) -> None:
        self._hints[
            "commas between thousands cannot be read: save the numbers without them; if these are decimal commas, "
            + ("say so by --decimal ','" if self.optional else "write points in their place")
        ] = None

    def _ragged(self, found: int) -> str:
        return f"this line has {found} fields, and the header {self.layout.width}"


def is_blank(line: bytes, separator: bytes) -> bool:
    """Return whether a line holds only separators, blanks and empty quotes."""
    if line and (line[0] not in BLANK_STARTS or line.strip(separator + b' "\t')):
        return False
    try:
        # A quoted separator may be an id.
        return not any(text.strip() for text in split_fields(line, separator))
    except QuoteError:
        return False
