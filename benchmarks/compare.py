"""``python -m benchmarks.compare OTHER``: this checkout and another one, measured in turns.

Each has an environment of its own (``make .venv/.bench`` in both). A row is called slower where all rounds agree on it,
by more than the noise that the rounds of one version show.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_NOISE = 1.1
Medians = dict[str, list[float]]


def main() -> int:
    """Measure both checkouts in turns, print the rows that both have, and return 1 if one is slower here."""
    options = _options()
    here, other = Medians(), Medians()
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.rounds):
            for checkout, medians in ((options.other.resolve(), other), (Path.cwd(), here)):
                report = Path(directory) / f"{number}.json"
                _measure(checkout, options.only or [], report, options.size)
                _gather(report, medians)
    slower = 0
    print(f"{'ours':70}  {'before':>10}  {'now':>10}  {'ratio':>6}")
    for row in (row for row in other if row in here):
        before, now = statistics.median(other[row]), statistics.median(here[row])
        is_slower = min(here[row]) > max(other[row]) * _NOISE
        slower += is_slower
        print(
            f"{row[:70]:70}  {before:10.4g}  {now:10.4g}  {now / before if before else 1:6.2f}  {'SLOWER' * is_slower}"
        )
    print(f"{slower} rows are slower than before by more than noise, of {len(other)}")
    return int(slower > 0)


def _measure(checkout: Path, parts: Sequence[str], report: Path, size: str) -> None:
    command = [str(checkout / ".venv/bin/python"), "-W", "ignore", "-m", "benchmarks", "--size", size]
    command += ["--json", str(report), *(word for part in parts for word in ("--only", part))]
    subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.DEVNULL)


def _gather(report: Path, medians: Medians) -> None:
    for row in json.loads(report.read_text())["rows"]:
        name = f"{row['what']} | {row['peer']}"
        medians.setdefault(name, []).append(statistics.median(row["ours"]["values"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("other", type=Path, help="the root of the other checkout, such as a git worktree")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--size", default="quick", help="size of what is measured on")
    parser.add_argument("--only", action="append", help="only this part; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
