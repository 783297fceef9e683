"""Rows with an id that another row has: the first of them taken, all summed, or each given a suffix."""

from __future__ import annotations

import contextlib
from collections.abc import Set
from pathlib import Path

import numpy as np

from rnaget_server.importers.spool import Spool, SpooledCells

WAYS = ("first", "sum", "suffix")
"""The ways out of repeated ids; without one they are refused."""

_BLOCK_BYTES = 16 << 20


class Repeats:
    """The rows of repeated ids while a table is read.

    Parameters
    ----------
    way
        One of `WAYS`.
    """

    def __init__(self, way: str) -> None:
        self.way = way
        self.count = 0
        """Number of rows whose id was there already."""

        self.example = ""
        self._rows: dict[str, int] = {}
        self._targets: list[int] = []
        self._numbers: dict[str, int] = {}

    def take(self, id: str, seen: Set[str]) -> tuple[str | None, bool]:
        """Return the id of the next row, None if it has no place of its own, and whether its cells are wanted.

        Parameters
        ----------
        id
            As it is in the table.
        seen
            The ids of the rows before.
        """
        is_new = id not in seen
        if not is_new:
            self.count += 1
            self.example = self.example or id
        if self.way == "suffix":
            return (id if is_new else self._numbered(id, seen)), True
        if self.way == "first":
            return (id if is_new else None), is_new
        self._targets.append(self._rows.setdefault(id, len(self._rows)))
        return (id if is_new else None), True

    def finish(self, spool: Spool, directory: Path, columns: int) -> SpooledCells:
        """Return the cells that were taken, those of one id summed if that is the way."""
        cells = spool.finish()
        if self.way != "sum":
            return cells
        order = np.argsort(self._targets, kind="stable")
        ends = np.cumsum(np.bincount(self._targets))
        step = max(1, _BLOCK_BYTES // (8 * columns))
        with contextlib.ExitStack() as stack:
            summed = Spool(directory, columns)
            stack.callback(summed.close)
            for start in range(0, len(ends), step):
                rows = np.zeros((min(step, len(ends) - start), columns))
                for number in range(len(rows)):
                    first = ends[start + number - 1] if start + number else 0
                    for row in order[first : ends[start + number]]:
                        rows[number] += cells.rows(row, row + 1)[0]
                summed.append(rows)
            stack.pop_all()
        cells.close()
        return summed.finish()

    def remark(self) -> str:
        """Return the remark for the provider on ids that were repeated."""
        done = {
            "first": "left out, the first of each id taken",
            "sum": "added to the first of their id",
            "suffix": "given ids of their own by a number behind a point",
        }
        return f"rows of ids that were there already, such as {self.example}: {self.count}, {done[self.way]}"

    def _numbered(self, id: str, seen: Set[str]) -> str:
        """Return the id with the next free number, as `make.unique` of R has it."""
        number = self._numbers.get(id, 0) + 1
        while f"{id}.{number}" in seen:
            number += 1
        self._numbers[id] = number
        return f"{id}.{number}"
