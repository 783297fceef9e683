"""The query for a slice of one or several expression matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rnaget_server.errors import InvalidQuery
from rnaget_server.query.conditions import Condition, conditions, parameter_names
from rnaget_server.query.parameters import Parameters

SLICE_PARAMETERS = (
    "sampleIDList",
    "featureIDList",
    "featureNameList",
    "sampleIDList_not",
    "featureIDList_not",
    "featureNameList_not",
    "feature_min_value",
    "feature_max_value",
    "units",
    "format",
)
SEARCH_PARAMETERS = ("projectID", "studyID", "version")


@dataclass(frozen=True)
class MatrixQuery:
    """Which cells of which matrices are asked for; None means no restriction.

    Lists hold the values as given: one may still be several joined by commas, which only the data can tell
    from an id that holds a comma.
    """

    samples: tuple[str, ...] | None = None
    feature_ids: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    not_samples: tuple[str, ...] | None = None
    not_feature_ids: tuple[str, ...] | None = None
    not_feature_names: tuple[str, ...] | None = None
    filters: Mapping[str, Condition] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    units: str | None = None
    format: str | None = None
    project_id: str | None = None
    study_id: str | None = None
    version: str | None = None
    given: tuple[tuple[str, str], ...] = ()


def parse_matrix_query(pairs: Iterable[tuple[str, str]], filters: Iterable[str]) -> MatrixQuery:
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
        If a parameter is unknown, empty, or no number where one is due.
    """
    given = tuple((name, value) for name, value in pairs if not name.startswith("_"))
    filters = tuple(filters)
    parameters = Parameters(given, (*SLICE_PARAMETERS, *SEARCH_PARAMETERS, *parameter_names(filters)))
    minimum = parameters.number("feature_min_value", least=0)
    maximum = parameters.number("feature_max_value", least=0)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise InvalidQuery(f"feature_min_value {minimum:g} is above feature_max_value {maximum:g}: swap them")
    format = parameters.text("format")
    return MatrixQuery(
        samples=parameters.values("sampleIDList"),
        feature_ids=parameters.values("featureIDList"),
        feature_names=parameters.values("featureNameList"),
        not_samples=parameters.values("sampleIDList_not"),
        not_feature_ids=parameters.values("featureIDList_not"),
        not_feature_names=parameters.values("featureNameList_not"),
        filters=conditions(parameters, filters),
        minimum=minimum,
        maximum=maximum,
        units=parameters.text("units"),
        format=format and format.lower(),
        project_id=parameters.text("projectID"),
        study_id=parameters.text("studyID"),
        version=parameters.text("version"),
        given=given,
    )
