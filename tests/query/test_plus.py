"""A plus sign in a query string is a space, and the error says how to write a plus sign."""

from __future__ import annotations

import pytest

from rnaget_server.errors import InvalidQuery
from rnaget_server.query.plus import refuse_blanks, with_hint
from rnaget_server.query.strings import query_pairs


@pytest.mark.parametrize("query", ["strand=+", "strand=+&strand=-", "strand=+,-", "a=1&strand=-,+", "strand=++"])
def test_blank_values_are_refused(query: str) -> None:
    with pytest.raises(InvalidQuery, match=r"strand has a blank value; .*%2B"):
        refuse_blanks(query.encode(), query_pairs(query))


@pytest.mark.parametrize("query", ["strand=%2B", "a=x+y", "a=x,+y", "strand=", "_=+", "a=%20", "", "a=1,,2"])
def test_other_values_are_not(query: str) -> None:
    refuse_blanks(query.encode(), query_pairs(query))


@pytest.mark.parametrize(
    ("query", "message", "hinted"),
    [
        ("cell=CD4+", "nothing here has the cell 'CD4 ': check the spelling", True),
        ("cell=a,CD4+x", "nothing here has the cell 'a', 'CD4 x': did you mean 'CD4+x' for 'CD4 x'?", True),
        ("Tissue=lung+cancr", "nothing here has the Tissue 'lung cancr': did you mean 'lung cancer'?", False),
        ("cell=CD4%2B", "nothing here has the cell 'CD4+': check the spelling", False),
        ("Tissue=a+b&units=x", "m has no units 'x': it has TPM", False),
    ],
)
def test_messages_have_a_hint_where_a_plus_sign_may_have_been_meant(query: str, message: str, hinted: bool) -> None:
    assert ("%2B" in with_hint(query.encode(), message)) is hinted
    assert with_hint(query.encode(), message).startswith(message)
