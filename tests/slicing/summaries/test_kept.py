"""Summaries of whole matrices are kept on disk, found again, and computed again where they are not valid."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import MatrixSlice
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter
from tests.conftest import import_matrix, new_study
from tests.slicing.summaries.test_grouping import ask, frame_of

WHOLE = (("group_by", "note"), ("summary", "median"), ("units", "TPM"))


@pytest.fixture
def data(example: tuple[Path, dict[str, pd.DataFrame]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(example[0], tmp_path / "data"))


@pytest.fixture
def view(data: Path, tmp_path: Path) -> View:
    return started(data, tmp_path)


def started(data: Path, tmp_path: Path, most: int = 1 << 30) -> View:
    settings = Settings(data=data, reload_seconds=0, cache_directory=tmp_path / "cache", cache_bytes=most)
    return open_repository(settings).visible_to()


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache" / "summaries").glob("*") if len(path.name) == 64]


def mark(path: Path) -> None:
    """Change the first cell of a kept file and its checksum, so that a reply tells where it comes from."""
    kept_file = CheckedFile(path.open("rb"))
    raw = bytearray(b"".join(kept_file.read()))
    kept_file.close()
    raw[:4] = np.float32(-123).tobytes()
    with path.open("wb") as file:
        writer = CheckedWriter(file)
        writer.write(raw)
        writer.finish()


def first(found: MatrixSlice) -> float:
    return float(frame_of(found).iloc[0, 0])


def test_the_second_request_is_read(view: View, frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    made = frame_of(ask(view, "one", *WHOLE))
    (path,) = kept(tmp_path)
    assert frame_of(ask(view, "one", *WHOLE)).equals(made)
    mark(path)
    assert first(ask(view, "one", *WHOLE)) == -123
    gene = frames["one"].index[0]
    assert first(ask(view, "one", *WHOLE, ("featureIDList", gene))) == -123
    last = frames["one"].index[[7, -1]]
    some = frame_of(ask(view, "one", *WHOLE, ("featureIDList", ",".join(last))))
    assert some.equals(made.loc[last])


def test_only_the_whole_is_kept(view: View, frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    for pair in (("featureIDList", frames["one"].index[0]), ("sampleIDList", "S 1,S 2"), ("feature_max_value", "50")):
        frame_of(ask(view, "one", *WHOLE, pair))
        assert kept(tmp_path) == []
    frame_of(ask(view, None, *WHOLE))
    assert kept(tmp_path) == []


def test_each_summary_attribute_and_layer_has_its_own(view: View, tmp_path: Path) -> None:
    asked = [
        ask(view, "one", ("group_by", name), ("summary", summary), ("units", units))
        for name in ("note", "years")
        for summary in ("mean", "std")
        for units in ("TPM", "counts")
    ]
    made = [frame_of(found) for found in asked]
    assert len(kept(tmp_path)) == 8
    for found, frame in zip(asked, made, strict=True):
        assert frame_of(found).equals(frame)


def test_a_part_that_was_read_is_not_kept(view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.slicing.summaries.grouping._GATHERED_BYTES", 1)
    monkeypatch.setattr("rnaget_server.stores.blocks.BLOCK_BYTES", 1)
    blocks: Iterator[np.ndarray] = ask(view, "one", *WHOLE).slice.layers[0].blocks()
    assert len(next(blocks)) < 60
    blocks.close()  # type: ignore[attr-defined]
    assert kept(tmp_path) == []
    assert list((tmp_path / "cache" / "summaries").glob("part-*")) == []


@pytest.mark.parametrize("damage", ["cell", "checksum", "short", "long", "empty"])
def test_a_damaged_file_is_made_anew(view: View, tmp_path: Path, damage: str) -> None:
    made = frame_of(ask(view, "one", *WHOLE))
    (path,) = kept(tmp_path)
    sound = path.read_bytes()
    raw = bytearray(sound)
    if damage in ("cell", "checksum"):
        raw[100 if damage == "cell" else -1] ^= 1
    changed = {"short": raw[:-4], "long": raw + raw, "empty": b""}.get(damage, raw)
    path.write_bytes(changed)
    gene = made.index[0]
    assert frame_of(ask(view, "one", *WHOLE, ("featureIDList", gene))).equals(made.loc[[gene]])
    assert not path.exists()
    assert frame_of(ask(view, "one", *WHOLE)).equals(made)
    assert path.read_bytes() == sound


def test_a_changed_matrix_has_new_summaries(view: View, data: Path, tmp_path: Path) -> None:
    one = data / "p" / "s" / "one.h5"
    frame_of(ask(view, "one", *WHOLE))
    (path,) = kept(tmp_path)
    mark(path)
    os.utime(one, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns + 1))
    assert first(ask(view, "one", *WHOLE)) != -123
    assert len(kept(tmp_path)) == 2


def test_another_process_finds_what_was_kept(view: View, data: Path, tmp_path: Path) -> None:
    frame_of(ask(view, "one", *WHOLE))
    mark(*kept(tmp_path))
    assert first(ask(started(data, tmp_path), "one", *WHOLE)) == -123


@pytest.mark.parametrize("most", [0, 1000])
def test_nothing_is_kept_without_room(data: Path, tmp_path: Path, most: int) -> None:
    view = started(data, tmp_path, most)
    assert frame_of(ask(view, "one", *WHOLE)).equals(frame_of(ask(view, "one", *WHOLE)))
    assert kept(tmp_path) == []


def test_many_pieces(view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.slicing.summaries.kept._PIECE_BYTES", 100)
    made = frame_of(ask(view, "one", *WHOLE))
    assert frame_of(ask(view, "one", *WHOLE)).equals(made)
    genes = made.index[[0, 4, 5, 33, 59]]
    assert frame_of(ask(view, "one", *WHOLE, ("featureIDList", ",".join(genes)))).equals(made.loc[genes])
    (path,) = kept(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[-10 * 4] ^= 1
    path.write_bytes(raw)
    assert frame_of(ask(view, "one", *WHOLE)).equals(made)


def test_several_summaries_are_kept_together(view: View, tmp_path: Path) -> None:
    """Each order of them, each set and each attribute has a file of its own."""
    lists = ("q1,median", "median,q1", "q1,median,n")
    asked = [ask(view, "one", ("group_by", name), ("summary", some)) for name in ("note", "years") for some in lists]
    made = [frame_of(found) for found in asked]
    assert len(kept(tmp_path)) == len(asked)
    for path in kept(tmp_path):
        mark(path)
    for found, frame in zip(asked, made, strict=True):
        assert first(found) == -123
        assert frame_of(found).iloc[1:].equals(frame.iloc[1:])


def test_attributes_with_the_same_groups_have_summaries_of_their_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    new_study(data)
    (tmp_path / "cells.tsv").write_text("gene\ts1\ts2\ts3\ng1\t1\t5\t3\n")
    samples = tmp_path / "samples.tsv"
    samples.write_text("sample\tfirst\tsecond\ns1\ta\ta\ns2\tb\tb\ns3\ta\tb\n")
    import_matrix(data, tmp_path / "cells.tsv", "--id", "m", "--units", "TPM", "--samples", str(samples))
    view = started(data, tmp_path)
    for name, values in (("first", [1, 3, 5, 5]), ("second", [1, 1, 3, 5])):
        found = frame_of(ask(view, "m", ("group_by", name), ("summary", "min,max")))
        assert found.columns.tolist() == ["a min", "a max", "b min", "b max"]
        assert found.iloc[0].tolist() == values
