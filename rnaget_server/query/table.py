"""The one table of the parameters that RNAget and this server give a meaning to.

The queries, the names that filters of a catalogue must not have, and the replies of the ``…/filters`` routes derive
from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["feature", "sample"]

MATRIX_SUMMARIES = ("mean", "median", "q1", "q3", "min", "max", "std", "sum", "fraction", "fraction_nonzero", "n")
BIN_SUMMARIES = ("mean", "min", "max", "coverage")


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter that the replies of ``…/filters`` list.

    Attributes
    ----------
    name
        Its public name.
    description
        Its words there.
    kind
        The type of its values.
    axis
        The axis of a matrix that it selects.
    values
        The values it may have, if they are few.
    """

    name: str
    description: str
    kind: Literal["string", "integer", "float"] = "string"
    axis: Axis | None = None
    values: tuple[str, ...] = ()


LISTED_OF_MATRICES = (
    ParameterSpec("featureIDList", "ids of features, separated by commas or repeated", axis="feature"),
    ParameterSpec("featureNameList", "names of features, separated by commas or repeated", axis="feature"),
    ParameterSpec(
        "feature_min_value", "keeps features whose selected values all are at least this", "float", "feature"
    ),
    ParameterSpec("feature_max_value", "keeps features whose selected values all are at most this", "float", "feature"),
    ParameterSpec(
        "top", "keeps features that are among this many highest of some sample or group", "integer", "feature"
    ),
    ParameterSpec("sampleIDList", "ids of samples, separated by commas or repeated", axis="sample"),
    ParameterSpec("group_by", "attribute of samples by which they are grouped, a column for each group", axis="sample"),
    ParameterSpec(
        "summary",
        "how the values of a group become one, or several such, separated by commas, for a column of each",
        axis="sample",
        values=MATRIX_SUMMARIES,
    ),
)
LISTED_OF_TRACKS = (
    ParameterSpec("sampleIDList", "samples whose tracks to return, separated by commas or repeated"),
    ParameterSpec("chr", "chromosome of the range"),
    ParameterSpec("start", "first base of the range, 0-based", "integer"),
    ParameterSpec("end", "end of the range, 0-based, not part of it", "integer"),
    ParameterSpec("bins", "number of columns to summarise the range in, instead of one for each base", "integer"),
    ParameterSpec("summary", "how bins are summarised", values=BIN_SUMMARIES),
    ParameterSpec("approximate", "whether bins may come from the zoom levels of the files", values=("true", "false")),
)

SEARCH_PARAMETERS = ("projectID", "studyID", "version")
"""The parameters by which a search names matrices and sets of tracks."""

COMPRESSIONS = ("gzip", "none")
"""The ways in which the arrays of some formats are compressed."""

OF_FORMAT = ("format", "compression")
"""The parameters that say how the cells are written, and not which."""

_COMMON = ("sampleIDList_not", "units", *OF_FORMAT, *SEARCH_PARAMETERS)

OF_MATRICES = (*(spec.name for spec in LISTED_OF_MATRICES), "featureIDList_not", "featureNameList_not", *_COMMON)
"""The parameters of slices of matrices, without those of the filters."""

OF_TRACKS = (*(spec.name for spec in LISTED_OF_TRACKS), *_COMMON)
"""The parameters of ranges of tracks, without those of the filters."""

RESERVED = frozenset((*OF_MATRICES, *OF_TRACKS, "name", "tags", "type", "offset", "limit", "download", "search"))
"""The names that a filter of a catalogue must not have."""

SLOW_PARAMETERS = frozenset({"top", "group_by", "feature_min_value", "feature_max_value", "bins"})
"""The parameters by which the cells of very many features are read before a reply begins."""
