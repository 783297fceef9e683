"""Conditions as they are judged: for a block of records at once, by arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.archive.reading import Block, Mask
from rnaget_server.archive.table import Field
from rnaget_server.archive.texts import Finder

Sign = Callable[[NDArray[Any], float], Mask]


class Test(Protocol):
    """A condition that is judged."""

    @property
    def cost(self) -> int:
        """The work that it is: tests of little go first, for often the others are not needed then."""

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""


@dataclass(frozen=True)
class Always:
    """Holds for all records, or for none."""

    holds: bool
    cost: ClassVar[int] = 0

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        return np.array([self.holds])


@dataclass(frozen=True)
class Listed:
    """Holds for records whose numbers are known, in their order."""

    records: NDArray[np.int64]
    cost: ClassVar[int] = 0

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        first, last = np.searchsorted(self.records, (block.start, block.start + block.size))
        found = np.zeros(block.size if first < last else 1, bool)
        found[self.records[first:last] - block.start] = True
        return found


@dataclass(frozen=True)
class Coded:
    """Holds for records whose values in a field have some codes."""

    field: Field
    table: Mask
    cost: ClassVar[int] = 1

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        return self.table.take(block.codes(self.field))


@dataclass(frozen=True)
class Filled:
    """Holds for records that have a value in a field."""

    field: Field
    cost: ClassVar[int] = 1

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        found: Mask = block.codes(self.field) != 0
        return found


@dataclass(frozen=True)
class Compared:
    """Holds for records whose number in a field compares so to another."""

    field: Field
    sign: Sign
    number: float
    cost: ClassVar[int] = 2

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        return self.sign(block.numbers(self.field), self.number)


@dataclass(frozen=True)
class InText:
    """Holds for records whose text in a field is found."""

    field: Field
    find: Finder
    cost: ClassVar[int] = 3

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        found = np.zeros(block.size, bool)
        for first, texts in block.texts(self.field):
            found[self.find(texts) + first] = True
        return found


@dataclass(frozen=True)
class Opposite:
    """Holds for records for which another does not."""

    test: Test

    @property
    def cost(self) -> int:
        """The work that it is."""
        return self.test.cost

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        return ~self.test.mask(block)


@dataclass(frozen=True)
class Together:
    """Holds for records for which all others do, or any of them."""

    tests: Sequence[Test]
    are_all: bool

    @property
    def cost(self) -> int:
        """The work that it is."""
        return self.tests[-1].cost

    def mask(self, block: Block) -> Mask:
        """Return for which records it holds."""
        found = self.tests[0].mask(block)
        for test in self.tests[1:]:
            if not found.any() if self.are_all else found.all():
                break
            found = found & test.mask(block) if self.are_all else found | test.mask(block)
        return found


def opposite(test: Test) -> Test:
    """Return what holds where a test does not."""
    return Coded(test.field, ~test.table) if isinstance(test, Coded) else Opposite(test)


def together(tests: Iterable[Test], are_all: bool) -> Test:
    """Return what holds where all tests do, or any of them; what can be joined is one test."""
    coded: dict[Field, Mask] = {}
    lists: list[NDArray[np.int64]] = []
    others: list[Test] = []
    for test in tests:
        if isinstance(test, Coded):
            table = coded.get(test.field)
            both = np.logical_and if are_all else np.logical_or
            coded[test.field] = test.table if table is None else both(table, test.table)
        elif isinstance(test, Listed) and not are_all:
            lists.append(test.records)
        else:
            others.append(test)
    others += (Coded(field, table) for field, table in coded.items())
    if lists:
        others.append(Listed(np.unique(np.concatenate(lists))))
    return others[0] if len(others) == 1 else Together(sorted(others, key=lambda test: test.cost), are_all)
