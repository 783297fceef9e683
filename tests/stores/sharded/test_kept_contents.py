"""The contents of files that an index keeps: another process opens files by them, and trusts no other bytes."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnaget_server.catalog import load
from rnaget_server.datasets import opening
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.plugins import Registry
from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.local import version_at
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.kept_contents import known_kind, packed, unpack
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import look
from tests.conftest import new_study
from tests.stores.sharded.cutting import write_part

_GENES = 6
_FILES = 5
_ENTRY = "  - {id: m, files: part-*, units: TPM, feature_id: gene, sample_id: sample}"
_STORES = {"dense": NativeStore, "sparse": NativeSparseStore}


def _cells(start: int) -> Any:
    cells = np.add.outer(np.arange(_GENES) * 100.0, np.arange(start, start + 3)).astype(np.float32)
    cells[:, 1] = 0
    return cells


def _write(path: Path, start: int, kind: str = "sparse") -> Path:
    """Write a file of three samples, older than a moment, whose cells tell their feature and sample."""
    genes = AxisTable("gene", {"gene": np.array([f"G{number}" for number in range(_GENES)], object)})
    samples = AxisTable("sample", {"sample": np.array([f"s{start + n:04}" for n in range(3)], object)})
    written = write_part(
        path, kind, genes, samples, [("TPM", _cells(start), True), ("counts", _cells(start) * 2, True)]
    )
    os.utime(written, ns=(0, time.time_ns() - 10**10))
    return written


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that HDF5 opens."""
    found: list[str] = []
    construct: Callable[..., None] = File.__init__

    def noting(self: File, path: Path, *given: Any, **named: Any) -> None:
        found.append(path.name)
        construct(self, path, *given, **named)

    monkeypatch.setattr(File, "__init__", noting)
    return found


@pytest.fixture(params=["dense", "sparse"])
def process(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MatrixStore]:
    """A function that opens a matrix of several files as a new process does, whose index is kept."""
    monkeypatch.setattr(look, "FEW", 0)
    study = new_study(tmp_path / "data")
    for number in range(_FILES):
        _write(study / f"part-{number}", 3 * number, request.param)
    (study / "study.yaml").write_text(f"id: s\nexpressions:\n{_ENTRY}\n")

    def start() -> MatrixStore:
        opening._kind_in_state.cache_clear()
        catalog, _ = load(tmp_path / "data")
        assert catalog is not None
        cache = StoreCache(Registry("rnaget_server.stores"), access=FileAccess(), indexes=tmp_path / "indexes")
        return cache.open(catalog.matrices["m"])

    return start


def _all(store: MatrixStore, units: str = "TPM") -> Any:
    return np.concatenate(list(store.blocks(units)))


_EXPECTED = np.hstack([_cells(3 * number) for number in range(_FILES)])


def test_a_new_process_opens_files_without_hdf5(process: Callable[..., MatrixStore], opened: list[str]) -> None:
    process()
    opened.clear()
    store = process()
    np.testing.assert_array_equal(_all(store), _EXPECTED)
    np.testing.assert_array_equal(_all(store, "counts"), _EXPECTED * 2)
    assert set(opened) == {"part-0.h5"}  # for the features


def test_contents_are_not_those_of_a_file_in_its_place(
    process: Callable[..., MatrixStore], opened: list[str], tmp_path: Path
) -> None:
    process()
    (path,) = (tmp_path / "data").rglob("part-3.h5")
    kind = "sparse" if NativeSparseStore.recognises(path) else "dense"
    os.replace(_write(tmp_path / "new", 50, kind), path)
    opened.clear()
    expected = _EXPECTED.copy()
    expected[:, 9:12] = _cells(50)
    np.testing.assert_array_equal(_all(process()), expected)
    assert set(opened) == {"part-0.h5", "part-3.h5"}


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_what_is_unpacked_is_what_was_packed(tmp_path: Path, kind: str) -> None:
    path, one, other = _write(tmp_path / "m", 7, kind), FileAccess(), FileAccess(FileLimits(column_bytes=1 << 20))
    _STORES[kind](path, access=one)
    version = version_at(path)
    data = packed(one, path, version)
    assert 0 < len(data) < 1000
    unpack(other, path, version, data)
    key = path, version, _STORES[kind].kind
    found, known = other.contents.of(key), one.contents.of(key)
    assert found is not None and known is not None and found.keys() == known.keys()
    assert {part.limits for part in found.values() if hasattr(part, "limits")} == {other.limits}
    np.testing.assert_array_equal(_all(_STORES[kind](path, access=other)), _cells(7))
    assert packed(one, path, version._replace(modified=1)) == b""
    strict = FileAccess(FileLimits(chunk_bytes=8))
    unpack(strict, path, version, data)
    assert known_kind(strict, path, version) is None


def _harmed(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    return lambda data: zlib.compress(json.dumps(change(json.loads(zlib.decompress(data)))).encode())


def _each(place: int, value: Any) -> Callable[[bytes], bytes]:
    """Set a value of every dataset: shape, type, chunks, whether plain, place."""

    def change(packed: Any) -> Any:
        for values in packed[1].values():
            if values is not None and len(values) > 2:
                values[place] = value
        return packed

    return _harmed(change)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"something else",
        lambda data: zlib.compress(b"[" * 60_000),
        lambda data: zlib.compress(b" " * (1 << 20) + zlib.decompress(data)),
        _harmed(lambda packed: ["another_store", packed[1]]),
        _harmed(lambda packed: packed[0]),
        _harmed(lambda packed: [packed[0], 5]),
        _harmed(lambda packed: [packed[0], {"matrix": [1, 2, 3]}]),
        _each(0, [1 << 50]),
        _each(0, [-1]),
        _each(0, "ab"),
        _each(1, "|O"),
        _each(1, "nothing"),
        _each(2, [1 << 40]),
        _each(4, "0"),
        _each(5, 5),
    ],
)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_damaged_contents_are_passed_over(tmp_path: Path, kind: str, harm: Callable[[bytes], bytes]) -> None:
    path, access = _write(tmp_path / "m", 7, kind), FileAccess()
    store = _STORES[kind](path, access=access)
    version = version_at(path)
    other = FileAccess()
    unpack(other, path, version, harm(packed(access, path, version)))
    assert known_kind(other, path, version) is None
    np.testing.assert_array_equal(_all(_STORES[kind](path, access=other)), _all(store))
