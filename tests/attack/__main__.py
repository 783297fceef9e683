"""Run every attack against real servers on the loopback interface, and print what was tried and what came."""

from __future__ import annotations

import sys
import tempfile
import textwrap
import time
from pathlib import Path

from tests.attack.base import Attack
from tests.attack.kinds import all_attacks

_LONGEST = 600
_KIND, _TRIED, _CAME = 18, 44, 60


def main(names: list[str]) -> int:
    """Run the attacks whose kind or name has one of `names` in it (all by default); return 1 if any was missed."""
    chosen = [one for one in all_attacks() if not names or any(name in f"{one.kind} {one.name}" for name in names)]
    began = time.monotonic()
    missed = 0
    _print_row("kind", "tried", "what came", "", 0.0)
    for one in chosen:
        start = time.monotonic()
        came, held = _run(one)
        missed += not held
        _print_row(one.kind, one.tried, came, "pass" if held else "MISS", time.monotonic() - start)
    print(f"{len(chosen) - missed} passed, {missed} failed, in {time.monotonic() - began:.0f} s")
    return int(missed > 0)


def _run(one: Attack) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory(prefix="attack-") as directory:
        try:
            return one.run(Path(directory), False), True
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:_LONGEST], False


def _print_row(kind: str, tried: str, came: str, verdict: str, seconds: float) -> None:
    cells = [textwrap.wrap(text, width) or [""] for text, width in ((kind, _KIND), (tried, _TRIED), (came, _CAME))]
    for line in range(max(map(len, cells))):
        kind, tried, came = (cell[line] if line < len(cell) else "" for cell in cells)
        last = f"{verdict}  {seconds:5.1f} s" if line == 0 and verdict else ""
        print(f"{kind:{_KIND}}  {tried:{_TRIED}}  {came:{_CAME}}  {last}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
