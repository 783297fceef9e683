"""Files that lead elsewhere, ask for too much memory, change while they are open, or hold numbers of other kinds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.stores import chunk_check, hdf5_dataset
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad import H5adFile, H5adStore
from rnaget_server.stores.hdf5_file import File, check_file
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import LayerSource, write_native
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse
from rnaget_server.stores.tenx import TenXStore
from rnaget_server.testing.matrices import InMemory, InMemorySparse, example_axes, example_cells

ROOT = Path(__file__).parents[2]
CELLS = np.arange(12, dtype=np.float32).reshape(4, 3)


def loom(path: Path, cells: Any = CELLS, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=cells, **options)
        file["row_attrs/gene"] = np.array([f"g{n}" for n in range(cells.shape[0])], "S")
        file["col_attrs/sample"] = np.array([f"s{n}" for n in range(cells.shape[1])], "S")
        file.create_group("layers")
    return path


def h5ad(path: Path) -> Path:
    frames = [pd.DataFrame({"x": range(n)}, index=[f"{kind}{i}" for i in range(n)]) for kind, n in (("c", 3), ("g", 4))]
    anndata.AnnData(scipy.sparse.csr_matrix(CELLS.T), *frames, layers={"more": CELLS.T.copy()}).write_h5ad(path)
    return path


def tenx(path: Path) -> Path:
    cells = scipy.sparse.csc_matrix(CELLS.astype(np.int32))
    with h5py.File(path, "w") as file:
        for name, part in (("data", cells.data), ("indices", cells.indices), ("indptr", cells.indptr)):
            file[f"matrix/{name}"] = part
        file["matrix/shape"] = np.array(cells.shape)
        file["matrix/barcodes"] = np.array([b"c0", b"c1", b"c2"])
        file["matrix/features/id"] = file["matrix/features/name"] = np.array([b"g0", b"g1", b"g2", b"g3"])
    return path


def native(path: Path) -> Path:
    layers = [LayerSource(name, InMemory(cells), cells.dtype, whole) for name, cells, whole in example_cells()]
    write_native(path, *example_axes(), layers)
    return path


def native_sparse(path: Path) -> Path:
    layers = [
        SparseLayerSource(name, InMemorySparse(cells), cells.dtype, whole) for name, cells, whole in example_cells()
    ]
    write_sparse(path, *example_axes(), layers)
    return path


FORMATS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "loom": (loom, LoomStore),
    "h5ad": (h5ad, H5adStore),
    "h5": (tenx, TenXStore),
    "native": (native, NativeStore),
    "sparse": (native_sparse, NativeSparseStore),
}
PLACES = [
    *(("loom", place) for place in ("matrix", "row_attrs/gene", "col_attrs/sample", "layers/more", "row_attrs")),
    *(("h5ad", place) for place in ("X", "X/data", "X/indptr", "obs/_index", "obs/x", "layers/more", "var")),
    *(("h5", place) for place in ("matrix/data", "matrix/barcodes", "matrix/features/id", "matrix/shape")),
    *(("native", place) for place in ("matrix", "row_attrs/gene", "rnaget/index/features/gene/ordered")),
    *(("native", place) for place in ("rnaget/chunks/0/features", "rnaget/ranges/0/minimum", "rnaget/by_sample/0")),
    *(("sparse", place) for place in ("rnaget/by_feature/0/indptr", "rnaget/by_sample/0/values", "row_attrs/gene")),
]


def external_link(file: h5py.File, place: str, target: Path) -> None:
    del file[place]
    file[place] = h5py.ExternalLink(str(target), "/secret")


def virtual(file: h5py.File, place: str, target: Path) -> None:
    old = file[place]
    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[...] = h5py.VirtualSource(str(target), "secret", old.shape)
    attributes = dict(old.attrs)
    del file[place]
    file.create_virtual_dataset(place, layout).attrs.update(attributes)


def external_storage(file: h5py.File, place: str, target: Path) -> None:
    old = file[place]
    shape, dtype, attributes = old.shape, old.dtype, dict(old.attrs)
    del file[place]
    dtype = np.dtype("S8") if dtype.kind == "O" else dtype
    file.create_dataset(place, shape, dtype, external=[(str(target), 0, h5py.h5f.UNLIMITED)])
    file[place].attrs.update(attributes)


@pytest.mark.parametrize("way", [external_link, virtual, external_storage])
@pytest.mark.parametrize(("form", "place"), PLACES)
def test_what_leads_out_of_the_file_is_refused_by_name(
    tmp_path: Path, form: str, place: str, way: Callable[[h5py.File, str, Path], None]
) -> None:
    make, opened = FORMATS[form]
    path = make(tmp_path / f"m.{form}")
    # Opening a named pipe would wait for ever.
    target = tmp_path / "pipe"
    os.mkfifo(target)
    with h5py.File(path, "r+") as file:
        if place == "layers/more" and form == "loom":
            file[place] = CELLS
        if isinstance(file[place], h5py.Group) and way is not external_link:
            pytest.skip("a group can be elsewhere by a link alone")
        way(file, place, target)
    with pytest.raises(UnfitFile, match=f"has /{place} outside of the file"):
        check_file(path)
    with pytest.raises(UnfitFile, match=f"/{place} outside of the file"):
        store = opened(path)
        store.features.index("gene")
        store.ranges(store.units[0])


@pytest.mark.parametrize(("form", "place"), [place for place in PLACES if place[1] not in ("row_attrs", "var")])
def test_soft_links_work_inside_of_the_expected_groups_alone(tmp_path: Path, form: str, place: str) -> None:
    make, opened = FORMATS[form]
    path = make(tmp_path / f"m.{form}")
    top = place.split("/")[0]
    inside = "X_moved" if place == top else f"{top}/moved"
    with h5py.File(path, "r+") as file:
        if place == "layers/more" and form == "loom":
            file[place] = CELLS
        if place == top:
            return
        file.move(place, inside)
        file[place] = h5py.SoftLink(f"/{inside}")
    if form != "native" and form != "sparse":
        assert opened(path).features.size == 4
    with h5py.File(path, "r+") as file:
        file.move(inside, "secret")
        del file[place]
        file[place] = h5py.SoftLink("/secret")
    with pytest.raises(UnfitFile, match=f"/{place} elsewhere"):
        store = opened(path)
        store.features.index("gene")
        store.ranges(store.units[0])


@pytest.mark.parametrize(
    ("target", "what"), [("/row_attrs/gene", "without end"), ("/row_attrs/none", "to nothing"), ("other", "nothing")]
)
def test_soft_links_that_end_nowhere_are_refused(tmp_path: Path, target: str, what: str) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        del file["row_attrs/gene"]
        file["row_attrs/gene"] = h5py.SoftLink(target)
    with pytest.raises(UnfitFile, match=what):
        LoomStore(path)


def test_relative_soft_links_and_those_between_layers_and_matrix_are_followed(tmp_path: Path) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        file["layers/same"] = h5py.SoftLink("/matrix")
        file["row_attrs/name"] = h5py.SoftLink("gene")
    store = LoomStore(path, "TPM")
    assert store.units == ("TPM", "same")
    assert store.features.column("name").tolist() == ["g0", "g1", "g2", "g3"]


def test_a_reference_to_elsewhere_in_the_file_is_refused(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "m.h5ad")
    with h5py.File(path, "r+") as file:
        file["uns/secret"] = np.array([b"a", b"b", b"c"])
        file["obs/x"].attrs["categories"] = file["uns/secret"].ref
    with pytest.raises(UnfitFile, match="/uns/secret elsewhere"):
        H5adStore(path).samples.column("x")


def test_too_many_objects_and_too_deep_groups_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        file.create_group("/".join("a" * 40))
    with pytest.raises(UnfitFile, match="within more than"):
        LoomStore(path)
    path = loom(tmp_path / "n.loom")
    monkeypatch.setattr("rnaget_server.stores.hdf5_file._MOST_OBJECTS", 3)
    with pytest.raises(UnfitFile, match="more than 3 objects"):
        LoomStore(path)


def test_a_named_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.loom")
    with pytest.raises(UnfitFile, match="no regular file"):
        File(tmp_path / "m.loom")


def test_files_are_opened_in_one_place_only() -> None:
    reading = re.compile(r"h5py\.File\((?![^)\n]*\"w\")|h5f\.open|\bmmap\b|\bmemmap\b")
    found = {
        path.name
        for path in (ROOT / "rnaget_server").rglob("*.py")
        if any(reading.search(line) for line in path.read_text().splitlines())
    }
    # What workers share is in memory, or in files without a name, which nobody else can cut off; writers open what they
    # have made themselves, in a directory of their own.
    own = {"shared_counts.py", "shared_state.py", "by_samples.py", "skeleton.py", "zarr.py", "processes.py"}
    mapping = {"local.py", "hdf5_dataset.py", "mapped_run.py"}
    assert found == {"hdf5_file.py", *own, *mapping}


def test_files_are_mapped_only_by_processes_of_imports() -> None:
    """A process ends that looks at what was cut off from a file in memory."""
    mapping = re.compile(r"(\.mapped\(|\(MappedRun\)|place\.open\(|\bSourceLines\()")
    found = {
        (str(path.relative_to(ROOT / "rnaget_server")), match)
        for path in (ROOT / "rnaget_server").rglob("*.py")
        for match in mapping.findall(path.read_text())
    }
    assert found == {
        ("importers/matrices/sparse_reading.py", "SourceLines("),  # all else is what this leads to
        ("importers/sparse_source.py", "place.open("),
        ("stores/compressed.py", "(MappedRun)"),
        ("stores/mapped_run.py", ".mapped("),
        ("stores/hdf5_dataset.py", ".mapped("),
    }
    reading = (ROOT / "rnaget_server/importers/matrices/sparse_reading.py").read_text()
    assert re.findall(r".*\b_parts\(.*", reading) == [
        "        return spool.by_processes(_parts(path, lines, place), report)",
        "def _parts(path: Path, lines: CompressedMatrix, place: Place) -> Iterator[SourceLines]:",
    ]
    source = (ROOT / "rnaget_server/importers/sparse_source.py").read_text()
    assert re.findall(r"(?<!def )\b_opened\(.*?\)", source) == ["_opened(self.place)"] * 2


def small(**limits: int) -> FileAccess:
    return FileAccess(FileLimits(**limits))


def test_large_chunks_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = loom(tmp_path / "m.loom", chunks=(4, 3), compression="gzip")
    LoomStore(path, access=small(chunk_bytes=48))
    with pytest.raises(UnfitFile, match=r"/matrix in chunks of 48 bytes.*h5repack -l matrix:CHUNK"):
        LoomStore(path, access=small(chunk_bytes=47))


def claim(path: Path, shape: tuple[int, int], kind: str = "S1") -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "matrix", shape, np.float32, chunks=(min(1024, shape[0]), min(1024, shape[1])), compression="gzip"
        )
        for group, size in zip(("row_attrs/gene", "col_attrs/sample"), shape, strict=True):
            file.create_dataset(group, (size,), kind, chunks=(min(1024, size),), compression="gzip")
    return path


def test_shapes_that_take_no_disk_are_refused(tmp_path: Path) -> None:
    path = claim(tmp_path / "m.loom", (100_000, 100_000))
    with pytest.raises(UnfitFile, match=r"/matrix has 38,147 MiB, more than 1,000 times what the file has"):
        LoomStore(path)
    with pytest.raises(UnfitFile, match="1,000,000,000,000 features"):
        LoomStore(claim(tmp_path / "n.loom", (10**12, 1)), access=small(expansion=10**15))


def test_attributes_are_read_within_bounds(tmp_path: Path) -> None:
    path = claim(tmp_path / "m.loom", (1000, 10), "S100")
    store = LoomStore(path, access=small(column_bytes=99_000))
    with pytest.raises(UnfitFile, match="needs 100,000 bytes of /row_attrs/gene at once"):
        store.features.column("gene")


@pytest.mark.parametrize("options", [{}, {"chunks": (100,), "compression": "gzip", "shuffle": True}])
def test_many_long_texts_in_one_place_are_counted_before_they_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    path = loom(tmp_path / "m.loom", np.zeros((500, 3), np.float32))
    with h5py.File(path, "r+") as file:
        del file["row_attrs/gene"]
        file.create_dataset("row_attrs/gene", data=["x" * 5_000] * 500, dtype=h5py.string_dtype(), **options)
    for limit, enough in ((2_500_000, True), (2_499_999, False)):
        store = LoomStore(path, access=small(column_bytes=limit))
        if enough:
            assert store.features.column("gene")[7] == "x" * 5_000
        else:
            with pytest.raises(UnfitFile, match="needs 2 MiB of /row_attrs/gene"):
                store.features.column("gene")


def test_one_read_is_bounded_whatever_the_chunks_are(tmp_path: Path) -> None:
    path = loom(tmp_path / "m.loom", np.zeros((4, 1000), np.float32), chunks=(4, 10))
    with pytest.raises(UnfitFile, match="of /matrix at once"):
        File(path, access=small(column_bytes=3_999)).dataset("matrix")[0:1]


def test_a_sparse_line_that_claims_all_cells_is_refused(tmp_path: Path) -> None:
    path = tenx(tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        for name in ("indptr", "indices", "data", "shape"):
            del file[f"matrix/{name}"]
        file["matrix/shape"] = np.array([4, 3], np.int8)
        file["matrix/indptr"] = np.array([0, 0, 0, 100], np.int16)
        file["matrix/indices"] = file["matrix/data"] = np.zeros(100, np.int32)
    with pytest.raises(UnfitFile, match="400 bytes of /matrix/indices at once"):
        TenXStore(path, access=small(column_bytes=48))


@pytest.mark.parametrize("form", ["native", "sparse"])
def test_a_file_cut_off_in_place_is_an_error_and_not_the_end(tmp_path: Path, form: str) -> None:
    make, opened = FORMATS[form]
    path = make(tmp_path / "m.h5")
    store = opened(path)
    asked: list[Callable[[], Any]] = [
        lambda: store.features.find("gene", ["x"]),
        lambda: store.samples.column("note"),
        lambda: store.features.column("story"),
        lambda: store.ranges("TPM"),
        lambda: list(store.blocks("TPM")),
        lambda: list(store.blocks("TPM", np.array([1]), np.array([2]))),
    ]
    os.truncate(path, 100)
    for ask in asked:
        with pytest.raises(OSError):
            ask()


@pytest.mark.parametrize("form", ["native", "sparse", "loom", "h5ad"])
def test_a_file_written_over_is_not_taken_for_the_one_that_was_opened(tmp_path: Path, form: str) -> None:
    make, opened = FORMATS[form]
    path = make(tmp_path / "m.x")
    store = opened(path)
    kept = path.read_bytes()
    os.utime(path, ns=(0, 0))
    path.write_bytes(kept)
    with pytest.raises(OSError, match="written to while it was open"):
        list(store.blocks(store.units[0]))


def test_a_replaced_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = native(tmp_path / "m.h5")
    store = NativeStore(path)
    blocks = store.blocks("TPM")
    other = loom(tmp_path / "other")
    shutil.move(other, path)
    assert np.array_equal(np.concatenate(list(blocks)), example_cells()[0][1], equal_nan=True)


def test_damaged_chunks_leave_no_memory_of_the_process_in_a_reply(tmp_path: Path) -> None:
    path = native(tmp_path / "m.h5")
    with h5py.File(path, "r") as file:
        offset, _ = file["rnaget/chunks/0/features"][0]
    whole = path.read_bytes()
    for place, number in ((4, 8), (12, 1 << 24)):  # fewer bytes than a chunk has; more than are stored
        damaged = bytearray(whole)
        damaged[offset + place : offset + place + 4] = number.to_bytes(4, "little")
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="damaged"):
            list(NativeStore(path).blocks("TPM"))


def test_arrays_of_all_files_are_kept_within_one_bound(tmp_path: Path) -> None:
    access = FileAccess(FileLimits(), ArrayCache(20_000))
    stores = [NativeStore(native(tmp_path / f"{n}.h5"), access=access) for n in range(5)]
    for _ in range(2):
        for store in stores:
            assert store.features.find("gene", ["ENSG00000000010"])[0].tolist() == [10]
            assert store.features.column("length")[3] == 30
            assert 0 < sum(array.nbytes for array in access.arrays._arrays.values()) <= 20_000
    index = stores[-1].features.index("gene")
    assert index.ordered is stores[-1].features.index("gene").ordered


COMPLEX = CELLS.astype(np.complex64)
NAMED = h5py.enum_dtype({"low": 0, "high": 1}, np.int8)


@pytest.mark.parametrize(
    "cells",
    [COMPLEX, CELLS.astype(np.longdouble), CELLS.astype([("a", "f4")]), CELLS.astype("V4"), (CELLS > 2).astype(NAMED)],
    ids=["complex", "longdouble", "compound", "opaque", "named"],
)
@pytest.mark.parametrize("place", ["matrix", "layers/more"])
def test_cells_that_would_lose_something_are_refused(tmp_path: Path, cells: np.ndarray[Any, Any], place: str) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        if place in file:
            del file[place]
        file.create_dataset(place, data=cells, dtype=NAMED if cells.dtype.kind == "i" else cells.dtype)
    with pytest.raises(UnfitFile, match=rf"no numbers in {place}.*write it as"):
        LoomStore(path)


@pytest.mark.parametrize(("number", "served"), [(2**53, True), (2**53 + 1, False), (-(2**53) - 1, False)])
def test_whole_numbers_beyond_float64_are_refused(tmp_path: Path, number: int, served: bool) -> None:
    cells = CELLS.astype(np.int64)
    cells[3, 2] = number
    path = loom(tmp_path / "m.loom", cells)
    if served:
        assert LoomStore(path).dtype("matrix") == np.float64
    else:
        with pytest.raises(UnfitFile, match=r"beyond 2\*\*53 in matrix"):
            LoomStore(path)
    frames = [pd.DataFrame(index=[f"{kind}{i}" for i in range(n)]) for kind, n in (("c", 3), ("g", 4))]
    anndata.AnnData(cells.T, *frames).write_h5ad(tmp_path / "m.h5ad")
    if not served:
        with pytest.raises(UnfitFile, match=r"beyond 2\*\*53 in X"):
            H5adFile(tmp_path / "m.h5ad").matrix("X").dtype()


@pytest.mark.parametrize(
    "values", [np.arange(4).astype(np.longdouble), np.arange(4).astype(NAMED)], ids=["long", "enum"]
)
def test_attributes_that_would_lose_something_are_refused(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        file.create_dataset("row_attrs/odd", data=values, dtype=NAMED if values.dtype.kind == "i" else values.dtype)
    with pytest.raises(UnfitFile, match=r"/row_attrs/odd.*write that attribute as text"):
        LoomStore(path)


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


@pytest.mark.parametrize(("rows", "size"), [(4, 8 << 20), (1 << 18, 32 << 20)])
def test_chunks_that_expand_to_more_than_they_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    """More is stored than a chunk has; or less, and only unpacking it shows what it is."""
    monkeypatch.setattr(chunk_check, "_HARMLESS", 16 << 20)
    path = loom(tmp_path / "m.loom", np.ones((rows, 1), np.float32), chunks=(rows, 1), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["matrix"].id.write_direct_chunk((0, 0), deflated(size))
    with pytest.raises(OSError, match="/matrix expands to more than it has"):
        list(LoomStore(path).blocks("matrix"))


def test_large_chunks_that_are_sound_are_read(tmp_path: Path) -> None:
    cells = np.random.default_rng(1).random((1000, 500)).astype(np.float32)
    for name, options in (("a", {}), ("b", {"shuffle": True}), ("c", {"fletcher32": True})):
        path = loom(tmp_path / name, cells, chunks=(1000, 250), compression="gzip", **options)
        for columns in (None, np.array([3, 400])):
            found = np.concatenate(list(LoomStore(path).blocks("matrix", None, columns)))
            assert np.array_equal(found, cells if columns is None else cells[:, columns])


def test_data_compressed_twice_are_refused(tmp_path: Path) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        del file["matrix"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4, 3))
        plist.set_deflate(9)
        plist.set_deflate(9)
        space = h5py.h5s.create_simple((4, 3))
        h5py.h5d.create(file.id, b"matrix", h5py.h5t.IEEE_F32LE, space, dcpl=plist)
        file["matrix"][...] = CELLS
    with pytest.raises(OSError, match="/matrix is compressed twice"):
        list(LoomStore(path).blocks("matrix"))


@pytest.mark.parametrize("shape", [(0,), (1,), (37,), (5, 7), (4, 3, 2)])
@pytest.mark.parametrize("at_once", [1, 5, 1 << 12])
def test_small_chunks_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], at_once: int
) -> None:
    monkeypatch.setattr(hdf5_dataset, "_CHUNKS_AT_ONCE", at_once)
    cells = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    with h5py.File(tmp_path / "chunks.h5", "w") as file:
        file.create_dataset("numbers", data=cells, chunks=(2, *shape[1:]) if shape[0] > 1 else None, maxshape=shape)
        file.create_dataset("texts", data=cells.astype("S"), dtype=h5py.string_dtype(), chunks=True, maxshape=shape)
    opened = File(tmp_path / "chunks.h5")
    numbers, texts = opened.dataset("numbers"), opened.dataset("texts")
    assert np.array_equal(numbers.whole(), cells)
    assert np.array_equal(numbers[1:4], cells[1:4]) and np.array_equal(numbers[-3:], cells[-3:])
    if len(shape) > 1:
        assert np.array_equal(numbers[1:, 1:2], cells[1:, 1:2])
    assert texts.texts().tolist() == list(map(str, cells.ravel()))


def test_memory_of_a_column_in_the_smallest_chunks(tmp_path: Path) -> None:
    path, count = tmp_path / "chunks.h5", 60_000
    with h5py.File(path, "w") as file:
        file.create_dataset("numbers", data=np.arange(count), chunks=(1,))
    program = f"""
from pathlib import Path
from rnaget_server.stores.hdf5_file import File

def highest():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

dataset = File(Path({str(path)!r})).dataset("numbers")
before = highest()
assert dataset.whole().sum() == {count * (count - 1) // 2}
print(highest() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 64
