"""The columns of a text table: those of labels, those of cells, and those that are left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rnaget_server.importers.text.fields import QuoteError, shortened, split_fields, split_labels


class WrongFields(ValueError):
    """A line that holds another number of fields than the header."""

    def __init__(self, found: int) -> None:
        super().__init__(f"{found} fields")
        self.found = found


class NamelessCell(ValueError):
    """A cell with text in a column whose header is empty."""

    def __init__(self, column: int, text: bytes) -> None:
        super().__init__(
            f"the field {shortened(text)} is in the {column + 1}. column, whose header is empty: name that column "
            "in the header, or remove what is in it"
        )


@dataclass(frozen=True)
class TableLayout:
    """The meaning of each column, by positions from 0.

    Parameters
    ----------
    separator
        Of the fields.
    width
        Number of fields of a line.
    labels
        The columns of labels; the first one holds the ids.
    cells
        The columns of cells, ascending.
    blank
        Columns without a header, which must be empty; lines may lack those at the end.
    decimal_comma
        True if quoted cells of a table separated by commas have decimal commas.
    """

    separator: bytes
    width: int
    labels: tuple[int, ...]
    cells: tuple[int, ...]
    blank: frozenset[int] = frozenset()
    decimal_comma: bool = False

    @classmethod
    def leading(cls, separator: bytes, labels: int, cells: int) -> TableLayout:
        """Return the layout of label columns with all cells behind them."""
        width = labels + cells
        return cls(separator, width, tuple(range(labels)), tuple(range(labels, width)))

    def split(self, line: bytes) -> tuple[list[bytes], bytes]:
        """Return the labels of a line, and its cells with separators between them and without quotes.

        Where the cells are the end of the line, their number is left to the reader of numbers.

        Raises
        ------
        QuoteError
            If the quotes are not well formed, or a cell holds a separator.
        WrongFields
            If a field is lacking or too much.
        NamelessCell
            If a column without a header is not empty.
        """
        if not self.cells_last:
            return self._by_field(line)
        labels, cells = split_labels(line, self.separator, self._first)
        if cells is None:
            raise WrongFields(len(labels))
        for column in self.blank:
            self._check_blank(column, labels[column])
        return labels if self._all_labels else [labels[column] for column in self.labels], cells

    @cached_property
    def _first(self) -> int:
        return self.cells[0]

    @cached_property
    def cells_last(self) -> bool:
        """True if all cells are at the end, with all labels before them."""
        last = self.cells == tuple(range(self._first, self.width)) and max(self.labels) < self._first
        return last and not self.decimal_comma

    @cached_property
    def _all_labels(self) -> bool:
        return self.labels == tuple(range(self._first))

    @cached_property
    def _trailing_blank(self) -> int:
        end = self.width
        while end - 1 in self.blank:
            end -= 1
        return self.width - end

    def _by_field(self, line: bytes) -> tuple[list[bytes], bytes]:
        fields = split_fields(line, self.separator)
        lacking = self.width - len(fields)
        if not 0 <= lacking <= self._trailing_blank:
            raise WrongFields(len(fields))
        fields += [b""] * lacking
        for column in self.blank:
            self._check_blank(column, fields[column])
        cells = [fields[column] for column in self.cells]
        if self.decimal_comma:
            cells = [self._with_point(cell) for cell in cells]
        elif b'"' in line:
            for cell in cells:
                if self.separator in cell:
                    raise QuoteError(f"the cell {shortened(cell)} is not a number")
        return [fields[column] for column in self.labels], self.separator.join(cells)

    def _with_point(self, cell: bytes) -> bytes:
        if b"." in cell or cell.count(b",") > 1:
            raise QuoteError(f"the cell {shortened(cell)} is not a number with a decimal comma")
        return cell.replace(b",", b".")

    def _check_blank(self, column: int, text: bytes) -> None:
        if text.strip():
            raise NamelessCell(column, text)
