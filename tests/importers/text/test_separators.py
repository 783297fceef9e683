"""Marks that could separate fields, and stand within quoted text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importers.conftest import Workshop

Write = Callable[..., Path]


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("header", [True, False])
def test_a_mark_in_quotes_does_not_separate_where_blanks_do(
    workshop: Workshop, write: Write, mark: str, header: bool
) -> None:
    first = f'gene "kind{mark} or not" s1\n' if header else ""
    workshop.run(write(f'{first}5 "a{mark} b" 1.5\n7 "c{mark} d" 2\n', "m.txt"), header=header, label_columns=2)
    assert workshop.frame().iloc[:, 0].to_dict() == {"5": 1.5, "7": 2}
    features = workshop.store().features
    name = f"kind{mark} or not" if header else "column_2"
    assert features.column(name).tolist() == [f"a{mark} b", f"c{mark} d"]


def test_a_mark_in_some_rows_alone(workshop: Workshop, write: Write) -> None:
    workshop.run(write('"s1" "s2"\n"G, 1" 1.5 2\n"G2" 3 4\n', "m.csv"))
    assert workshop.frame().to_dict() == {"s1": {"G, 1": 1.5, "G2": 3}, "s2": {"G, 1": 2, "G2": 4}}


def test_blanks_in_quoted_fields_between_commas_do_not_separate(workshop: Workshop, write: Write) -> None:
    workshop.run(write('gene,kind,s1\n5,"a b",1\n6,"a, b",2\n', "m.txt"))
    assert workshop.frame()["s1"].to_dict() == {"5": 1, "6": 2}
    assert workshop.store().features.column("kind").tolist() == ["a b", "a, b"]
