"""Cells of a store put into an array, features in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.stores.base import MatrixStore


def place(
    store: MatrixStore,
    units: str,
    features: Positions | None,
    samples: Positions | None,
    to: NDArray[Any],
    rows: Positions | None = None,
) -> None:
    """Put the cells of features (in any order; None: all) and samples into an array.

    Parameters
    ----------
    store, units, features, samples
        The cells.
    to
        Rows × samples.
    rows
        The row of each feature; None if each is in its own.
    """
    order = None
    if features is not None and len(features) and not (np.diff(features) > 0).all():
        order = np.argsort(features)
        features = features[order]
    if order is not None:
        rows = order if rows is None else rows[order]
    at = 0
    for block in store.blocks(units, features, samples):
        stop = at + len(block)
        to[slice(at, stop) if rows is None else rows[at:stop]] = block
        at = stop
    if at != (len(to) if rows is None else len(rows)):
        raise OSError("the cells end before the last row")
