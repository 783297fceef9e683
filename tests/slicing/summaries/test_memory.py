"""However large a matrix is, summaries and highest features take the same memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory

FEATURES, SAMPLES = 25_000, 3_500
MOST_MB = 160
PROGRAM = """
import json, resource, sys
from pathlib import Path
from rnaget_server.datasets.repository import open_repository
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id

view = open_repository(Settings(data=Path(sys.argv[1]), cache_directory=Path(sys.argv[2]))).visible_to()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
view.stores.open(view.catalog.matrices["m"])
before, rows = peak(), []
for pairs in json.loads(sys.argv[3]):
    found = slice_by_id(view, "m", parse_matrix_query([tuple(pair) for pair in pairs], ()))
    rows.append(sum(len(block) for block in found.slice.layers[0].blocks()))
print(json.dumps([rows, peak() - before]))
"""


@pytest.mark.long
def test_memory_is_bounded(tmp_path: Path) -> None:
    data = tmp_path / "data"
    study = data / "p" / "s"
    study.mkdir(parents=True)
    cells = np.random.default_rng(1).exponential(size=(FEATURES, SAMPLES)).astype(np.float32)
    assert cells.nbytes > 2 * MOST_MB << 20
    genes = np.array([f"G{number}" for number in range(FEATURES)], object)
    samples = np.array([f"S{number}" for number in range(SAMPLES)], object)
    tissues = np.array([f"T{number % 54}" for number in range(SAMPLES)], object)
    axes = AxisTable("gene", {"gene": genes}), AxisTable("sample", {"sample": samples, "tissue": tissues})
    write_native(study / "m.h5", *axes, [LayerSource("TPM", InMemory(cells), cells.dtype, False)])
    entry = {"id": "m", "file": "m.h5", "units": "TPM", "feature_id": "gene", "sample_id": "sample"}
    (study / "study.yaml").write_text(yaml.safe_dump({"id": "s", "expressions": [entry]}))
    (data / "p" / "project.yaml").write_text("id: p\n")
    (data / "catalog.yaml").write_text("id: org.example\nname: Example\n")
    asked = [
        [("group_by", "tissue"), ("summary", "median")],
        [("group_by", "tissue"), ("summary", "std")],
        [("group_by", "sample"), ("summary", "mean")],
        [("group_by", "sample"), ("top", "10000")],
        [("top", "10000")],
    ]
    arguments = [str(data), str(tmp_path / "cache"), json.dumps(asked)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    rows, megabytes = json.loads(done.stdout)
    assert rows[:3] == [FEATURES] * 3
    assert megabytes < MOST_MB
