"""Open files are kept, and not without end."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pytest

from rnaget_server.catalog import load
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.errors import StoreFailure
from rnaget_server.plugins import Registry
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import new_study


def test_sets_of_tracks_are_kept_until_others_are_in_use(tmp_path: Path) -> None:
    entries = "".join(f"  - {{id: {id}, units: x, tracks: [{{sample: a, file: a.bw}}]}}\n" for id in "abc")
    study = new_study(tmp_path, f"id: s\ncontinuous:\n{entries}")
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


def test_to_open_one_file_keeps_nobody_from_another(demo: Path) -> None:
    study = demo / "demo" / "marioni"
    (study / "slow.h5").write_bytes((study / "marioni_counts.h5").read_bytes())
    text = (study / "study.yaml").read_text()
    entry = text[text.index("  - id: marioni_counts") :]
    copied = entry.replace("id: marioni_counts", "id: slow").replace("marioni_counts.h5", "slow.h5")
    (study / "study.yaml").write_text(text.replace(entry, entry.rstrip() + "\n" + copied))
    catalog, problems = load(demo)
    assert catalog is not None and not problems
    begun, go_on, opened = threading.Event(), threading.Event(), []

    class Waiting(NativeStore):
        def __init__(self, path: Path, *others: Any) -> None:
            opened.append(path.name)
            if path.name == "slow.h5":
                begun.set()
                assert go_on.wait(60)
            super().__init__(path, *others)

    class Kinds(Registry):
        def all(self) -> dict[str, Any]:
            return {"waiting": Waiting}

    stores = StoreCache(Kinds("rnaget_server.stores"))
    with ThreadPoolExecutor(4) as threads:
        try:
            slow = [threads.submit(stores.open, catalog.matrices["slow"]) for _ in range(2)]
            assert begun.wait(60)
            other = threads.submit(stores.open, catalog.matrices["marioni_counts"]).result(60)
            assert not any(future.done() for future in slow)
        finally:
            go_on.set()
        assert slow[0].result(60) is slow[1].result(60) is not other
    assert sorted(opened) == ["marioni_counts.h5", "slow.h5"]


def test_a_known_matrix_is_opened_again_without_a_look_for_its_kind(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of matrices not all stay open."""
    catalog, _ = load(demo)
    assert catalog is not None
    (matrix,) = catalog.matrices.values()
    kinds = Registry("rnaget_server.stores")
    first = StoreCache(kinds, most=1).open(matrix)
    for kind in kinds.all().values():
        monkeypatch.setattr(kind, "recognises", lambda path: pytest.fail("the kind was looked for"))
    again = StoreCache(kinds, most=1).open(matrix)
    assert again is not first
    assert again.features.attributes == first.features.attributes
    os.utime(matrix.path, ns=(1, 1))
    with pytest.raises(BaseException, match="the kind was looked for"):
        StoreCache(kinds, most=1).open(matrix)
