"""Long text tables: one row for each feature and sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.long_spool import LongRows, LongSpool
from rnaget_server.importers.text.decimals import POINT, DecimalMark
from rnaget_server.importers.text.fields import QuoteError, shortened
from rnaget_server.importers.text.layout import NamelessCell, TableLayout, WrongFields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.mistakes import SHOWN, is_blank
from rnaget_server.importers.text.numbers import BadCell, RaggedRow, parse_cells
from rnaget_server.importers.text.table_body import not_utf8

_READING = 0.7
_COUNTED = 1000


@dataclass
class LongText:
    """Reads the rows below the header.

    Parameters
    ----------
    path
        For messages.
    headers
        Of the columns of features, samples and values, then of the others.
    layout
        The columns: labels are features, samples and the others.
    decimal
        The decimal mark.
    """

    path: Path
    headers: Sequence[str]
    layout: TableLayout
    decimal: DecimalMark
    _mistakes: list[tuple[int, str]] = field(default_factory=list)

    def read(self, lines: TextLines, directory: Path, options: ReadOptions, progress: Progress) -> SourceMatrix:
        """Return the matrix of all rows.

        Raises
        ------
        ImportFailure
            If a row has more or fewer fields than the header, a value is no number, an id is empty, or a feature has
            two values for one sample. It names all such mistakes.
        """
        feature, sample, _, *others = self.headers
        spool = LongSpool(self.path, directory, [feature, sample, *others], options)
        try:
            for numbers, block in lines.blocks():
                self._block(spool, numbers, block)
                progress(_READING * lines.share)
                if len(self._mistakes) >= _COUNTED:
                    break
            if self._mistakes:
                raise self._refusal()
            if self.decimal.ambiguous:
                raise ImportFailure(
                    "the commas can be decimal marks as well as between thousands: say --decimal ',' if they are "
                    "decimal marks, or save the numbers without marks between thousands",
                    self.path,
                    self.decimal.first_comma,
                )
            return spool.finish(lambda share: progress(_READING + share * (1 - _READING)))
        finally:
            spool.close()

    def _block(self, spool: LongSpool, numbers: Sequence[int], block: Sequence[bytes]) -> None:
        if self._mistakes or (rows := self._plain_rows(numbers, block)) is None:
            self._block_by_row(spool, numbers, block)
        else:
            spool.add(rows)

    def _plain_rows(self, numbers: Sequence[int], block: Sequence[bytes]) -> LongRows | None:
        """Return the rows of a block all at once; None if one has a quote, is blank, or has a mistake."""
        separator, width, text = self.layout.separator, self.layout.width, b"\n".join(block)
        marks = (separator * (width - 1) + b"\n") * len(block)
        if not self._is_plain or b'"' in text or text.translate(None, self._letters) != marks[:-1]:
            return None
        try:
            fields = text.replace(b"\n", separator).decode("utf-8").split(separator.decode())
            features, samples, *others = (fields[column::width] for column in self.layout.labels)
            cells = separator.join(map(str.encode, fields[self.layout.cells[0] :: width]))
            values = parse_cells([cells], separator, len(block))[0]
        except (UnicodeDecodeError, BadCell, RaggedRow):
            return None
        if not all(map(str.strip, {*features, *samples})):
            return None
        return LongRows(numbers, features, samples, values, others)

    @cached_property
    def _is_plain(self) -> bool:
        return self.decimal.mark == POINT and not (self.layout.blank or self.layout.decimal_comma)

    @cached_property
    def _letters(self) -> bytes:
        """All bytes but separators and line ends."""
        return bytes(byte for byte in range(256) if byte not in (*self.layout.separator, *b"\n"))

    def _block_by_row(self, spool: LongSpool, numbers: Sequence[int], block: Sequence[bytes]) -> None:
        kept, rows, cells = [], [], []
        for number, line in zip(numbers, block, strict=True):
            if is_blank(line, self.layout.separator):
                continue
            row = self._row(number, line)
            if row is not None:
                kept.append(number)
                rows.append(row[0])
                cells.append(row[1])
        if not rows:
            return
        try:
            texts = self.decimal.with_points(cells, kept)
            values = parse_cells(texts, self.layout.separator, 1)
        except (BadCell, RaggedRow):
            self._bad_cells(kept, cells)
            return
        if self._mistakes:  # none is read any more
            return
        features, samples, *others = zip(*rows, strict=True)
        spool.add(LongRows(kept, features, samples, values[:, 0].astype(np.float64), others))

    def _row(self, number: int, line: bytes) -> tuple[list[str], bytes] | None:
        """Return the labels of a line and its cell, or None having kept what is wrong with it."""
        try:
            labels, cell = self.layout.split(line)
            texts = [label.decode("utf-8") for label in labels]
        except WrongFields as error:
            self._mistakes.append((number, f"this line has {error.found} fields, and the header {self.layout.width}"))
            return None
        except (QuoteError, NamelessCell) as error:
            self._mistakes.append((number, str(error)))
            return None
        except UnicodeDecodeError:
            raise not_utf8(self.path, number) from None
        for text, kind in zip(texts, ("feature", "sample"), strict=False):
            if not text.strip():
                header = self.headers[kind == "sample"]
                self._mistakes.append((number, f"the {kind} id (in the column {shortened(header)}) is empty"))
                return None
        return texts, cell

    def _bad_cells(self, numbers: Sequence[int], cells: Sequence[bytes]) -> None:
        """Keep what is wrong with each of some cells."""
        for number, cell in zip(numbers, cells, strict=True):
            try:
                parse_cells(self.decimal.with_points([cell], [number]), self.layout.separator, 1)
            except RaggedRow as error:
                width = self.layout.width
                self._mistakes.append(
                    (number, f"this line has {width - 1 + error.found} fields, and the header {width}")
                )
            except BadCell as error:
                column = shortened(self.headers[2])
                self._mistakes.append((number, f"the cell {shortened(cell)} in the column {column} {error.wrong}"))

    def _refusal(self) -> ImportFailure:
        mistakes = sorted(self._mistakes)
        (line, message), *others = mistakes[:SHOWN]
        listed = [message, *(f"{self.path}:{number}: {text}" for number, text in others)]
        if len(mistakes) > SHOWN:
            more = "more than " if len(mistakes) >= _COUNTED else ""
            listed.append(f"and {more}{len(mistakes) - SHOWN} more such mistakes")
        return ImportFailure("\n".join(listed), self.path, line)
