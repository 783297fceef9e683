"""A search in the features or samples of one matrix: what it finds, the best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import as_texts
from rnaget_server.sequences.genes import PAR_Y
from rnaget_server.slicing.search.aliases import features_named
from rnaget_server.slicing.search.names import LONGEST, fold, fold_all, without_version
from rnaget_server.slicing.search.ranks import ALIAS, EXACT, MATCHES, START, TEXT
from rnaget_server.stores.base import MatrixStore

_NOT = len(MATCHES)
_AT_ONCE = 1 << 16
_SUGGESTED = 5


@dataclass(frozen=True)
class AxisHits:
    """The positions that a search finds, the best first; the rank of each; similar names if there are none."""

    positions: Positions
    ranks: NDArray[np.uint8]
    suggestions: tuple[str, ...] = ()

    def matches(self, part: slice) -> list[str]:
        """Return how some of them are found."""
        return [MATCHES[rank] for rank in self.ranks[part].tolist()]


def search_key(text: str) -> str:
    """Return the text of a search as names are compared with it.

    Raises
    ------
    InvalidQuery
        If it is too long, or nothing but blanks.
    """
    if len(text) > LONGEST:
        raise InvalidQuery(f"search has {len(text):,} characters: shorten it to {LONGEST} at most")
    key = fold(text)
    if not key:
        raise InvalidQuery("search has no letters: give a name, or a part of one")
    return key


def search_axis(
    view: View,
    matrix: Matrix,
    store: MatrixStore,
    axis: Literal["feature", "sample"],
    text: str,
    chosen: Positions | None,
) -> AxisHits:
    """Return what a search finds among the chosen features or samples (None: all) of a matrix, in its order by rank.

    Raises
    ------
    InvalidQuery
        If the text is none to search for.
    """
    key = search_key(text)
    labels = store.features if axis == "feature" else store.samples
    id = matrix.feature_id if axis == "feature" else matrix.sample_id
    own = dict.fromkeys([id, (matrix.feature_name if axis == "feature" else None) or id])
    ranks = np.full(labels.size, _NOT, np.uint8)
    for attribute in labels.attributes:
        if attribute in own:
            _rank_names(labels, attribute, key, ranks)
        elif labels.kind(attribute) != "number":
            _lower(ranks, _Searched(labels, attribute).containing(key), TEXT)
    if axis == "feature":
        _lower(ranks, features_named(view, matrix, labels, key), ALIAS)
    positions = np.flatnonzero(ranks < _NOT)
    if chosen is not None:
        positions = np.intersect1d(positions, chosen, assume_unique=True)
    positions = positions[np.argsort(ranks[positions], kind="stable")].astype(np.int64)
    suggestions = () if positions.size else _similar(labels, own, text)
    return AxisHits(positions, ranks[positions], suggestions)


def _rank_names(axis: Axis, attribute: str, key: str, ranks: NDArray[np.uint8]) -> None:
    """Rank what has `key` in an id or a name."""
    names = _Searched(axis, attribute)
    _lower(ranks, names.containing(key), TEXT)
    _lower(ranks, names.beginning(key), START)
    _lower(ranks, names.equal(key), EXACT)
    stem = without_version(key)
    of_stem = names.beginning(f"{stem.removesuffix(PAR_Y.lower())}.")
    versions = [without_version(text) == stem for text in fold_all(names.take(of_stem))]
    # Another version is not what was asked for, but next to it.
    _lower(ranks, of_stem[np.array(versions, bool)], EXACT if stem == key else START)
    if stem != key:
        _lower(ranks, names.equal(stem), EXACT)


def _lower(ranks: NDArray[np.uint8], positions: NDArray[Any], rank: int) -> None:
    ranks[positions] = np.minimum(ranks[positions], np.uint8(rank))


@dataclass
class _Searched:
    """The texts of an attribute, searched piece by piece."""

    axis: Axis
    attribute: str
    _pieces: list[NDArray[Any] | list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = list(self._folded())

    def equal(self, key: str) -> Positions:
        """Return where the text is `key`."""
        return self._where(lambda piece: piece == np.bytes_(key.encode()), lambda text: text == key)

    def beginning(self, key: str) -> Positions:
        """Return where the text begins with `key`."""
        return self._where(lambda piece: np.strings.startswith(piece, key.encode()), lambda text: text.startswith(key))

    def containing(self, key: str) -> Positions:
        """Return where the text has `key` in it."""
        return self._where(lambda piece: np.strings.find(piece, key.encode()) >= 0, lambda text: key in text)

    def take(self, positions: Positions) -> list[str]:
        """Return some of the texts."""
        return as_texts(self.axis.column(self.attribute, positions))

    def _where(self, of_bytes: Any, of_text: Any) -> Positions:
        found = []
        for number, piece in enumerate(self._pieces):
            mask = of_bytes(piece) if isinstance(piece, np.ndarray) else np.fromiter(map(of_text, piece), bool)
            found.append(np.flatnonzero(mask) + number * _AT_ONCE)
        return np.concatenate(found).astype(np.int64) if found else np.zeros(0, np.int64)

    def _folded(self) -> Iterator[NDArray[Any] | list[str]]:
        raw = self.axis.ascii(self.attribute)
        for start in range(0, self.axis.size, _AT_ONCE):
            if raw is not None:
                yield np.frombuffer(raw[start : start + _AT_ONCE].tobytes().lower(), raw.dtype)
            else:
                stop = min(start + _AT_ONCE, self.axis.size)
                yield fold_all(self.take(np.arange(start, stop)))


def _similar(axis: Axis, attributes: dict[str, None], text: str) -> tuple[str, ...]:
    """Return names like one that there is not, those of features before their ids."""
    names = (name for attribute in reversed(attributes) for name in axis.suggest(attribute, [text]).alike.get(text, ()))
    return tuple(dict.fromkeys(names))[:_SUGGESTED]
