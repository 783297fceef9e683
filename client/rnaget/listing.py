"""Lists that are fetched by pages as far as they are read, with look-up by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from rnaget.api import NotFoundError
from rnaget.shown import html_table, text_table

_SHOWN = 10


class Named(Protocol):
    """Anything with an id, and a row in a table."""

    @property
    def id(self) -> str:
        """The id."""
        ...

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        ...


T = TypeVar("T", bound=Named)
Pages = Callable[[], Iterator[tuple[list[T], int | None]]]
"""Gives pages of a list, each with the length of all of it where that is known."""


class Listing(Sequence[T], Generic[T]):
    """The things of one kind on a server: read like a tuple, or asked by id as ``listing["id"]``.

    Nothing is asked before something is read, and no more pages than are needed.
    """

    def __init__(self, kind: str, pages: Pages[T], find: Callable[[str], T], hint: str = "") -> None:
        self._kind, self._pages, self._find, self._hint = kind, pages, find, hint
        self._items: list[T] = []
        self._source: Iterator[tuple[list[T], int | None]] | None = None
        self._total: int | None = None
        self._is_complete = False

    def _load(self, count: float) -> None:
        """Read pages until so many are known, or all are."""
        if self._source is None:
            self._source = self._pages()
        while len(self._items) < count and not self._is_complete:
            try:
                found = next(self._source, None)
            except BaseException:  # the next reader asks again, and does not take what is there for all
                self._source, self._items = None, []
                raise
            if found is None:
                self._is_complete = True
                return
            page, total = found
            self._items += page
            self._total = total if total is not None else self._total

    def __len__(self) -> int:
        self._load(1)
        if self._total is None:
            self._load(float("inf"))
        return max(self._total or 0, len(self._items))

    @overload
    def __getitem__(self, key: int | str) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> list[T]: ...
    def __getitem__(self, key: int | str | slice) -> T | list[T]:
        if isinstance(key, str):
            return next((item for item in self._items if item.id == key), None) or self._find(key)
        if isinstance(key, slice):
            self._load(float("inf"))
            return self._items[key]
        self._load(key + 1 if key >= 0 else float("inf"))
        return self._items[key]

    def __iter__(self) -> Iterator[T]:
        number = 0
        while True:
            self._load(number + 1)
            if number >= len(self._items):
                return
            yield self._items[number]
            number += 1

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None if isinstance(key, str) else super().__contains__(key)

    def get(self, id: str, default: T | None = None) -> T | None:
        """Return the thing of an id, or `default`."""
        try:
            return self[id]
        except NotFoundError:
            return default

    @property
    def ids(self) -> list[str]:
        """The ids of all."""
        return [item.id for item in self]

    def rows(self) -> list[dict[str, Any]]:
        """Return all as rows of a table."""
        return [item.row() for item in self]

    def _head(self) -> tuple[str, list[dict[str, Any]], str]:
        count = len(self)
        self._load(_SHOWN)
        rows = [item.row() for item in self._items[:_SHOWN]]
        more = f"… and {count - len(rows):,} more" if count > len(rows) else ""
        return f"{self._kind[:1].upper()}{self._kind[1:]}: {count:,}", rows, more

    def __repr__(self) -> str:
        title, rows, more = self._head()
        hint = f"next: {self._hint}" if self._hint else ""
        return "\n".join(filter(None, (title, text_table(rows), more, hint)))

    def _repr_html_(self) -> str:
        title, rows, more = self._head()
        return html_table(title, rows, more, [self._hint] if self._hint else [])


def one_page(rows: Callable[[], Iterable[T]]) -> Pages[T]:
    """Return the pages of a list that comes at once."""

    def pages() -> Iterator[tuple[list[T], int | None]]:
        items = list(rows())
        yield items, len(items)

    return pages
