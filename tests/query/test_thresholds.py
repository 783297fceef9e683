from __future__ import annotations

import pytest

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.lists import SEPARATOR
from rnaget_server.query import parse_matrix_query
from rnaget_server.query.matrix import MatrixQuery
from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.query.thresholds import Thresholds


def parse(*pairs: tuple[str, str]) -> MatrixQuery:
    return parse_matrix_query(pairs, ("Tissue",))


def test_a_number_is_for_all_features_and_an_object_for_those_in_it() -> None:
    query = parse(("feature_min_value", "0.5"), ("feature_max_value", ' {"ENSG2": 0.5, "β, x": -3e2} '))
    assert query.minimum == Thresholds(of_all=0.5)
    assert query.maximum == Thresholds(of_each={"ENSG2": 0.5, "β, x": -300.0})
    assert parse() == MatrixQuery()
    assert not query.minimum.of_each and query.minimum and not MatrixQuery().minimum


def test_objects_stand_in_one_form_among_the_parameters() -> None:
    texts = ['{"b": 5.0,\n "a":0.50}', '{"a":0.5,"b":5}']
    queries = [parse(("featureIDList", "a"), ("feature_min_value", text)) for text in texts]
    assert queries[0] == queries[1]
    assert queries[0].given == (("featureIDList", "a"), ("feature_min_value", '{"a":0.5,"b":5}'))
    again = parse(*queries[0].given)
    assert again == queries[0]
    assert parse(("feature_min_value", '{"β":1}')).given[0][1].isascii()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON object"),
        ('{"a": 1', "is no JSON object"),
        ('{"a": 1} x', "is no JSON object"),
        ("{" * 100_000, "is no JSON object"),
        ('{"a":' * 100_000, "is no JSON object"),
        ("{}", "is an empty object"),
        ('{"a": "1"}', "must give 'a' a number"),
        ('{"a": true}', "must give 'a' a number"),
        ('{"a": null}', "must give 'a' a number"),
        ('{"a": NaN}', "must give 'a' a number"),
        ('{"a": -Infinity}', "must give 'a' a number"),
        ('{"a": 1e999}', "must give 'a' a number"),
        ('{"a": ' + "9" * 5000 + "}", "must give 'a' a number"),
        ('{"a": {"b": 1}}', "must give 'a' a number"),
        ('{"a": [1]}', "must give 'a' a number"),
        ('{"a": 1, "a": 2}', "the feature 'a' has two thresholds"),
        ('{" ": 1}', "a number for no feature"),
        ('{"\\ud800": 1}', "a number for no feature"),
    ],
)
def test_what_is_no_object_of_numbers_is_refused(text: str, message: str) -> None:
    for name in ("feature_min_value", "feature_max_value"):
        with pytest.raises(InvalidQuery) as error:
            parse((name, text))
        assert message in str(error.value)
        assert len(str(error.value)) < 300


def test_a_number_and_an_object_cannot_come_together() -> None:
    with pytest.raises(InvalidQuery, match="give it once"):
        parse(("feature_min_value", "1"), ("feature_min_value", '{"a": 1}'))


def test_thresholds_of_one_feature_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InvalidQuery, match="'a' is above its feature_max_value 1: swap them"):
        parse(("feature_min_value", '{"a": 2, "b": 0}'), ("feature_max_value", '{"a": 1, "b": 1}'))
    assert parse(("feature_min_value", '{"a": 2}'), ("feature_max_value", '{"b": 1}')).minimum.of_each == {"a": 2}


@pytest.mark.parametrize("summary", MATRIX_SUMMARIES)
def test_summaries(summary: str) -> None:
    query = parse(("group_by", "Tissue"), ("summary", summary))
    assert (query.group_by, query.summaries) == ("Tissue", (summary,))


def test_the_summary_is_the_mean_unless_another_is_named() -> None:
    assert parse(("group_by", "Tissue")).summaries == ("mean",)


@pytest.mark.parametrize(
    "pairs",
    [
        [("summary", "q3,median,n")],
        [("summary", " q3, median ,n,median")],
        [("summary", f"q3{SEPARATOR}median{SEPARATOR}n")],
        [("summary", "q3"), ("summary", "median"), ("summary", "n")],
    ],
)
def test_several_summaries_are_in_the_order_of_the_query_and_written_in_one_way(pairs: list[tuple[str, str]]) -> None:
    query = parse(("group_by", "Tissue"), *pairs)
    assert query.summaries == ("q3", "median", "n")
    assert query.given == (("group_by", "Tissue"), ("summary", "q3,median,n"))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("summary", "mean")], "add group_by"),
        ([("group_by", "Tissue"), ("summary", "average")], f"one of {', '.join(MATRIX_SUMMARIES)}, not 'average'"),
        ([("group_by", "Tissue"), ("summary", "q1,medain")], "not 'medain': did you mean 'median'?"),
        ([("group_by", "Tissue"), ("summary", "q1,,q3")], "not ''"),
        ([("group_by", "Tissue"), ("summary", " ")], "summary is empty"),
        ([("group_by", "")], "group_by is empty"),
        ([("group_by", "Tissue"), ("group_by", "Age")], "give it once"),
        ([("top", "0")], "must be from 1 to 10000"),
        ([("top", "10001")], "must be from 1 to 10000"),
        ([("top", "1.5")], "must be a whole number"),
        ([("top", "-1")], "must be from 1 to 10000"),
    ],
)
def test_refusals(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidQuery) as error:
        parse(*pairs)
    assert message in str(error.value)


def test_top() -> None:
    assert [parse(("top", text)).top for text in ("1", "10000")] == [1, 10_000]
