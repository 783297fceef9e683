"""A file that is named twice is one part of a matrix."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.catalog.models import ExpressionEntry
from rnaget_server.catalog.shards import data_files


def test_each_file_counts_once(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).touch()
    entry = ExpressionEntry.model_construct(file=None, files=["./b.h5", "*.h5", "./*.h5", "b.h5"])
    assert data_files(entry, tmp_path) == (tmp_path / "b.h5", tmp_path / "a.h5")
