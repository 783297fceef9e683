"""Open files are kept, and not without end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybigtools
import pytest

from rnaget_server.catalog import load
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.errors import StoreFailure
from rnaget_server.plugins import Registry
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory


def test_sets_of_tracks_are_kept_until_others_are_in_use(tmp_path: Path) -> None:
    study = tmp_path / "p" / "s"
    study.mkdir(parents=True)
    (tmp_path / "catalog.yaml").write_text("id: c\nname: C\n")
    (tmp_path / "p" / "project.yaml").write_text("id: p\n")
    entries = "".join(f"  - {{id: {id}, units: x, tracks: [{{sample: a, file: a.bw}}]}}\n" for id in "abc")
    (study / "study.yaml").write_text(f"id: s\ncontinuous:\n{entries}")
    pybigtools.open(str(study / "a.bw"), "w").write({"chr1": 900}, iter([("chr1", 70, 80, 1.0)]))
    catalog, _ = load(tmp_path)
    assert catalog is not None
    stores = StoreCache(Registry("rnaget_server.stores"), most=2)
    first, second = (stores.open_tracks(catalog.track_sets[id]) for id in "ab")
    assert stores.open_tracks(catalog.track_sets["a"]) is first
    stores.open_tracks(catalog.track_sets["c"])
    assert stores.open_tracks(catalog.track_sets["a"]) is first
    assert stores.open_tracks(catalog.track_sets["b"]) is not second


def test_a_file_that_was_written_over_is_served_anew_while_it_is_read(
    demo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog, _ = load(demo)
    assert catalog is not None
    (matrix,) = catalog.matrices.values()
    features, samples = (
        AxisTable(id, {id: ids, **{one.attribute: ids for one in matrix.filters.values()}})
        for id, ids in ((matrix.feature_id, np.array(["a", "b"], object)), (matrix.sample_id, np.array(["s"], object)))
    )
    cells = np.array([[1], [2]], np.float32)
    write_native(tmp_path / "new.h5", features, samples, [LayerSource("counts", InMemory(cells), cells.dtype, False)])
    stores = StoreCache(Registry("rnaget_server.stores"))
    old = stores.open(matrix)
    blocks = old.blocks(old.units[0])
    matrix.path.write_bytes((tmp_path / "new.h5").read_bytes())
    with pytest.raises(StoreFailure):
        list(blocks)
    assert "since it was opened" in caplog.text
    assert stores.open(matrix).shape == (2, 1)
