"""The contract of a store of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.sparse import SparseCells
from rnaget_server.storage.access import FileAccess

Points: TypeAlias = NDArray[np.float32]
"""The places of samples in an embedding: samples × 2."""


@dataclass(frozen=True)
class Ranges:
    """Per feature: least and greatest value (NaN where there is none), and the number of NaN cells."""

    minimum: NDArray[Any]
    maximum: NDArray[Any]
    nans: NDArray[Any]


class MatrixStore(Protocol):
    """An open matrix file: labels along both axes, and blocks of cells. Safe to share among threads."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""

    @property
    def features(self) -> Axis:
        """The rows."""

    @property
    def samples(self) -> Axis:
        """The columns."""

    @property
    def units(self) -> tuple[str, ...]:
        """The available units, those of the main matrix first."""

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The names of the embeddings: coordinates of the samples in two dimensions, such as those of UMAP.

        A class without this property and `embedding` has none.
        """

    def embedding(self, name: str) -> Points:
        """Return one of the embeddings, float32 of samples × 2; NaN in both for a sample without a place."""

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return the type of the cells: float32, or float64 where whole numbers need it."""

    def whole(self, units: str) -> bool:
        """Return whether every cell is known to be a whole number (or NaN)."""

    def ranges(self, units: str) -> Ranges | None:
        """Return the stored ranges of the features, or None where the file has none."""

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield consecutive blocks of rows (features × samples) of the selection, None meaning all.

        Positions are ascending, without repeats. Each block is a new C-contiguous array of bounded size.
        """

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the same selection without its zeros; None for every selection, where the layer is stored dense.

        A store that holds bytes of a selection between two blocks says how many, at most, by a method ``held`` of the
        same parameters.
        """


def selected(shape: tuple[int, int], features: Positions | None, samples: Positions | None) -> int:
    """Return how many cells a selection (None: all) has."""
    return (shape[0] if features is None else len(features)) * (shape[1] if samples is None else len(samples))


class StoreClass(Protocol):
    """The class of a store, which an entry point of the group ``rnaget_server.stores`` names."""

    def __call__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> MatrixStore:
        """Open the file within the bounds of `access`; by default, the usual ones.

        Raises
        ------
        OSError
            If the file is missing, truncated or of another kind.
        """

    def recognises(self, path: Path) -> bool:
        """Return whether the file is of this kind."""
