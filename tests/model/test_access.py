"""The levels of access, and the principals that each of them admits."""

from __future__ import annotations

import pytest

from rnaget_server.model.access import PUBLIC, Access, SampleAccess, SampleRule
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal

REGISTERED = Access("registered")
CONTROLLED = Access("controlled", frozenset(("a", "b")))


@pytest.mark.parametrize(
    ("principal", "admitted"),
    [
        (ANYONE, [PUBLIC]),
        (Principal("somebody"), [PUBLIC, REGISTERED]),
        (Principal("somebody", frozenset("c")), [PUBLIC, REGISTERED]),
        (Principal("somebody", frozenset("bc")), [PUBLIC, REGISTERED, CONTROLLED]),
        (Principal(None, frozenset("a")), [PUBLIC]),
        (OPERATOR, [PUBLIC, REGISTERED, CONTROLLED]),
    ],
)
def test_levels(principal: Principal, admitted: list[Access]) -> None:
    assert [access for access in (PUBLIC, REGISTERED, CONTROLLED) if access.admits(principal)] == admitted


def test_the_text_of_rules_has_one_order() -> None:
    where = {"b": frozenset("zyx"), "a": frozenset("mn")}
    access = SampleAccess((SampleRule(where, Access("controlled", frozenset("kji"))),), "omit")
    condition = "(('a', ('m', 'n')), ('b', ('x', 'y', 'z')))"
    rule = f"SampleRule({condition}, Access('controlled', ['i', 'j', 'k']))"
    assert repr(access) == f"SampleAccess(rules=({rule},), others_see='omit')"
