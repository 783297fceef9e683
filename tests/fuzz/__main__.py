"""Draw random files for as long as is asked, and say how many held."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz import tracks
from tests.importers.text import fuzz_tables

_PARTS = {"tracks": tracks.run, "tables": fuzz_tables.run}


def main() -> int:
    """Run the parts that are named (all by default); return 1 if anything differed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' or '.join(_PARTS)} (both by default)")
    parser.add_argument("--seconds", type=float, default=600, help="of processor time for each part (default 600)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first file (default: the time)")
    given = parser.parse_args()
    if unknown := set(given.parts) - _PARTS.keys():
        parser.error(f"there is no part {min(unknown)}: there are {', '.join(_PARTS)}")
    failed = 0
    for name in given.parts or _PARTS:
        began = time.monotonic()
        try:
            outcome = f"{_PARTS[name](given.seconds, given.seed)} drawn, no difference"
        except AssertionError as error:
            failed, outcome = 1, f"DIFFERENCE: {error}"
        print(f"{name}: {outcome} (seed {given.seed}, {time.monotonic() - began:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
