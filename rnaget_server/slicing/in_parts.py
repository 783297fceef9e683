"""Summaries of large matrices cut into ranges of features, on which the workers of a cluster work.

A worker opens the file itself. It is told by numbers which cells to read, which is decided here. Since the summaries of
a feature are the same in any part of a matrix, the parts in their order are what one process makes of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute import Compute
from rnaget_server.datasets.portable import PortableMatrix, pack, portable, unpack
from rnaget_server.model.axis import Positions
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.slicing.candidates import MatrixSelection
from rnaget_server.slicing.summaries.grouping import Grouping, gathered, summarised_blocks
from rnaget_server.storage.access import FileLimits

LEAST_CELLS = 1 << 28
"""Cells of which the summaries are made in this process: workers would not be done much sooner."""

PART_CELLS = 1 << 26
"""Cells of a part."""

_SPARSE = 10
_RESULT_BYTES = 4 << 20


@dataclass(frozen=True)
class _Plan:
    """The part of the work that is common to all ranges of features of one layer."""

    matrix: PortableMatrix
    units: str
    samples: bytes | None
    grouping: Grouping
    summaries: tuple[str, ...]
    dtype: np.dtype[Any]


def in_parts(
    compute: Compute,
    limits: FileLimits,
    selected: MatrixSelection,
    summarised: Slice,
    grouping: Grouping,
    summaries: Sequence[str],
) -> Slice:
    """Return the summaries of one matrix as made by the workers of a cluster, if there is one and they are large.

    Parameters
    ----------
    compute
        What works on the parts.
    limits
        The bounds within which files are read.
    selected
        The matrix, and what is selected of it.
    summarised
        Its summaries, as made in this process.
    grouping
        The groups of the selected samples.
    summaries
        Which summaries of each group there are.
    """
    if compute.is_local:
        return summarised

    def layer(of: LayerInfo) -> LayerInfo:
        features, samples = selected.shape
        width = max(1, samples // (1 if selected.store.sparse(of.units) is None else _SPARSE))
        if features * width < LEAST_CELLS:
            return of
        row_bytes = len(grouping.values) * len(summaries) * of.dtype.itemsize
        height = max(1, min(PART_CELLS // width, _RESULT_BYTES // row_bytes))

        def blocks() -> Iterator[NDArray[Any]]:
            plan = _Plan(
                portable(selected.matrix, selected.store, limits),
                of.units,
                pack(selected.selection.samples, selected.store.shape[1]),
                grouping,
                tuple(summaries),
                of.dtype,
            )
            with closing(compute.map(partial(_summarised_part, plan), _parts(selected, height))) as results:
                for result in results:
                    selected.store.cancellation.check()
                    yield result

        return replace(of, blocks=lambda: gathered(blocks()))

    return replace(summarised, layers=tuple(layer(of) for of in summarised.layers))


def _parts(selected: MatrixSelection, height: int) -> Iterator[bytes]:
    """Yield the features of each part."""
    size = selected.store.shape[0]
    features: Positions = np.arange(size) if selected.selection.features is None else selected.selection.features
    for start in range(0, len(features), height):
        yield pack(features[start : start + height], size) or b""


def _summarised_part(plan: _Plan, features: bytes) -> NDArray[Any]:
    """Return the summaries of some features; called on a worker."""
    store = plan.matrix.open()
    rows, columns = store.shape
    layer = store.layer(plan.units, unpack(features, rows), unpack(plan.samples, columns))
    return np.concatenate(list(summarised_blocks(layer, plan.grouping, plan.summaries, plan.dtype)))
