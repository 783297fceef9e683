"""Open files are kept, and not without end."""

from __future__ import annotations

from pathlib import Path

import pybigtools

from rnaget_server.catalog import load
from rnaget_server.registry import Registry
from rnaget_server.stores.cache import StoreCache


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
