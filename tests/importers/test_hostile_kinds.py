"""Files that were made to do harm, of the kinds that other libraries read: refused, with nothing left behind."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from rnaget_server.errors import ImportFailure
from tests.importers.conftest import Workshop
from tests.importers.test_kinds import cells, data_of


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    cells().to_excel(tmp_path / "m.xlsx")
    return tmp_path / "m.xlsx"


def changed(path: Path, name: str, change: Callable[[bytes], bytes], more: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path) as package:
        parts = {part: package.read(part) for part in package.namelist()}
    parts |= more or {}
    parts[name] = change(parts.get(name, b""))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for part, content in parts.items():
            package.writestr(part, content)


def test_a_bomb_of_shared_texts(workshop: Workshop, sheet: Path) -> None:
    changed(sheet, "xl/sharedStrings.xml", lambda _: b"<sst>" + b" " * (300 << 20) + b"</sst>")
    with pytest.raises(ImportFailure, match=r"has xl/sharedStrings.xml of 300 MiB, more than is read"):
        workshop.run(sheet)


def test_entities(workshop: Workshop, sheet: Path) -> None:
    entity = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    changed(sheet, "xl/worksheets/sheet1.xml", lambda text: entity + text.partition(b"?>")[2])
    with pytest.raises(ImportFailure, match="definitions of a document type"):
        workshop.run(sheet)


def test_a_row_of_a_great_number(workshop: Workshop, sheet: Path) -> None:
    changed(sheet, "xl/worksheets/sheet1.xml", lambda text: text.replace(b'<row r="3"', b'<row r="999999999999"'))
    with pytest.raises(ImportFailure, match="more than 1,048,576 rows"):
        workshop.run(sheet)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with anndata.settings.override(zarr_write_format=2):
        data_of(cells()).write_zarr(tmp_path / "m.zarr")
    return tmp_path / "m.zarr"


class _Runs:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("codec", ["pickle", "json2", "msgpack2", "x"])
def test_codecs_that_may_run_what_they_read(workshop: Workshop, store: Path, tmp_path: Path, codec: str) -> None:
    path = store / "obs" / "age" / ".zarray"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({**metadata, "dtype": "|O", "compressor": None, "filters": [{"id": codec}]}))
    (path.parent / "0").write_bytes(pickle.dumps(_Runs(tmp_path / "ran")))
    with pytest.raises(ImportFailure, match=rf"has the codec '{codec}' in obs/age/.zarray, which is not read here"):
        workshop.run(store / ".zgroup")
    assert not (tmp_path / "ran").exists()


def test_links_out_of_a_store(workshop: Workshop, store: Path, tmp_path: Path) -> None:
    chunk = store / "obs" / "age" / "0"
    chunk.rename(tmp_path / "outside")
    chunk.symlink_to(tmp_path / "outside")
    with pytest.raises(ImportFailure, match="has obs/age/0, which is a link or no regular file"):
        workshop.run(store / ".zgroup")
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(ImportFailure, match="which is a link or no regular file"):
        workshop.run(store / ".zgroup")


def test_places_out_of_a_store(workshop: Workshop, store: Path, tmp_path: Path) -> None:
    path = store / "obs" / ".zattrs"
    for index in ("../../../secret", "/etc/passwd"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "_index": index}))
        with pytest.raises(ImportFailure):
            workshop.run(store / ".zgroup")


def test_an_array_that_is_nowhere(workshop: Workshop, store: Path) -> None:
    path = store / "layers" / "dense" / ".zarray"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({**metadata, "shape": [10**7, 10**6], "chunks": [1000, 1000]}))
    with pytest.raises(ImportFailure, match=r"times what its files have|chunks of"):
        workshop.run(store / ".zgroup", layer="dense")


def test_links_out_of_hdf5(workshop: Workshop, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["ids"] = [b"a", b"b"]
    for name, place in (("m.gctx", "0/DATA/0/matrix"), ("a.h5", "data/expression")):
        with h5py.File(tmp_path / name, "w") as file:
            file[place] = np.eye(2)
            file["0/META/ROW/id" if name == "m.gctx" else "meta/genes/symbol"] = h5py.ExternalLink("other.h5", "ids")
        with pytest.raises(ImportFailure, match="an external link"):
            workshop.run(tmp_path / name)


def test_metadata_that_lie(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pd.DataFrame({"gene": ["a"] * 9, "s": np.ones(9)}).to_parquet(path)
    content = path.read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:-8] + (size * 1000).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ImportFailure, match="damaged"):
        workshop.run(path)
