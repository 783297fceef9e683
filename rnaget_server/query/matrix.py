"""The query for a slice of one or several expression matrices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from rnaget_server.errors import InvalidQuery
from rnaget_server.query.conditions import Condition, conditions
from rnaget_server.query.parameters import Parameters
from rnaget_server.query.table import COMPRESSIONS, MATRIX_SUMMARIES, OF_MATRICES
from rnaget_server.query.thresholds import Thresholds, canonical_text, check_order, read_thresholds

_MAX_TOP = 10_000
_DEFAULT = ("mean",)
_NO_BOUND = Thresholds()
_KNOWN = frozenset(OF_MATRICES)
_LISTS = {
    "samples": "sampleIDList",
    "feature_ids": "featureIDList",
    "feature_names": "featureNameList",
    "not_samples": "sampleIDList_not",
    "not_feature_ids": "featureIDList_not",
    "not_feature_names": "featureNameList_not",
}
_TEXTS = {
    "format": "format",
    "compression": "compression",
    "units": "units",
    "project_id": "projectID",
    "study_id": "studyID",
    "version": "version",
}


@dataclass(frozen=True)
class MatrixQuery:
    """A request for cells of matrices; None means no restriction.

    Lists hold the values as given: one may still be several joined by commas, which only the data distinguish
    from an id that holds a comma; see `rnaget_server.model.lists`.
    """

    samples: tuple[str, ...] | None = None
    feature_ids: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    not_samples: tuple[str, ...] | None = None
    not_feature_ids: tuple[str, ...] | None = None
    not_feature_names: tuple[str, ...] | None = None
    filters: Mapping[str, Condition] = field(default_factory=dict)
    minimum: Thresholds = field(default_factory=Thresholds)
    maximum: Thresholds = field(default_factory=Thresholds)
    group_by: str | None = None
    summaries: tuple[str, ...] = ("mean",)
    top: int | None = None
    units: str | None = None
    format: str | None = None
    compression: str | None = None
    project_id: str | None = None
    study_id: str | None = None
    version: str | None = None
    given: tuple[tuple[str, str], ...] = ()

    has_bounds: bool = field(init=False, repr=False)
    """True if the cells of some features must lie within bounds."""

    def __post_init__(self) -> None:
        """Find out whether there are bounds, which is asked several times."""
        bounds = (self.minimum, self.maximum)
        found = any(bound.of_all is not None or len(bound.of_each) > 0 for bound in bounds)
        object.__setattr__(self, "has_bounds", found)


def parse_matrix_query(pairs: Iterable[tuple[str, str]], filters: Collection[str]) -> MatrixQuery:
    """Return the query in the parameters of a request.

    Parameters
    ----------
    pairs
        Names and values in the order of the request.
    filters
        Public names of the metadata filters that some matrix has.

    Raises
    ------
    InvalidQuery
        If a parameter is unknown, empty, or no number where one is due; or if there are summaries of no groups.
    """
    parameters = Parameters(pairs, OF_MATRICES, filters, of_slice=True)
    minimum, maximum = _bounds(parameters)
    group_by, summaries = _grouping(parameters)
    fields = parameters.fields(_LISTS, _TEXTS)
    if "compression" in fields:
        parameters.choice("compression", COMPRESSIONS)
    if "format" in fields:
        fields["format"] = fields["format"].lower()
    return MatrixQuery(
        **fields,
        filters=conditions(parameters, filters) if parameters.names - _KNOWN else {},
        minimum=minimum,
        maximum=maximum,
        group_by=group_by,
        summaries=summaries,
        top=parameters.whole_number("top", 1, _MAX_TOP) if "top" in parameters.names else None,
        given=_with_canonical(
            parameters.given, {"feature_min_value": minimum, "feature_max_value": maximum}, summaries
        ),
    )


def _bounds(parameters: Parameters) -> tuple[Thresholds, Thresholds]:
    names = ("feature_min_value", "feature_max_value")
    if parameters.names.isdisjoint(names):
        return _NO_BOUND, _NO_BOUND
    minimum, maximum = (read_thresholds(parameters, name) for name in names)
    check_order(minimum, maximum)
    return minimum, maximum


def _grouping(parameters: Parameters) -> tuple[str | None, tuple[str, ...]]:
    if parameters.names.isdisjoint(("group_by", "summary")):
        return None, _DEFAULT
    group_by, summaries = parameters.text("group_by"), parameters.choices("summary", MATRIX_SUMMARIES)
    if summaries is not None and group_by is None:
        raise InvalidQuery("summary says how groups of samples are summarised: add group_by, or leave it out")
    return group_by, summaries or _DEFAULT


def _with_canonical(
    given: tuple[tuple[str, str], ...], thresholds: Mapping[str, Thresholds], summaries: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return the parameters with what can be written in several ways in one form.

    Thresholds of single features, and several summaries, whose order is that of the columns.
    """
    texts = {name: canonical_text(bound) for name, bound in thresholds.items() if bound.of_each}
    if texts:
        given = tuple((name, texts.get(name, value)) for name, value in given)
    if len(summaries) > 1:
        given = (*(pair for pair in given if pair[0] != "summary"), ("summary", ",".join(summaries)))
    return given
