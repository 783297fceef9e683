"""One place decides what is too large."""

from __future__ import annotations

import pytest

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.limits import MAX_VALUES, Limits, check_values
from tests.conftest import ROOT

DECIDES = {"model/limits.py"}
# What one cookie can hold.
SESSIONS = {"http/auth/sessions.py"}
# What a format cannot hold, however large a reply may be, is for its writer to say.
FORMATS = {"writers/tables.py", "writers/parquet.py", "writers/excel.py"}


def suggest(cells: int) -> str:
    return f"{cells} cells"


def test_nothing_else_refuses_for_size() -> None:
    package = ROOT / "rnaget_server"
    refusing = {
        str(path.relative_to(package)) for path in package.rglob("*.py") if "ResultTooLarge(" in path.read_text()
    }
    assert refusing - {"errors.py"} == DECIDES | FORMATS | SESSIONS


def test_zero_is_no_limit() -> None:
    none = Limits()
    none.check_cells((10**6, 10**6), "samples", suggest)
    none.check_columns(10**9, 10**3, suggest)
    none.check_reply(10**12, 10**9, suggest)
    assert none.max_columns(7) is None and not none.exceeds_reply(10**12)


@pytest.mark.parametrize(("features", "samples"), [(10, 11), (101, 1), (1, 101)])
def test_cells(features: int, samples: int) -> None:
    limits = Limits(cells=100)
    limits.check_cells((10, 10), "samples", suggest)
    with pytest.raises(ResultTooLarge, match=r"more than the 100 cells .*: 100 cells"):
        limits.check_cells((features, samples), "samples", suggest)


def test_columns_of_tracks_are_bounded_by_positions_and_by_cells() -> None:
    assert Limits(positions=50).max_columns(3) == 50
    assert Limits(cells=100, positions=50).max_columns(3) == 33
    assert Limits(cells=1000, positions=50).max_columns(3) == 50
    Limits(cells=100).check_columns(33, 3, suggest)
    with pytest.raises(ResultTooLarge, match=r"at most 33.*: 99 cells"):
        Limits(cells=100).check_columns(34, 3, suggest)


def test_bytes_of_replies_and_bodies() -> None:
    limits = Limits(reply_bytes=1000, body_bytes=10)
    limits.check_reply(1000, 100, suggest)
    limits.check_reply(None, 10**9, suggest)
    with pytest.raises(ResultTooLarge, match=r"the reply has 2,000 bytes, .* at most 1,000 at once: 25 cells"):
        limits.check_reply(2000, 100, suggest)
    limits.check_body(10)
    with pytest.raises(ResultTooLarge, match="longer than 10 bytes"):
        limits.check_body(11)


def test_values() -> None:
    check_values(MAX_VALUES)
    with pytest.raises(ResultTooLarge, match="more than 1,100,000 values"):
        check_values(MAX_VALUES + 1)
