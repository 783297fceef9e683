"""Importing a gzipped GCT, against decompressing and parsing it with pandas' C parser."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.material import UNITS, Material
from benchmarks.measure import Row, side_by_side
from rnaget_server.cli.new import write_new_catalog

_PARSE = "import pandas, sys; pandas.read_csv(sys.argv[1], sep='\\t', skiprows=2, index_col=[0, 1])"


def rows(material: Material) -> Iterator[Row]:
    """Yield the row of the import; both sides are a command of their own, its start included."""

    def imported(_: int) -> None:
        with tempfile.TemporaryDirectory() as directory:
            data = Path(directory, "data")
            write_new_catalog(data, None)
            tool = Path(sys.executable).with_name("rnaget-server")
            command: list[str | Path] = [tool, "import", material.gct, "--data", data]
            _run([*command, "--project", "made", "--study", "text", "--id", "text", "--units", UNITS])

    def parsed(_: int) -> None:
        _run([sys.executable, "-c", _PARSE, material.gct])

    taken = side_by_side({"ours": imported, "pandas": parsed}, material.size.slow_repeats)
    what = "import of a GCT of {:,} × {:,}, gzip".format(*material.size.text_shape)
    yield Row(what, "pandas, only parsing", taken["ours"], taken["pandas"], least=0.5)


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
