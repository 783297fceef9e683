"""The index of a matrix of many files: what is opened with it, and what becomes of one that is old or damaged."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.storage.checked_arrays import CheckedArrays
from rnaget_server.storage.files import new_temporary
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import IndexPlace, OpenShards, ShardedStore, index, look
from rnaget_server.stores.sharded import store as look_in_store
from tests.stores.sharded.cutting import open_cut, open_part, write_part

_GENES = [f"G{number}" for number in range(4)]
_FILES = 7
_LONG = "a long text of one sample alone, " * 40_000


def _write(path: Path, start: int, **changed: Any) -> Path:
    """Write a file of three samples whose cells tell their feature and sample; it is older than a moment."""
    genes = changed.get("genes", _GENES)
    ids = changed.get("ids", [f"s{start + number}" for number in range(3)])
    cells = np.add.outer([_GENES.index(gene) * 100.0 for gene in genes], np.arange(start, start + 3)).astype(np.float32)
    columns = {
        "sample": np.array(ids, object),
        "tissue": np.array(["liver", "", "β-cell"], object),
        "age": np.arange(start, start + 3),
        "note": np.array(["", "", _LONG if start == 0 else ""], object),
    }
    columns |= changed.get("columns", {})
    samples = AxisTable("sample", columns, embeddings={"X_umap": np.full((3, 2), start, np.float32)})
    features = AxisTable("gene", {"gene": np.array(genes, object)})
    written = write_part(path, changed.get("kind", "dense"), features, samples, [("TPM", cells, True)])
    os.utime(written, ns=(0, time.time_ns() - 10**10 + start))
    return written


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Files of a matrix, and what opens them with an index; ``names`` are those of the files that were opened last."""
    monkeypatch.setattr(look, "FEW", 0)
    paths = [_write(tmp_path / f"part-{number}", 3 * number) for number in range(_FILES)]
    place = IndexPlace(tmp_path / "index", FileAccess(), "the matrix m")
    names: list[str] = []

    def count(path: Path, units: str) -> MatrixStore:
        names.append(path.name)
        return open_part(path, units)

    def opened(place: IndexPlace | None = place) -> ShardedStore:
        names.clear()
        return open_cut(paths, "TPM", ("gene", "sample"), OpenShards(), place, count)

    return SimpleNamespace(paths=paths, place=place, names=names, open=opened, directory=tmp_path)


def _check_same(store: ShardedStore, expected: ShardedStore) -> None:
    """Compare all that a store says with what one without an index says."""
    assert store.shape == expected.shape
    assert store.samples.attributes == expected.samples.attributes
    assert store.samples.incomplete == expected.samples.incomplete
    for name in expected.samples.attributes:
        np.testing.assert_array_equal(store.samples.column(name), expected.samples.column(name))
        some = np.array([5, 1, 8])
        np.testing.assert_array_equal(store.samples.column(name, some), expected.samples.column(name, some))
        assert store.samples.values(name, 100) == expected.samples.values(name, 100)
        assert store.samples.kind(name) == expected.samples.kind(name)
    ids = ["s4", "s20", "s0", "none"]
    found, missing = store.samples.find("sample", ids)
    assert found.tolist() == expected.samples.find("sample", ids)[0].tolist()
    assert missing == expected.samples.find("sample", ids)[1]
    assert store.embeddings == expected.embeddings == ("X_umap",)
    np.testing.assert_array_equal(store.embedding("X_umap"), expected.embedding("X_umap"))
    cells, expected_cells = (np.concatenate(list(one.blocks("TPM"))) for one in (store, expected))
    np.testing.assert_array_equal(cells, expected_cells)
    assert (store.dtype("TPM"), store.whole("TPM")) == (expected.dtype("TPM"), expected.whole("TPM"))


def test_files_that_an_index_knows_are_not_opened(cut: Any) -> None:
    cut.open()
    assert cut.names == [path.name for path in cut.paths]
    store = cut.open()
    assert store.samples.find("sample", ["s4"])[0].tolist() == [4]
    assert store.samples.where("tissue", ["β-cell"])[0].tolist() == list(range(2, 3 * _FILES, 3))
    assert store.samples.factorized("tissue").first.tolist() == [0, 1, 2]
    assert store.embedding("X_umap").shape == (3 * _FILES, 2)
    assert cut.names == ["part-0.h5"]  # for the features
    np.testing.assert_array_equal(next(store.blocks("TPM", None, np.array([10]))), [[10], [110], [210], [310]])
    assert cut.names == ["part-0.h5", "part-3.h5"]
    _check_same(store, cut.open(None))


@pytest.mark.parametrize("bytes", [1500, 1 << 30])
def test_a_file_that_changes_is_opened_alone(cut: Any, monkeypatch: pytest.MonkeyPatch, bytes: int) -> None:
    monkeypatch.setattr(look, "SEGMENT_BYTES", bytes)
    cut.open()
    os.replace(_write(cut.directory / "new", 50), cut.paths[3])
    store = cut.open()
    assert [name for name in cut.names if name != "part-0.h5"] == ["part-3.h5"]
    assert store.samples.column("sample").tolist()[8:13] == ["s8", "s50", "s51", "s52", "s12"]
    _check_same(store, cut.open(None))
    cut.paths.insert(1, _write(cut.directory / "part-01", 70))
    del cut.paths[5]
    store = cut.open()
    assert [name for name in cut.names if name != "part-0.h5"] == ["part-01.h5"]
    _check_same(store, cut.open(None))
    cut.open()
    assert cut.names == ["part-0.h5"]


def test_large_files_have_their_labels_themselves(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "SEGMENT_BYTES", 1)
    for _ in range(2):
        store = cut.open()
        _check_same(store, cut.open(None))
    assert _files(cut) == []


def test_files_with_other_attributes_and_other_orders_are_joined(cut: Any) -> None:
    _write(cut.directory / "part-2", 6, columns={"tissue": np.array([1.5, np.nan, 3.0]), "more": np.arange(3)})
    _write(cut.directory / "part-3", 9, genes=_GENES[::-1])
    _write(cut.directory / "part-5", 15, genes=_GENES[::-1], columns={"note": np.arange(3)})
    expected = cut.open(None)
    for _ in range(2):
        store = cut.open()
        _check_same(store, expected)
    assert cut.names[0] == "part-0.h5"
    first = cut.open()
    assert cut.names == ["part-0.h5"]
    assert first.remarks == expected.remarks


def _files(cut: Any) -> list[Path]:
    return sorted(path for path in cut.place.directory.iterdir() if path.name not in ("list", "lock"))


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "other"])
@pytest.mark.parametrize("what", ["list", "segment"])
def test_a_damaged_index_is_made_again(cut: Any, harm: str, what: str) -> None:
    cut.open()
    path = _files(cut)[0] if what == "segment" else cut.place.directory / "list"
    kept = path.read_bytes()
    changes: dict[str, Callable[[], object]] = {
        "flip": lambda: path.write_bytes(bytes([kept[0] ^ 1]) + kept[1:]),
        "cut": lambda: path.write_bytes(kept[: len(kept) // 2]),
        "remove": path.unlink,
        "other": lambda: path.write_bytes(b"something else"),
    }
    changes[harm]()
    _check_same(cut.open(), cut.open(None))
    cut.open().samples.column("sample")
    assert cut.names == ["part-0.h5"]
    assert (_files(cut)[0] if what == "segment" else path).read_bytes() == kept


def test_a_segment_that_is_damaged_while_a_matrix_is_open_is_made_again(cut: Any) -> None:
    store = cut.open(IndexPlace(cut.place.directory, FileAccess(arrays=ArrayCache(0)), "the matrix m"))
    expected = store.samples.column("tissue").tolist()
    (path,) = _files(cut)
    kept = path.read_bytes()
    path.write_bytes(bytes([kept[0] ^ 1]) + kept[1:])
    assert store.samples.column("tissue").tolist() == expected
    assert path.read_bytes() == kept
    path.unlink()
    assert store.samples.column("tissue").tolist() == expected
    assert path.read_bytes() == kept


def test_what_was_found_is_kept_though_a_file_is_damaged(cut: Any) -> None:
    kept = cut.paths[2].read_bytes()
    status = cut.paths[2].stat()
    cut.paths[2].write_bytes(kept[:1000])
    for _ in range(2):
        with pytest.raises(OSError, match=r"part-2\.h5"):
            cut.open()
    assert cut.names == ["part-2.h5"]
    cut.paths[2].write_bytes(kept)
    os.utime(cut.paths[2], ns=(0, status.st_mtime_ns + 1))
    _check_same(cut.open(), cut.open(None))
    cut.open()
    assert cut.names == ["part-0.h5"]


@pytest.mark.parametrize("bytes", [1, 1 << 30])
def test_an_id_in_two_files_is_refused_with_both(cut: Any, monkeypatch: pytest.MonkeyPatch, bytes: int) -> None:
    monkeypatch.setattr(look, "SEGMENT_BYTES", bytes)
    cut.open()
    _write(cut.directory / "part-4", 40, ids=["s40", "s7", "s41"])
    for _ in range(2):
        with pytest.raises(OSError, match=r"the sample id 's7' is in part-2\.h5 and in part-4\.h5"):
            cut.open()


def test_features_that_differ_are_refused(cut: Any) -> None:
    cut.open()
    _write(cut.directory / "part-4", 40, genes=_GENES[:-1])
    for _ in range(2):
        with pytest.raises(OSError, match=r"part-4\.h5 lacks 1 features \(G3\) of part-0\.h5"):
            cut.open()


def test_a_file_of_this_moment_is_looked_at_again(cut: Any) -> None:
    """One that is written to twice within what a clock tells apart may be another with the same time."""
    os.utime(cut.paths[2])
    cut.open()
    _check_same(cut.open(), cut.open(None))
    written = cut.paths[2].stat().st_mtime_ns
    os.utime(cut.paths[2], ns=(0, written))
    cut.open()
    assert "part-2.h5" in cut.names or time.time_ns() - written > 10**8


def test_without_a_place_for_it_there_is_no_index(cut: Any, caplog: pytest.LogCaptureFixture) -> None:
    (cut.directory / "taken").write_text("")
    place = IndexPlace(cut.directory / "taken", FileAccess(), "the matrix m")
    _check_same(cut.open(place), cut.open(None))
    assert "cannot be used for the index of the matrix m" in caplog.text


def test_one_of_several_workers_makes_it(cut: Any) -> None:
    opened: list[str] = []

    def slow(path: Path, units: str) -> MatrixStore:
        opened.append(path.name)
        time.sleep(0.01)
        return open_part(path, units)

    def work() -> None:
        open_cut(cut.paths, "TPM", ("gene", "sample"), OpenShards(), cut.place, slow)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name in opened if name != "part-0.h5") == [path.name for path in cut.paths[1:]]


def test_indexes_that_nobody_opens_any_more_are_removed(cut: Any) -> None:
    above = cut.place.directory.parent / "indexes"
    kept, held, unused = (above / (letter * 40) for letter in "abc")
    long_ago = time.time() - index._SECONDS_UNUSED - 60
    for directory in (kept, held, unused):
        opened = cut.open(replace(cut.place, directory=directory))
    for directory in (held, unused):
        os.utime(directory / "lock", (long_ago, long_ago))
    cut.open(replace(cut.place, directory=kept))
    assert unused.exists()  # since all were looked at a moment ago
    os.utime(above / "looked", (long_ago, long_ago))
    with (held / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cut.open(replace(cut.place, directory=kept))
    assert sorted(path.name[0] for path in above.iterdir() if path.is_dir()) == ["a", "b"]
    _check_same(opened, cut.open(None))  # though its index is gone


def test_unused_indexes_of_many_matrices_are_looked_for_once_a_day(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    above, looked = cut.place.directory.parent / "indexes", []
    is_older = index._is_older
    monkeypatch.setattr(index, "_is_older", lambda path, age: looked.append(path.name) or is_older(path, age))
    for number in range(6):
        cut.open(replace(cut.place, directory=above / f"{number:040}"))
    first = looked.count("lock")
    os.utime(above / "looked", (0, 0))
    cut.open(replace(cut.place, directory=above / f"{0:040}"))
    assert (first, looked.count("lock")) == (0, 5)


def test_segments_that_no_list_names_are_removed_after_a_while(cut: Any) -> None:
    cut.open()
    (old,) = _files(cut)
    os.replace(_write(cut.directory / "new", 50), cut.paths[3])
    cut.open()
    assert len(_files(cut)) == 2  # another worker may have the matrix open as it was
    os.utime(old, (0, 0))
    os.replace(_write(cut.directory / "new", 60), cut.paths[3])
    cut.open()
    assert len(_files(cut)) == 2
    assert old not in _files(cut)
    assert not list(cut.place.directory.glob(".import-*"))


@pytest.mark.parametrize(("allowed", "most"), [(resource.RLIM_INFINITY, 128), (1024, 128), (256, 32), (4, 1)])
def test_open_files_are_part_of_those_that_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, allowed: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert OpenShards().most == most


def test_a_list_of_newer_files_is_not_written_over(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has looked at files as they were takes note of it after another has looked at new ones."""
    older = look.look

    def overtaken(*arguments: Any) -> look.Looked:
        found = older(*arguments)
        monkeypatch.setattr(look_in_store, "look", older)
        cut.paths.append(_write(cut.directory / "part-8", 80))
        cut.open()
        return found

    monkeypatch.setattr(look_in_store, "look", overtaken)
    cut.open()
    cut.open()
    assert cut.names == ["part-0.h5"]


@pytest.mark.parametrize("orders", [{"b": [2, 1, 0], "a": [1, 0, 2]}, {}])
def test_a_list_that_is_replaced_while_it_is_read_is_not_mixed_with_the_next(
    orders: dict[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(**orders: list[int]) -> None:
        index.FileList(orders={key: np.array(order) for key, order in orders.items()}).write(tmp_path, ("gene", "s"))

    class Replaced(CheckedArrays):
        def __getitem__(self, name: str) -> Any:
            write(**orders)
            return super().__getitem__(name)

    write(a=[1, 0, 2], b=[2, 1, 0])
    assert list(index.FileList.read(tmp_path, ("gene", "s")).orders["a"]) == [1, 0, 2]
    monkeypatch.setattr(index, "CheckedArrays", Replaced)
    assert not index.FileList.read(tmp_path, ("gene", "s")).orders


def test_a_segment_made_again_may_have_its_labels_at_other_places(cut: Any) -> None:
    """Of labels that were part of wider ones, the texts are as wide as these; those out of the files are not."""
    place = IndexPlace(cut.place.directory, FileAccess(arrays=ArrayCache(0)), "the matrix m")
    _write(cut.paths[-1].with_suffix(""), 18, columns={"tissue": np.array(["a", "b" * 40, "c"], object)})
    cut.open(place)
    (old,) = _files(cut)
    del cut.paths[-1]
    store, other = cut.open(place), cut.open(place)
    other.samples.column("tissue")
    (new,) = (path for path in _files(cut) if path != old)
    new.unlink()
    _check_same(store, cut.open(None))
    _check_same(other, cut.open(None))


def test_a_long_text_of_one_file_widens_no_other(cut: Any) -> None:
    """A file has a text of 300 KB in full width; next to a thousand others, that would take 1000 times as much."""
    long = np.array(["x" * 300_000, "y" * 300_000, "z" * 300_000], object)
    _write(cut.directory / "part-3", 9, columns={"tissue": long})
    cut.open()
    (segment,) = _files(cut)
    store = cut.open()
    assert segment.stat().st_size < 3_000_000
    _check_same(store, cut.open(None))


def test_other_units_in_the_catalogue_are_those_of_the_files(cut: Any) -> None:
    cut.paths[:] = [_write(cut.directory / f"part-1{number}", 3 * number, kind="array") for number in range(3)]
    for units in ("TPM", "counts"):
        store, expected = (
            open_cut(cut.paths, units, ("gene", "sample"), OpenShards(), place) for place in (cut.place, None)
        )
        assert store.units == expected.units == (units,)
        assert store.dtype(units) == expected.dtype(units)
        assert store.whole(units) == expected.whole(units)


def test_an_index_that_is_removed_while_a_matrix_is_open_is_made_again(cut: Any) -> None:
    store = cut.open(IndexPlace(cut.place.directory, FileAccess(arrays=ArrayCache(0)), "the matrix m"))
    shutil.rmtree(cut.place.directory)
    _check_same(store, cut.open(None))
    assert len(_files(cut)) == 1


def test_a_place_that_knows_no_locks_or_is_removed_is_no_failure(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network file systems, of which the system says this."""

    def refused(*_: object) -> None:
        shutil.rmtree(cut.place.directory)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(look.fcntl, "flock", refused)
    _check_same(cut.open(), cut.open(None))


def test_segments_for_which_there_was_no_room_are_written_later(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(look, "write_whole", full)
        _check_same(cut.open(), cut.open(None))
    assert _files(cut) == []
    for _ in range(2):
        _check_same(cut.open(), cut.open(None))
    cut.open()
    assert cut.names == ["part-0.h5"]
    assert len(_files(cut)) == 1


def test_what_a_killed_worker_has_left_is_removed_after_a_while(cut: Any, caplog: pytest.LogCaptureFixture) -> None:
    cut.open()
    left, new = (new_temporary(cut.place.directory / "list") for _ in range(2))
    os.utime(left, (0, 0))
    # One that was there when the directory was read, and has its name by now.
    (cut.place.directory / ".import-gone").symlink_to("nothing")
    os.replace(_write(cut.directory / "new", 50), cut.paths[3])
    cut.open()
    assert not left.exists()
    assert new.exists()
    assert "cannot be kept" not in caplog.text
