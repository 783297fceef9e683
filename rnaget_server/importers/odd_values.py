"""Values that are rarely meant: infinite ones, and negative ones in units that have none. The provider is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.text.fields import shortened
from rnaget_server.model.sparse import CompressedBlock

_NEVER_NEGATIVE = re.compile(r"(?:raw |read )?counts?|tpm|[fr]pkm(?:-uq)?|[cr]pm|coverage|umis?", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    line: int
    across: int
    value: float


class OddValues:
    """The first negative and the first infinite value of a matrix, as it is read line by line."""

    def __init__(self) -> None:
        self._negative: _Place | None = None
        self._infinite: _Place | None = None

    def look_at(self, block: NDArray[Any], first: int) -> None:
        """Look at lines that are full; `first` is the number of the first of them."""
        if not block.size:
            return
        least, most = np.fmin.reduce(block, axis=None), np.fmax.reduce(block, axis=None)
        if self._negative is None and least < 0:
            self._negative = _first(block, block < 0, first)
        if self._infinite is None and (np.isinf(least) or np.isinf(most)):
            self._infinite = _first(block, np.isinf(block), first)

    def look_at_sparse(self, piece: CompressedBlock, first: int) -> None:
        """Look at lines of which some cells are stored."""
        found = OddValues()
        found.look_at(piece.data[np.newaxis], 0)
        for name, place in vars(found).items():
            if place is not None and getattr(self, name) is None:
                line = int(np.searchsorted(piece.indptr, place.across, "right")) - 1
                setattr(self, name, _Place(first + line, int(piece.indices[place.across]), place.value))

    def remarks(self, units: str, features: NDArray[Any], samples: NDArray[Any], by_sample: bool) -> tuple[str, ...]:
        """Return the warnings on a matrix with these ids; its lines are samples if `by_sample` is true."""

        def words(place: _Place) -> str:
            feature, sample = (place.across, place.line) if by_sample else (place.line, place.across)
            return (
                f"{place.value:g} of the feature {shortened(str(features[feature]))} in the sample "
                f"{shortened(str(samples[sample]))}"
            )

        remarks = []
        if self._negative is not None and _NEVER_NEGATIVE.fullmatch(units.strip()):
            remarks.append(
                f"warning: {units} are never negative, and there are negative values, as {words(self._negative)}: see "
                "whether these are logarithms or corrected values, and name their units so"
            )
        if self._infinite is not None:
            remarks.append(
                f"warning: there are infinite values, as {words(self._infinite)}: where they come from divisions by 0, "
                "write NA in their place"
            )
        return tuple(remarks)


def _first(block: NDArray[Any], odd: NDArray[np.bool_], first: int) -> _Place:
    line, across = (int(at) for at in np.unravel_index(int(np.argmax(odd)), block.shape))
    return _Place(first + line, across, float(block[line, across]))
