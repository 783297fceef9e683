"""Things with an id, a name and a text, and the search among them: the best first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rnaget_server.slicing.search.names import NameTable, Texts, fold, fold_all, without_version
from rnaget_server.slicing.search.ranks import EXACT, START, TEXT


@dataclass(frozen=True)
class Hit:
    """An entry that was found, and its rank."""

    rank: int
    entry: int


class Entries:
    """Entries by number.

    Parameters
    ----------
    ids, names
        Of each entry; a name may be empty.
    texts
        What else is said of each, in which any part is found; as long as the others, or empty.
    """

    def __init__(self, ids: Sequence[str], names: Sequence[str], texts: Sequence[str] = ()) -> None:
        self.ids = Texts(ids)
        self.names = Texts(names)
        self.texts = Texts(fold_all(texts))
        self._table = NameTable(_names(ids, names))

    def __len__(self) -> int:
        return len(self.ids)

    def named(self, key: str) -> list[int]:
        """Return the entries that have an id or a name, ids with or without their version."""
        exact = self._table.named(key)
        stem = without_version(key)
        if stem != key:
            exact += [entry for entry in self._table.named(stem) if stem in self._own(entry)]
        return list(dict.fromkeys(exact))

    def search(self, key: str) -> Iterator[Hit]:
        """Yield what is found for a folded text, the best first, each entry once."""
        seen: set[int] = set()
        stem = without_version(key)
        of_stem = self._table.named(stem) if stem != key else []  # in another version
        ranked = chain(
            ((EXACT, entry) for entry in self.named(key)),
            ((START, entry) for entry in chain(self._table.beginning(key), of_stem)),
            ((TEXT, entry) for entry in self._table.containing(key)),
            ((TEXT, entry) for entry in self.texts.containing(key.encode())),
        )
        for rank, entry in ranked:
            if entry not in seen:
                seen.add(entry)
                yield Hit(rank, entry)

    @property
    def all_names(self) -> Texts:
        """The folded ids and names of all entries, in alphabetical order."""
        return self._table.names

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(part.nbytes for part in (self.ids, self.names, self.texts, self._table))

    def _own(self, entry: int) -> tuple[str, str]:
        return fold(self.ids[entry]), fold(self.names[entry])


def _names(ids: Sequence[str], names: Sequence[str]) -> Iterable[tuple[str, int]]:
    """Yield each folded id and name with the number of its entry, and ids with a version without it."""
    for number, name in enumerate(fold_all(ids)):
        yield name, number
        if "." in name and (stem := without_version(name)) != name:
            yield stem, number
    for number, name in enumerate(fold_all(names)):
        yield name, number
