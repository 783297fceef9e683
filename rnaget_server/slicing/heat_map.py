"""Some genes in groups of samples, scaled and in the order of a clustering: the values of a heat map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.model.columns import as_texts
from rnaget_server.model.limits import MAX_HEAT_MAP, check_heat_map_columns
from rnaget_server.model.observation import stage
from rnaget_server.query import MatrixQuery
from rnaget_server.slicing.clustering import clustered
from rnaget_server.slicing.gene_list import ListedGene
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.slicing.summaries import group_attribute, group_names
from rnaget_server.stores.base import MatrixStore

Scale = Literal["log", "linear", "zscore"]
Cluster = Literal["both", "genes", "groups", "none"]
SCALES: Sequence[Scale] = get_args(Scale)
CLUSTERS: Sequence[Cluster] = get_args(Cluster)

_FEWEST_GROUPS = 2


@dataclass(frozen=True)
class Grouped:
    """The groups of a heat map: by which attribute, and how their samples become one value.

    Attributes
    ----------
    attribute
        An attribute or a filter of samples; the id of samples, for a column for each sample.
    summary
        ``median`` or another of the summaries of matrices.
    """

    attribute: str
    summary: str


@dataclass(frozen=True)
class HeatMap:
    """Genes × groups in the order in which they are drawn.

    Attributes
    ----------
    genes
        The rows.
    groups
        The columns.
    sizes
        How many samples each group has.
    values
        The cells: summaries in the units of the matrix.
    shown
        The same scaled.
    scale
        How they are scaled: linear in place of log where there are negative values.
    logged
        Whether `shown` is of logarithms.
    ungrouped
        How many samples belong to no group.
    """

    genes: tuple[ListedGene, ...]
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    values: NDArray[Any]
    shown: NDArray[np.float32]
    scale: Scale
    logged: bool
    ungrouped: int


def are_logarithms(units: str) -> bool:
    """Return whether values in some units are logarithms by their name."""
    return "log" in units.lower()


def default_scale(matrix: Matrix) -> Scale:
    """Return how the values of a matrix are scaled where nobody says."""
    return "linear" if are_logarithms(matrix.units) else "log"


def default_group(matrix: Matrix, store: MatrixStore) -> str:
    """Return by what samples are grouped where nobody says: the first filter with a few values, else one by one."""
    for filter in matrix.filters.values():
        if filter.axis == "sample" and filter.attribute != matrix.sample_id:
            values = store.samples.values(filter.attribute, MAX_HEAT_MAP)
            if values is not None and _FEWEST_GROUPS <= len(values) < store.samples.size:
                return filter.name
    return matrix.sample_id


def groupings(matrix: Matrix, store: MatrixStore) -> list[str]:
    """Return the names by which samples can be grouped, one for each attribute, the id of samples first."""
    return list(_grouping_names(matrix, store).values())


def grouping_name(name: str, matrix: Matrix, store: MatrixStore) -> str:
    """Return the one of `groupings` that a name means, or the name itself if it means none."""
    return _grouping_names(matrix, store).get(group_attribute(name, matrix, store) or "", name)


def _grouping_names(matrix: Matrix, store: MatrixStore) -> dict[str, str]:
    """Return the name for each attribute: that of a filter where it has one."""
    by_attribute = {attribute: name for name, attribute in group_names(matrix, store).items()}
    return {matrix.sample_id: matrix.sample_id} | {
        attribute: name for attribute, name in by_attribute.items() if attribute != matrix.sample_id
    }


def heat_map(
    view: View,
    matrix: Matrix,
    genes: Sequence[ListedGene],
    grouped: Grouped,
    scale: Scale,
    cluster: Cluster,
    count: Callable[[int], None],
) -> HeatMap:
    """Return the heat map of some genes of a matrix; `count` is called with the number of its cells first.

    Raises
    ------
    InvalidQuery, UnknownId
        If the samples cannot be grouped so.
    ResultTooLarge
        If there are more than 500 groups.
    Unavailable
        If the file cannot be read.
    """
    is_grouped = grouped.attribute != matrix.sample_id
    by, ids = grouped.attribute if is_grouped else None, tuple(gene.id for gene in genes)
    query = MatrixQuery(feature_ids=ids, group_by=by, summaries=(grouped.summary,), units=matrix.units)
    with stage("select"):
        resolved = slice_by_id(view, matrix.id, query)
    slice = resolved.slice
    check_heat_map_columns(slice.shape[1], resolved.columns)
    count(slice.shape[0] * slice.shape[1])
    rows = {id: row for row, id in enumerate(as_texts(slice.features.column(slice.features.id)))}
    cells = np.concatenate(list(slice.layers[0].blocks()))
    values = cells[[rows[gene.id] for gene in genes]]
    shown, scale, logged = _scaled(values.astype(np.float64), scale, matrix.units)
    down, across = _order(shown, cluster)
    names = as_texts(slice.samples.column(slice.samples.id))
    sizes = slice.samples.column(slice.samples.attributes[1]).tolist() if is_grouped else [1] * len(names)
    return HeatMap(
        tuple(genes[row] for row in down),
        tuple(names[column] for column in across),
        tuple(sizes[column] for column in across),
        values[np.ix_(down, across)],
        shown[np.ix_(down, across)].astype(np.float32),
        scale,
        logged,
        resolved.ungrouped,
    )


def _scaled(values: NDArray[np.float64], scale: Scale, units: str) -> tuple[NDArray[Any], Scale, bool]:
    """Return the values as they are shown, how, and whether they are logarithms: log2(value + 1), of none below 0.

    Z-scores are those of logarithms, unless the values are such already.
    """
    logged = scale == "log" or (scale == "zscore" and not are_logarithms(units))
    logged = logged and not (values < 0).any()
    shown = np.log2(values + 1) if logged else values
    if scale == "zscore":
        return _z_scores(shown), scale, logged
    return shown, "log" if logged else "linear", logged


def _z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many standard deviations (ddof 1) of its row each value lies above its mean; 0 where all are equal.

    What is no finite number stays as it is, and counts for nothing.
    """
    finite = np.isfinite(values)
    count = finite.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        distance = values - values.sum(axis=1, keepdims=True, where=finite) / count
        deviation = np.sqrt((distance**2).sum(axis=1, keepdims=True, where=finite) / (count - 1))
        return np.where(finite & ~(deviation > 0), 0.0, distance / deviation)


def _order(shown: NDArray[np.float64], cluster: Cluster) -> tuple[list[int], list[int]]:
    rows, columns = list(range(shown.shape[0])), list(range(shown.shape[1]))
    if cluster != "none":
        down, across = clustered(shown)
        rows = rows if cluster == "groups" else down
        columns = columns if cluster == "genes" else across
    return rows, columns
