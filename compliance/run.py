"""Runs the official RNAget suite against the real server in every way of serving, and prints one table.

``python -m compliance.run`` ends with 0 only if every case passed and none was missing. The dataset of the
suite is looked for in ``RNAGET_COMPLIANCE_DATA``, else in ``../shared/data/compliance``. No report is kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from compliance import suite
from compliance.catalogues import controlled, from_loom, from_shards, from_tsv
from compliance.server import serving

_DATASET = Path(__file__).parents[2] / "shared" / "data" / "compliance"


@dataclass(frozen=True)
class Mode:
    """One way of serving the dataset: how its catalogue is made, and which groups are switched off.

    If the study `is_controlled`, only the token of the suite admits to it.
    """

    name: str
    build: Callable[[Path, Path], None]
    switched_off: tuple[str, ...] = ()
    is_controlled: bool = False


MODES = (
    Mode("loom", from_loom),
    Mode("tsv", from_tsv),
    Mode("sharded", from_shards),
    Mode("switched off", from_loom, suite.GROUPS),
    Mode("controlled", from_tsv, is_controlled=True),
)


def dataset() -> Path:
    """Return the directory of the official dataset, whether it is there or not."""
    return Path(os.environ.get("RNAGET_COMPLIANCE_DATA") or _DATASET).absolute()


def run(modes: Sequence[Mode]) -> list[suite.Outcome]:
    """Serve the official dataset in each of these ways at once; return what the suite finds of each.

    Raises
    ------
    RuntimeError
        If an import fails, a server does not start, or the suite breaks off.
    """
    with ExitStack() as stack:
        return suite.run([_serve(mode, stack) for mode in modes])


def _serve(mode: Mode, stack: ExitStack) -> suite.Target:
    data = Path(stack.enter_context(tempfile.TemporaryDirectory()), "data")
    mode.build(dataset(), data)
    token = controlled(data) if mode.is_controlled else None
    address = stack.enter_context(serving(data, mode.switched_off))
    return suite.Target(f"{address}/rnaget/", frozenset(suite.GROUPS) - set(mode.switched_off), token)


def main() -> int:
    """Run all modes; return the exit code."""
    if not dataset().is_dir():
        print(f"the official dataset is not in {dataset()}: set RNAGET_COMPLIANCE_DATA", file=sys.stderr)
        return 2
    outcomes = {mode.name: outcome for mode, outcome in zip(MODES, run(MODES), strict=True)}
    for name, outcome in outcomes.items():
        for case in outcome.not_passed:
            print(f"{name}: {case.describe()}")
    print(f"{'mode':14}{'cases':>8}{'passed':>8}{'failed':>8}{'skipped':>8}{'expected':>10}")
    for name, outcome in outcomes.items():
        counts = (len(outcome.cases), outcome.passed, len(outcome.not_passed), outcome.left_out)
        print(f"{name:14}" + "".join(f"{count:8}" for count in counts) + f"{outcome.expected:10}")
    return 0 if all(outcome.complete for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
