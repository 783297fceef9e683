"""A matrix is sliced without any web module: in a task, a notebook or a worker of another kind."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py

from tests.conftest import ROOT

GENES = ("ENSG00000177757", "ENSG00000187634")
SLICE = """
import json, sys
from pathlib import Path
from rnaget_server.datasets.repository import open_repository
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
import rnaget_server.slicing.regions
from rnaget_server.writers.tsv import TsvWriter

view = open_repository(Settings(data=Path(sys.argv[1]), cache_bytes=0)).visible_to()
query = parse_matrix_query([("featureIDList", ",".join(sys.argv[2:]))], view.catalog.filter_names)
text = b"".join(TsvWriter().write(slice_by_id(view, "marioni_counts", query).slice).chunks).decode()
web = sorted(name for name in sys.modules if name.split(".")[0] in ("starlette", "connexion", "flask", "werkzeug"))
print(json.dumps([text, web]))
"""


def test_a_bare_interpreter_slices_a_matrix_and_imports_nothing_of_the_web() -> None:
    command = [sys.executable, "-c", SLICE, str(ROOT / "data"), *GENES]
    text, web = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert web == []
    with h5py.File(ROOT / "data" / "demo" / "marioni" / "marioni_counts.h5", locking=False) as file:
        ids = [id.decode() for id in file["row_attrs/gene_id"][:]]
        expected = {id: [float(cell) for cell in file["matrix"][ids.index(id)]] for id in GENES}
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]
    assert {row[0]: [float(cell) for cell in row[-len(expected[row[0]]) :]] for row in rows} == expected
