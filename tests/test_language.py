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


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that a module binds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_words_that_must_not_come_back(path: Path) -> None:
    for name in bound_names(ast.parse(path.read_text(encoding="utf-8"))):
        assert name not in NAMES and not WORDS & set(name.strip("_").split("_")), name


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_phrases_that_must_not_come_back(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [f"{number}: {line}" for number, line in enumerate(lines, 1) if _PROSE.search(line)]


@pytest.mark.parametrize("path", [*MODULES, *TOOLS], ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_what_a_thing_is_or_does(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            assert not _QUESTION.match(text), text.splitlines()[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, node.name
