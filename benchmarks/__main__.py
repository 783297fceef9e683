"""``python -m benchmarks``: builds what it measures on, measures, prints a table and writes it as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    access,
    archive,
    cells,
    compute,
    fetching,
    htsget,
    http,
    importing,
    joins,
    many,
    memory,
    pages,
    peers,
    plan,
    processes,
    profile,
    reads,
    remote,
    scale,
    search,
    sequences,
    sharded,
    signal,
    soak,
    starting,
    writing,
)
from benchmarks.material import SIZES, Material, prepare
from benchmarks.measure import Note, Row, table

PARTS: dict[str, Callable[[Material], Iterator[Row | Note]]] = {
    "reads": reads.rows,
    "writing": writing.rows,
    "importing": importing.rows,
    "compute": compute.rows,
    "cells": cells.rows,
    "sharded": sharded.rows,
    "joins": joins.rows,
    "signal": signal.rows,
    "sequences": sequences.rows,
    "archive": archive.rows,
    "search": search.rows,
    "htsget": htsget.rows,
    "client": fetching.rows,
    "http": http.rows,
    "access": access.rows,
    "memory": memory.rows,
    "starting": starting.rows,
    "pages": pages.rows,
    "peers": peers.rows,
    "profile": profile.rows,
    "processes": processes.rows,
    "scale": scale.rows,
    "servers": many.rows,
    "remote": remote.rows,
    "plan": plan.rows,
}
SOAK = "soak"
_WITHOUT_MATRICES = frozenset(
    {
        *(
            "access",
            "archive",
            "cells",
            "client",
            "compute",
            "htsget",
            "importing",
            "joins",
            "pages",
            "plan",
            "search",
            "sequences",
        ),
        *("servers", "sharded"),
    }
)
"""Parts for which the large matrices need not be made."""

_SOAK_SECONDS = 600.0


def main() -> int:
    """Run the benchmarks; return the exit code."""
    options = _options()
    size = SIZES["quick" if options.quick else options.size]
    is_needed = not _WITHOUT_MATRICES.issuperset(options.only or PARTS)
    material = prepare(size, options.directory) if is_needed else Material(size, options.directory / size.name)
    chosen = {"cells": lambda material: cells.rows(material, cells.PEERS if options.peers is None else options.peers)}
    parts = PARTS | chosen | {SOAK: lambda material: soak.rows(material, options.seconds)}
    found: list[Row | Note] = []
    failed = False
    for part in options.only or PARTS:
        began = time.perf_counter()
        try:
            found += parts[part](material)
        except Exception as error:  # the others are worth having
            found.append(Note(f"{part} FAILED: {type(error).__name__}: {error}"))
            failed = True
        print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    rows = [one for one in found if isinstance(one, Row)]
    print(f"\n{size.shape[0]:,} × {size.shape[1]:,} cells; {os.cpu_count()} processors; median (quartiles)\n")
    print(table(rows))
    notes = [one.text for one in found if isinstance(one, Note)]
    print("".join(f"\n{text}" for text in notes))
    limited = [row for row in rows if row.limited]
    missed = [row for row in limited if not row.met]
    print(f"{len(limited) - len(missed)} of {len(limited)} limits kept")
    report = options.json or (material.directory if is_needed else options.directory) / "results.json"
    machine = {"python": platform.python_version(), "machine": platform.machine(), "processors": os.cpu_count()}
    record = {"size": size.name, **machine, "rows": [row.record() for row in rows], "notes": notes}
    report.write_text(json.dumps(record, indent=1))
    print(f"the same as JSON: {report}")
    return 1 if failed or (missed and options.strict) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, in less than three minutes")
    parser.add_argument("--size", choices=list(SIZES), default="gtex", help="gtex needs 20 GB of disk")
    parser.add_argument(
        "--only", action="append", choices=[*PARTS, SOAK], help="only this part; may be repeated; soak runs only so"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=cells.PEERS, help="what single cells are compared with; by default, all four"
    )
    parser.add_argument("--seconds", type=float, default=_SOAK_SECONDS, help="how long the soak lasts")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a limit is missed")
    parser.add_argument("--json", type=Path, help="where the results go as JSON")
    parser.add_argument("--directory", type=Path, default=Path(".bench"), help="what is kept between runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
