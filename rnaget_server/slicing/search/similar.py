"""Names like one for which a search of everything finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.suggestions import suggest_of_column
from rnaget_server.slicing.search.entries import Entries
from rnaget_server.slicing.search.index import SearchIndex
from rnaget_server.slicing.search.names import Texts, fold

_MOST = 5
_MOST_EDITS = 4


@dataclass(frozen=True)
class _NameColumn:
    """Some of many names as a column of texts, to be compared with one."""

    texts: Texts
    numbers: NDArray[np.int64]
    is_number = False

    @classmethod
    def like(cls, texts: Texts, key: str) -> _NameColumn:
        """Return the names that are about as long as another."""
        lengths = np.diff(texts.starts.astype(np.int64)) - 1
        return cls(texts, np.flatnonzero(np.abs(lengths - len(key.encode())) <= _MOST_EDITS))

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        numbers = (self.numbers if positions is None else self.numbers[positions]).tolist()
        found = np.empty(len(numbers), object)
        found[:] = [self.texts[number] for number in numbers]
        return found

    def ascii(self, positions: NDArray[np.int64] | None) -> None:
        return None

    def among(self, values: Any) -> Any:
        raise NotImplementedError

    def distinct(self, limit: int) -> None:
        return None


def similar_names(index: SearchIndex, text: str) -> list[str]:
    """Return up to five names that are like a text, as they are written; genes before others."""
    key = fold(text)
    found: dict[str, None] = {}
    for entries in _searched(index):
        names = _NameColumn.like(entries.all_names, key)
        if names.numbers.size:
            alike = suggest_of_column(names, names.numbers.size, [key], _MOST).get(key, [])
            found |= dict.fromkeys(_as_written(entries, name) for name in alike)
    return list(found)[:_MOST]


def _searched(index: SearchIndex) -> Iterator[Entries]:
    yield index.features.entries
    yield index.values.values
    yield index.samples.entries
    for records in index.records.values():
        yield records.entries


def _as_written(entries: Entries, folded: str) -> str:
    for entry in entries.named(folded):
        for name in (entries.names[entry], entries.ids[entry]):
            if fold(name) == folded:
                return name
    return folded
