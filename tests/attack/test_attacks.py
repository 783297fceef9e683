"""Every attack in its short form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.base import Attack
from tests.attack.kinds import all_attacks


@pytest.mark.parametrize("attack", all_attacks(), ids=lambda attack: attack.name)
def test_the_server_holds(attack: Attack, tmp_path: Path) -> None:
    assert attack.run(tmp_path, True)
