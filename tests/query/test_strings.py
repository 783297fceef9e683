"""Query strings are read and written as urllib.parse does, and millions of signs of any kind cost little."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.query import strings
from rnaget_server.query.strings import by_name, digest, query_pairs, query_string, start_of_query_string
from tests.attack.base import is_within

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
pairs = st.lists(st.tuples(st.sampled_from(["a", "b c", "é"]) | texts, texts), max_size=8)
signs = st.sampled_from(
    ["%", "%4", "%41", "%e2%82%ac", "%e2", "%82", "%zz", "+", "&", "=", "é", "\x80", "a", ";", "\n"]
)


@given(st.lists(signs, max_size=20).map("".join))
def test_a_query_string_is_read_as_by_urllib(query: str) -> None:
    assert query_pairs(query) == parse_qsl(query, keep_blank_values=True)


@given(pairs)
def test_a_query_string_is_written_as_by_urllib(pairs: list[tuple[str, str]]) -> None:
    assert query_string(pairs) == urlencode(pairs)
    assert query_pairs(query_string(pairs)) == pairs


@given(pairs, st.integers(0, 30))
def test_the_start_of_a_query_string_is_that_of_the_whole(pairs: list[tuple[str, str]], most: int) -> None:
    assert start_of_query_string(by_name(pairs), most) == urlencode(sorted(pairs))[:most]


@pytest.mark.parametrize(
    "other",
    [
        {"a": ["x", "y"]},
        {"a": ["x\ny"], "b": []},
        {"a": ["x"], "b": ["y"]},
        {"a": ["xb"], "c": ["y"]},
        {"a": ["x('b', 1, True, 1)y"]},
        {"a": ["['x\\ny']"]},
        {"b": ["x\ny"]},
    ],
)
def test_digests_differ_where_values_do(other: dict[str, list[str]]) -> None:
    assert digest(other) == digest(dict(other)) != digest({"a": ["x\ny"]})


@pytest.mark.parametrize("end", ["", "x", "%", "%e2", "%41", "x%e2%82"])
@pytest.mark.parametrize("before", range(4))
def test_long_rows_of_escapes_are_read_in_pieces(before: int, end: str) -> None:
    """A character in two pieces is whole, and no piece keeps other threads waiting."""
    text = "%41" * before + "%E2%82%AC" * 15_000 + end
    assert query_pairs(f"a={text}") == parse_qsl(f"a={text}", keep_blank_values=True)
    assert max(len("%".join(piece)) for piece in strings._pieces(text)) <= strings._PIECE


@pytest.mark.parametrize("sign", ["%", "%4", "%41", "+", "=", "&", "é", "%e2", "a%41"])
def test_a_long_query_string_costs_little(sign: str) -> None:
    """urllib takes ten seconds for the first of these."""
    began = time.thread_time()
    query_pairs(sign * ((4 << 20) // len(sign)))
    assert is_within(time.thread_time() - began, 3)


def test_values_are_in_order_unless_they_are_very_many() -> None:
    few = [("b", "2"), ("a", "y"), ("b", "1"), ("a", "x")]
    assert by_name(few) == {"a": ["x", "y"], "b": ["1", "2"]} and list(by_name(few)) == ["a", "b"]
    many = [("id", str(number)) for number in range(70_000, 0, -1)]
    assert by_name([*many, *few]) == {"a": ["x", "y"], "b": ["1", "2"], "id": [value for _, value in many]}
    assert digest(by_name(many)) == digest(by_name(list(many))) != digest(by_name(many[::-1]))
