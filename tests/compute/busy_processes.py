"""Keep processes at work until it is ended, and print their numbers. Run by a test."""

from __future__ import annotations

import itertools
import sys
from contextlib import closing
from pathlib import Path

from rnaget_server.compute.processes import Processes
from tests.compute.process_functions import asleep


def main(directory: Path) -> None:
    with closing(Processes(2, directory, 0)) as made, closing(made.map(asleep, itertools.repeat(0.5))) as pids:
        seen = {next(pids)}
        while len(seen) < 2:  # one of them may start late
            seen.add(next(pids))
        print(*seen, flush=True)
        for _ in pids:
            pass


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(3)
