"""The first lines of a text table, and the choice of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Columns:
    """The chosen columns, by positions; the ids are in the first of `labels`. `samples` renames the cells."""

    labels: list[int]
    cells: list[int]
    remarks: list[str] = field(default_factory=list)
    samples: tuple[str, ...] | None = None
    is_long: bool = False


@dataclass(frozen=True)
class TableStart:
    """The first lines of a table: its headers, the fields of some rows, and the columns that are not blank."""

    path: Path
    line: int
    headers: tuple[str, ...]
    rows: Sequence[Sequence[bytes]]
    columns: tuple[int, ...]
    headless: bool = False

    def cells_of(self, column: int) -> list[bytes]:
        """Return the fields of one column."""
        return [row[column] for row in self.rows if column < len(row)]
