"""The parts of long lists that pages show: by the number of a page, or by an offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from rnaget_server.errors import UnknownId

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """The number of this page and of the last one, from 1, and how much each has."""

    number: int
    last: int
    size: int

    @classmethod
    def named(cls, text: str, total: int, size: int) -> Page:
        """Return the page of a list that a parameter names.

        Raises
        ------
        UnknownId
            If there is no such page.
        """
        last = max(1, -(-total // size))
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(last)) else 0
        if not 1 <= number <= last:
            raise UnknownId(f"there is no such page: there {'are' if last > 1 else 'is'} {last:,}")
        return cls(number, last, size)

    @property
    def start(self) -> int:
        """The place of its first item in the list."""
        return (self.number - 1) * self.size

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items of a list that it shows."""
        return items[self.start : self.start + self.size]


@dataclass(frozen=True)
class Span:
    """Some of a list: the first and the last that are shown, and how many there are; offsets of the neighbours."""

    start: int
    stop: int
    total: int
    size: int

    @classmethod
    def at(cls, offset: int, size: int, total: int) -> Span:
        """Return the part from an offset on.

        Raises
        ------
        UnknownId
            If nothing is there.
        """
        if not 0 <= offset < max(1, total):
            raise UnknownId(f"there is nothing from {offset:,} on: there are {total:,}")
        return cls(offset, min(offset + size, total), total, size)

    @property
    def before(self) -> int | None:
        """The offset of the part before, None of the first."""
        return max(0, self.start - self.size) if self.start else None

    @property
    def after(self) -> int | None:
        """The offset of the next part, None of the last."""
        return self.stop if self.stop < self.total else None
