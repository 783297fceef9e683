"""docs/security.md names every attack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.kinds import all_attacks

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [one.name for one in all_attacks()])
def test_attack_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE
