"""The table of parameters: what the queries read, what the replies list, and what no filter may be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import load
from rnaget_server.errors import InvalidQuery
from rnaget_server.query import parse_matrix_query, parse_region_query
from rnaget_server.query.table import OF_MATRICES, OF_TRACKS, RESERVED
from tests.conftest import new_study

VALUES = {
    "compression": "gzip",
    **{"bins": "10", "start": "0", "end": "100", "top": "3", "chr": "chr1", "approximate": "true", "summary": "mean"},
    **{"group_by": "Tissue", "feature_min_value": "1", "feature_max_value": "2"},
}


@pytest.mark.parametrize(("names", "parse"), [(OF_MATRICES, parse_matrix_query), (OF_TRACKS, parse_region_query)])
def test_the_queries_read_every_parameter_of_their_route_and_no_other(names, parse) -> None:
    pairs = [(name, VALUES.get(name, "x")) for name in names]
    query = parse(pairs, ())
    read = [value for value in vars(query).values() if value not in (None, (), False) and value != {}]
    assert len(read) >= len(pairs)
    for name in RESERVED.difference(names):
        with pytest.raises(InvalidQuery, match="there is no query parameter"):
            parse([(name, "x")], ())


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_filter_may_have_the_name_of_a_parameter(tmp_path: Path, name: str) -> None:
    new_study(
        tmp_path,
        "id: s\nexpressions:\n  - {id: m, file: m.h5, units: TPM, feature_id: gene, sample_id: Sample,\n"
        f"     filters: {{{name}: {{attribute: A, axis: sample}}}}}}\n",
    )
    _, problems = load(tmp_path)
    assert [f"the filter name {name!r} is a parameter of the standard" in str(problem) for problem in problems] == [
        True
    ]


def test_the_excluding_parameters_are_among_them() -> None:
    assert {"sampleIDList_not", "featureIDList_not", "featureNameList_not"} <= RESERVED
