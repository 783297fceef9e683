"""The labels of a selected part of a guarded axis."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.datasets.guarded import GuardedAxis
from rnaget_server.model.axis import Positions
from rnaget_server.model.labels import LABELS_AT_ONCE


@dataclass(frozen=True)
class GuardedLabels:
    """The labels of a selected part of an axis; see `Labels`."""

    axis: GuardedAxis
    positions: Positions | None
    size: int
    id: str
    name: str | None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The available attributes."""
        return self.axis.attributes

    @property
    def whole(self) -> Hashable | None:
        """The key of all labels of an axis as they are in the open file; None for a part of them."""
        return self.axis.key if self.positions is None else None

    def column(self, attribute: str) -> NDArray[Any]:
        """Return the values of one attribute."""
        return self.axis.column(attribute, self.positions)

    def ascii(self, attribute: str) -> NDArray[np.bytes_] | None:
        """Return the values of one attribute as printable ASCII bytes, if they are stored so."""
        return self.axis.ascii(attribute, self.positions)

    def pieces(self, attribute: str, size: int = LABELS_AT_ONCE) -> Iterator[NDArray[Any]]:
        """Return the values of one attribute in order, `size` at a time."""
        return self.axis.pieces(attribute, self.positions, size)
