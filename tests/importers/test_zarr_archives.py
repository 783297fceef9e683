"""AnnData as Zarr within an archive: imported as its directory is, in bounded room, and nothing leads out of it."""

from __future__ import annotations

import gzip
import json
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from click.testing import CliRunner, Result

from rnaget_server.cli.server import main
from rnaget_server.importers import unpacking
from tests.importers.conftest import Workshop

pytestmark = pytest.mark.usefixtures("temporary")


def cells() -> anndata.AnnData:
    numbers = np.random.default_rng(3).poisson(0.4, (7, 5)).astype(np.float32)
    obs = pd.DataFrame({"tissue": pd.Categorical(list("aabbaab"))}, [f"CELL{number}" for number in range(7)])
    var = pd.DataFrame({"symbol": list("VWXYZ")}, [f"ENSG{number}" for number in range(5)])
    data = anndata.AnnData(scipy.sparse.csr_matrix(numbers), obs, var)
    data.layers["twice"] = scipy.sparse.csr_matrix(numbers * 2)
    return data


def store(directory: Path, format: int = 2) -> Path:
    with anndata.settings.override(zarr_write_format=format):
        cells().write_zarr(directory)
    return directory


def files_of(directory: Path, root: str = "") -> dict[str, bytes]:
    return {
        root + str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def run(source: Path | str, data: Path, *options: str, stdin: bytes | None = None) -> Result:
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "count"]
    return CliRunner().invoke(main, ["import", str(source), *place, *options], input=stdin)


def check(result: Result, data: Path, expected: scipy.sparse.csr_matrix | None = None) -> None:
    assert result.exit_code == 0, result.output
    source = cells()
    wanted = source.X if expected is None else expected
    workshop = Workshop(data)
    found = workshop.store()
    assert found.samples.column("tissue").tolist() == list("aabbaab")
    assert found.features.column("symbol").tolist() == list("VWXYZ")
    np.testing.assert_array_equal(workshop.frame("count"), wanted.toarray().T)


def refused(source: Path, tmp_path: Path, *options: str) -> str:
    result = run(source, tmp_path / "data", *options)
    assert result.exit_code == 1, result.output
    assert not (tmp_path / "data").exists()
    assert "rnaget-import-" not in result.stderr and "Traceback" not in result.output
    return result.stderr


def in_store(path: Path, directory: Path) -> None:
    with zarr.storage.ZipStore(path, mode="w") as target:
        anndata.io.write_zarr(target, cells())


PACKED: dict[str, Callable[[Path, Path], object]] = {
    "in it": lambda path, directory: zipped(path, files_of(directory)),
    "its directory": lambda path, directory: zipped(path, files_of(directory, "cells.zarr/")),
    "within directories": lambda path, directory: zipped(path, files_of(directory, "a/b/cells.zarr/")),
    "with notes": lambda path, directory: zipped(
        path, {"README.md": b"what it is", "__MACOSX/._x": b"\0\0", **files_of(directory, "cells.zarr/")}
    ),
    "marks last": lambda path, directory: zipped(path, dict(reversed(files_of(directory, "./").items()))),
    "by zarr": in_store,
}


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("way", PACKED)
def test_a_store_in_a_zip_archive(way: str, format: int, tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr.zip"
    with anndata.settings.override(zarr_write_format=format):
        PACKED[way](path, store(tmp_path / "z", format))
    check(run(path, tmp_path / "data"), tmp_path / "data")
    check(run(path, tmp_path / "data", "--layer", "twice", "--replace"), tmp_path / "data", cells().layers["twice"])


def test_from_a_pipe_and_in_a_compressed_tar_archive(tmp_path: Path) -> None:
    directory = store(tmp_path / "cells.zarr")
    path = zipped(tmp_path / "x.zip", files_of(directory))
    check(run("-", tmp_path / "data", stdin=path.read_bytes()), tmp_path / "data")
    twice = tmp_path / "x.zip.gz"
    twice.write_bytes(gzip.compress(path.read_bytes()))
    check(run(twice, tmp_path / "data", "--replace"), tmp_path / "data")
    packed = tmp_path / "x.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(directory, "cells.zarr")
    check(run(packed, tmp_path / "data", "--replace"), tmp_path / "data")


def test_what_the_server_exports_is_imported_again(tmp_path: Path) -> None:
    source = tmp_path / "cells.h5ad"
    cells().write_h5ad(source)
    assert run(source, tmp_path / "data").exit_code == 0
    exported = tmp_path / "out.zarr.zip"
    result = CliRunner().invoke(main, ["export", "m", str(exported), "--data", str(tmp_path / "data")])
    assert result.exit_code == 0, result.output
    check(run(exported, tmp_path / "again"), tmp_path / "again")


def test_one_of_several_is_named(tmp_path: Path) -> None:
    one, other = store(tmp_path / "one"), tmp_path / "other"
    cells()[:, :2].write_zarr(other)
    members = {**files_of(one, "one.zarr/"), **files_of(other, "x/other.zarr/"), "m.tsv": b"gene\ts1\ng1\t1\n"}
    path = zipped(tmp_path / "x.zip", members)
    words = refused(path, tmp_path)
    assert "3 stores and files that may be meant: name one by --member: 'one.zarr/', 'x/other.zarr/', 'm.tsv'" in words
    for name in ("one.zarr", "./one.zarr/"):
        check(run(path, tmp_path / "data", "--member", name, "--replace"), tmp_path / "data")
    result = run(path, tmp_path / "data", "--member", "m.tsv", "--replace")
    assert result.exit_code == 0, result.output


def test_what_is_no_anndata_is_named_as_the_archive(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "plain.zarr", mode="w", zarr_format=2)
    group.create_array("x", data=np.arange(4))
    words = refused(zipped(tmp_path / "plain.zarr.zip", files_of(tmp_path / "plain.zarr")), tmp_path)
    assert f"{tmp_path}/plain.zarr.zip/.zgroup: this is Zarr and no AnnData, for it has no obs" in words


def test_expansion_is_bounded_for_each_file_and_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_NO_BOMB", 1 << 20)
    mark = {".zgroup": b'{"zarr_format": 2}'}
    one = zipped(tmp_path / "one.zip", {**mark, "X/0.0": bytes(3 << 20)})
    assert "1,000 times larger" in refused(one, tmp_path)
    many = zipped(tmp_path / "many.zip", {**mark, **{f"X/0.{number}": bytes(900 << 10) for number in range(9)}})
    assert "1,000 times larger" in refused(many, tmp_path)


def link(path: Path, name: str) -> Path:
    record = zipfile.ZipInfo("X/0.0")
    record.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(".zgroup", '{"zarr_format": 2}')
        file.writestr(record, name)
    return path


def test_hostile_stores(tmp_path: Path) -> None:
    mark = {".zgroup": b'{"zarr_format": 2}'}
    path = tmp_path / "x.zip"
    assert "leads out of it" in refused(zipped(path, {**mark, "../X": b"1"}), tmp_path)
    assert "is a link or a device" in refused(link(path, "/etc/passwd"), tmp_path)
    conflict = {**mark, "X": b"1", "X/0": b"2"}
    assert "a file or a directory of that name as well" in refused(zipped(path, conflict), tmp_path)
    conflict = {**mark, "X/0": b"2", "X": b"1"}
    assert "a file or a directory of that name as well" in refused(zipped(path, conflict), tmp_path)
    members = files_of(store(tmp_path / "z"))
    named = next(name for name in members if name.startswith("X/data") and name.endswith(".zarray"))
    metadata = json.loads(members[named]) | {"compressor": {"id": "pickle"}}
    refusal = refused(zipped(path, members | {named: json.dumps(metadata).encode()}), tmp_path)
    assert f"has the codec 'pickle' in {named}" in refusal
    whole = zipped(path, members).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged or cut off" in refused(path, tmp_path)
    damaged = bytearray(whole)
    at = damaged.find(b"PK\x03\x04", 2000) + 60
    damaged[at : at + 20] = bytes(20)
    path.write_bytes(damaged)
    refused(path, tmp_path)
