"""The words of the code: those of the field and of Python, none of a dialect of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted([*(ROOT / "rnaget_server").rglob("*.py"), *(ROOT / "client" / "rnaget").rglob("*.py")])
TOOLS = [path for folder in ("benchmarks", "compliance", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
# As whole identifiers or as one of their parts between underscores.
WORDS = {"told", "beside", "turned", "posted", "freed", "misfits", "grown", "picked", "there", "unchanged_part"}
NAMES = {
    *("Found", "Order", "Chooser", "Candidate", "Ahead", "Remembered", "KeptSummaries", "Services", "PositionsStore"),
    *("TooMuch", "Label", "Later", "Lines", "Told", "in_passing", "pairs_of", "part_of", "wants_part", "served_type"),
}
# In comments, docstrings, messages and the pages of the documentation.
_PROSE = re.compile(
    r"\b(anew|beside|told|tells|lest|ado|nought|whatever|whichever|wherever)\b"
    r"|\b(to be had|hand in hand|for sure|parted by)\b"
    r"|\b(stands?|stood) (twice|more than once|here|in line|in front|behind|first)\b"
    r"|\bturn(s|ed|ing)? (it |them )?round\b",
    re.IGNORECASE,
)
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "openapi").glob("*.yaml"))]
_QUESTION = re.compile(r"(What|Which|Where|Whether|How|Who|When)\b")


def bound_names(parts: list[ast.AST]) -> Iterator[str]:
    """Yield every name that a module binds."""
    for node in parts:
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def modules() -> dict[str, list[ast.AST]]:
    """Every node of each module, by the path of its file."""
    return {str(path.relative_to(ROOT)): nodes(path) for path in MODULES}


def test_words_that_must_not_come_back(modules: dict[str, list[ast.AST]]) -> None:
    found = {(path, name) for path, parts in modules.items() for name in bound_names(parts)}
    assert not {(path, name) for path, name in found if name in NAMES or WORDS & set(name.strip("_").split("_"))}


def test_phrases_that_must_not_come_back() -> None:
    lines = (
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in [*MODULES, *PAGES]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    )
    assert not [line for line in lines if _PROSE.search(line[1])]


def test_docstrings_begin_with_what_a_thing_is_or_does(modules: dict[str, list[ast.AST]]) -> None:
    parts = {**modules, **{str(path.relative_to(ROOT)): nodes(path) for path in TOOLS}}
    texts = (
        (path, ast.get_docstring(node) or "")
        for path, found in parts.items()
        for node in found
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert not [(path, text) for path, text in texts if _QUESTION.match(text)]


def test_modules_and_functions_stay_small(modules: dict[str, list[ast.AST]]) -> None:
    assert not [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    functions = (
        (path, node.name, (node.end_lineno or 0) - node.lineno + 1)
        for path, parts in modules.items()
        for node in parts
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert not [function for function in functions if function[2] > 50]
