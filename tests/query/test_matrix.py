from __future__ import annotations

import pytest

from rnaget_server.errors import InvalidQuery
from rnaget_server.query import Condition, parse_matrix_query


def parse(*pairs: tuple[str, str]):
    return parse_matrix_query(pairs, ("Tissue",))


def test_lists_are_kept_as_given_and_joined_with_and() -> None:
    query = parse(("sampleIDList", "a,b"), ("sampleIDList", "c"), ("Tissue", "liver"), ("units", "TPM"))
    assert query.samples == ("a,b", "c")
    assert query.filters == {"Tissue": Condition(values=("liver",))}
    assert query.units == "TPM"
    assert query.feature_ids is None


def test_a_parameter_that_starts_with_an_underscore_is_ignored() -> None:
    assert parse(("_", "123"), ("_x", "")).given == ()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("featureIdList", "a"), "did you mean 'featureIDList'?"),
        (("tissue", "liver"), "did you mean 'Tissue'?"),
        (("feature_min_value", "abc"), "must be a number such as 1.5, not 'abc'"),
        (("feature_min_value", "nan"), "must be a number"),
        (("feature_min_value", "1_0"), "must be a number"),
        (("feature_max_value", "-1"), "must not be below 0"),
        (("sampleIDList", ""), "the list sampleIDList is empty"),
        (("featureIDList", " , "), "the list featureIDList is empty"),
        (("Tissue", ""), "the list Tissue is empty"),
        (("units", ""), "units is empty"),
        (("Tissue_min", "old"), "must be a number"),
        (("Tissue_nott", "old"), "did you mean 'Tissue_not'?"),
    ],
)
def test_bad_parameters_are_refused_with_what_to_do(pair: tuple[str, str], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message.replace("?", r"\?")):
        parse(pair)


def test_one_value_given_twice_is_refused() -> None:
    with pytest.raises(InvalidQuery, match="give it once"):
        parse(("units", "TPM"), ("units", "counts"))
    assert parse(("format", "TSV"), ("format", "TSV")).format == "tsv"


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(InvalidQuery, match="swap them"):
        parse(("feature_min_value", "2"), ("feature_max_value", "1"))


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(InvalidQuery) as error:
        parse(("x" * 1000, "a"))
    assert len(str(error.value)) < 500


def test_bounds_and_exclusions_of_a_filter() -> None:
    query = parse(("Tissue_not", "liver,heart"), ("Tissue_min", "-1.5"), ("sampleIDList_not", "a"))
    assert query.filters == {"Tissue": Condition(excluded=("liver,heart",), minimum="-1.5")}
    assert query.not_samples == ("a",)
    with pytest.raises(InvalidQuery, match="or a date such as 2024-05-31"):
        parse(("Tissue_min", "young"))


@pytest.mark.parametrize("spelt", ["tissueLabel", "TISSUELABEL", "Tissue Label", "tissuelabel_not", "Tissue Label_not"])
def test_recommended_names_are_known_however_they_are_spelt(spelt: str) -> None:
    query = parse_matrix_query([(spelt, "liver")], ("TissueLabel",))
    expected = Condition(excluded=("liver",)) if spelt.endswith("_not") else Condition(values=("liver",))
    assert query.filters == {"TissueLabel": expected}


def test_other_names_are_known_only_as_they_are() -> None:
    for filter, spelt in (("sample_ID", "sampleID"), ("Tissue", "tissue"), ("Lab", "lab ")):
        with pytest.raises(InvalidQuery, match="did you mean"):
            parse_matrix_query([(spelt, "x")], (filter,))


def test_a_filter_called_like_the_bound_of_another_is_itself() -> None:
    query = parse_matrix_query([("age_min", "young")], ("age", "age_min"))
    assert query.filters == {"age_min": Condition(values=("young",))}
