"""``python -m benchmarks``: builds what it measures on, measures, prints a table and writes it as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import importing, reads, signal, writing
from benchmarks.material import SIZES, Material, prepare
from benchmarks.measure import Row, table

PARTS: dict[str, Callable[[Material], Iterator[Row]]] = {
    "reads": reads.rows,
    "writing": writing.rows,
    "importing": importing.rows,
    "signal": signal.rows,
}


def main() -> int:
    """Run the benchmarks; return the exit code."""
    options = _options()
    size = SIZES["quick" if options.quick else options.size]
    material = prepare(size, options.directory)
    rows = [row for part in options.only or PARTS for row in PARTS[part](material)]
    print(f"\n{size.shape[0]:,} × {size.shape[1]:,} cells; {os.cpu_count()} processors; median (quartiles)\n")
    print(table(rows))
    missed = [row for row in rows if not row.met]
    print(f"\n{len(rows) - len(missed)} of {len(rows)} limits kept")
    report = options.json or material.directory / "results.json"
    machine = {"python": platform.python_version(), "machine": platform.machine(), "processors": os.cpu_count()}
    report.write_text(json.dumps({"size": size.name, **machine, "rows": [row.record() for row in rows]}, indent=1))
    print(f"the same as JSON: {report}")
    return 1 if missed and options.strict else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, in less than three minutes")
    parser.add_argument("--size", choices=list(SIZES), default="default", help="gtex needs 12 GB of disk")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; may be repeated")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a limit is missed")
    parser.add_argument("--json", type=Path, help="where the results go as JSON")
    parser.add_argument("--directory", type=Path, default=Path(".bench"), help="what is kept between runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
