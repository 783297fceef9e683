"""The language of queries: what is well formed, and what is refused with its place."""

from __future__ import annotations

import pytest

from rnaget_server.archive.grammar import Comparison, Function, Not, Several, Value, exactly, parse
from rnaget_server.errors import InvalidQuery


def test_forms() -> None:
    assert parse('a="b c"') == Comparison("a", "=", Value("b c", True))
    assert parse(" a >= 2020-01-01 ") == Comparison("a", ">=", Value("2020-01-01", False))
    assert parse("tax_tree(9606)") == Function("tax_tree", (Value("9606", False),))
    found = parse('a=1 OR b=2 AND NOT c="x"')
    assert isinstance(found, Several) and found.word == "OR"
    second = found.conditions[1]
    assert isinstance(second, Several) and second.word == "AND" and isinstance(second.conditions[1], Not)
    grouped = parse("(a=1 or b=2)and(c=3)")
    assert isinstance(grouped, Several) and grouped.word == "AND"


@pytest.mark.parametrize("query", ["order=1", "notes=and", "android=1 AND nothing=2", "a.b-c_d=1", "größe=1"])
def test_names_that_begin_like_words(query: str) -> None:
    parse(query)


@pytest.mark.parametrize(
    "query, place",
    [
        ("", "it ends"),
        ("a", "it ends"),
        ("a=", "it ends"),
        ("(a=1", "it ends"),
        ("a=1 AND", "it ends"),
        ("a=1 b=2", "at character 5"),
        ("=1", "at character 1"),
        ("a==1", "at character 3"),
        ('a="x', "at character 3"),
        ("a=1)", "at character 4"),
        ("a=1; DROP TABLE x", "at character 6"),
        ("NOT " * 500 + "a=1", "nested too deep"),
        ("(" * 200_001, "more than 200,000 characters"),
        (" OR ".join(["a=1"] * 5_001), "more than 5,000 conditions"),
    ],
)
def test_malformed(query: str, place: str) -> None:
    with pytest.raises(InvalidQuery, match=r"^Invalid query: ") as error:
        parse(query)
    assert place in str(error.value)


def test_parentheses_alone_may_be_many() -> None:
    assert parse("(" * 10_000 + "a=1" + ")" * 10_000) == parse("a=1")


@pytest.mark.parametrize("text", ["a*b", "a\\b", "*", "\\*", 'x"y', ""])
def test_exactly(text: str) -> None:
    value = exactly(text)
    assert value.plain == text and not value.is_pattern
