"""No secret is compared by a function whose time says how many of its letters are right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SECRETS = {
    *("token", "bearer", "secret", "client_secret", "password", "sha256", "signature", "signatures", "nonce"),
    *("verifier", "cookie", "_hash", "_signature", "_NOBODYS"),
}
OPERATORS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
# Not of secrets, but of what a text is, of the length of one, or of what is missing.
HARMLESS = (ast.Constant, ast.Set, ast.Tuple)


def names_in(node: ast.AST) -> Iterator[str]:
    """Yield the names of values, but not of what a value is an attribute of."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    else:
        for part in ast.iter_child_nodes(node):
            yield from names_in(part)


def comparisons(path: Path) -> Iterator[str]:
    """Yield the comparisons of secrets by operators, and their beginnings or ends."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(operator, OPERATORS) for operator in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, HARMLESS) or ast.unparse(side).startswith("len(") for side in sides):
                continue
            if SECRETS.intersection(name for side in sides for name in names_in(side)):
                yield f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def test_secrets_are_compared_in_constant_time() -> None:
    """By reading: on a busy machine, a measured time would show nothing."""
    modules = [
        path for part in ("http", "delivery", "apis", "pages") for path in (ROOT / "rnaget_server" / part).rglob("*.py")
    ]
    found = [line for path in modules for line in comparisons(path)]
    assert not found


@pytest.mark.parametrize(
    ("module", "count"),
    [("http/auth/token_file.py", 1), ("http/auth/browser.py", 2), ("delivery/tickets.py", 1)],
)
def test_where_secrets_are_compared(module: str, count: int) -> None:
    """Those of this server, of tickets and of a sign-in that has begun; cookies are compared by their library."""
    text = (ROOT / "rnaget_server" / module).read_text(encoding="utf-8")
    assert text.count("hmac.compare_digest(") == count


def test_the_reader_finds_what_it_looks_for(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "if _hash(token) == record.sha256: pass\nif given in self.tokens_of(token): pass\nif token == '': pass\n"
    )
    assert [line.partition(": ")[0] for line in comparisons(wrong)] == ["wrong.py:1", "wrong.py:2"]
