"""Matrices of several files: which fit together, and what becomes of a file that is missing, damaged or replaced."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from rnaget_server.datasets.masked import hidden_samples
from rnaget_server.datasets.opening import StoreCache, open_store, problems_of
from rnaget_server.delivery import etags
from rnaget_server.model import repeated
from rnaget_server.plugins import Registry
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import OpenShards, look
from tests.conftest import client_of, new_study
from tests.datasets.masked_material import rules
from tests.stores.sharded.cutting import open_cut, write_part

KINDS = Registry("rnaget_server.stores")
GENES = [f"G{number}" for number in range(5)]
_ENTRY = "{{id: m, files: {files}, units: TPM, feature_id: gene, sample_id: sample{more}}}"


def _write(path: Path, start: int, count: int = 3, kind: str = "dense", **changed: Any) -> Path:
    """Write a file whose cells tell their feature and sample."""
    genes = np.array(changed.get("genes", GENES), object)
    ids = np.array(changed.get("ids", [f"s{start + number}" for number in range(count)]), object)
    rows = [GENES.index(gene) if gene in GENES else 99 for gene in genes]
    cells = np.add.outer(np.array(rows) * 100.0, np.arange(start, start + len(ids)))
    columns = {"sample": ids, **changed.get("columns", {"tissue": np.array(["liver"] * len(ids), object)})}
    samples = AxisTable("sample", columns, embeddings={"X_umap": np.zeros((len(ids), 2), np.float32)})
    layers = [
        (units, (cells * factor).astype(changed.get("dtype", np.float32)), True)
        for units, factor in zip(changed.get("units", ("TPM",)), (1, 2), strict=False)
    ]
    return write_part(path, kind, AxisTable("gene", {"gene": genes}), samples, layers)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Any]:
    """A study of one matrix of three files, by a pattern; `entry` changes what is said of it."""
    directory = new_study(tmp_path / "data")
    for number in range(3):
        _write(directory / f"part-{number}", 3 * number)

    def entry(files: str = "part-*", more: str = "") -> None:
        line = _ENTRY.format(files=files, more=more)
        (directory / "study.yaml").write_text(f"id: s\nexpressions:\n  - {line}\n")

    def matrix() -> Any:
        catalog, problems = load(tmp_path / "data")
        assert catalog is not None and not problems
        return catalog.matrices["m"]

    def problems() -> list[str]:
        return problems_of(matrix(), KINDS, FileAccess())

    entry()
    yield SimpleNamespace(data=tmp_path / "data", directory=directory, entry=entry, matrix=matrix, problems=problems)


@pytest.fixture
def client(study: Any) -> Iterator[TestClient]:
    yield from client_of(study.data, reload_seconds=1e-6, rate_limit="")


def _bytes(client: TestClient, **asked: str) -> Any:
    return client.get("/rnaget/expressions/m/bytes", params={"format": "tsv", **asked})


def test_a_pattern_is_in_the_order_of_names_and_a_list_in_its_own(study: Any) -> None:
    assert [path.name for path in study.matrix().paths] == ["part-0.h5", "part-1.h5", "part-2.h5"]
    study.entry("[part-2.h5, part-*.h5]")
    assert [path.name for path in study.matrix().paths] == ["part-2.h5", "part-0.h5", "part-1.h5"]
    store = open_store(study.matrix(), KINDS)
    assert store.samples.column("sample").tolist() == [f"s{number}" for number in (6, 7, 8, 0, 1, 2, 3, 4, 5)]
    assert study.problems() == []


def test_one_file_of_a_pattern_is_a_matrix_like_any_other(study: Any) -> None:
    study.entry("part-1*")
    assert study.matrix().shards == ()
    assert study.problems() == []


def test_file_and_files_exclude_each_other(study: Any) -> None:
    study.entry("[part-0.h5]", ", file: part-1.h5")
    _, problems = load(study.data)
    assert "either `file` or `files`" in str(problems[0])


def test_check_says_that_nothing_matches(study: Any) -> None:
    study.entry("other-*.h5")
    reply = CliRunner().invoke(main, ["check", str(study.data)])
    assert reply.exit_code == 1
    assert "no file matches other-*.h5" in reply.output


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"genes": GENES[:-2]}, "part-1.h5 lacks 2 features (G3, G4) of part-0.h5"),
        ({"genes": [*GENES, "NEW"]}, "part-1.h5 has 1 features (NEW) that part-0.h5 does not have"),
        ({"genes": [*GENES[:-1], "G0"]}, "part-1.h5 has a feature id more than once"),
        ({"ids": ["s20", "s2", "s21"]}, "the sample id 's2' is in part-0.h5 and in part-1.h5"),
        ({"ids": ["s20", "s20", "s21"]}, "part-1.h5 has the sample id 's20' more than once"),
        ({"ids": ["s20", "", "s21"]}, "part-1.h5 has no sample id in row 2"),
        ({"units": ("TPM", "counts")}, "part-1.h5 has the units TPM, counts, and part-0.h5 has TPM"),
    ],
)
def test_files_that_do_not_fit_together_are_refused_by_name(
    study: Any, client: TestClient, written: dict[str, Any], says: str
) -> None:
    assert _bytes(client).status_code == 200
    _write(study.directory / "part-1", 3, **written)
    assert len(study.problems()) == 1
    assert says in study.problems()[0]
    assert str(study.data) not in study.problems()[0]
    assert _bytes(client).status_code == 503


@pytest.mark.parametrize("more", [", filters: {donor: {attribute: donor, axis: sample}}", ', tsv: {column: "{donor}"}'])
def test_what_the_catalogue_names_is_in_every_file(study: Any, more: str) -> None:
    ids = np.array(["d1", "d2", "d3"], object)
    _write(study.directory / "part-1", 3, columns={"donor": ids})
    study.entry(more=more)
    assert "no sample attribute 'donor', which other files of the matrix have" in study.problems()[0]
    assert "part-0.h5" in study.problems()[0] or "part-2.h5" in study.problems()[0]


def test_attributes_that_a_file_lacks_are_empty_there(study: Any) -> None:
    ids = np.array(["d1", "d2", "d3"], object)
    _write(study.directory / "part-1", 3, columns={"donor": ids, "age": np.array([1, 2, 3])})
    _write(study.directory / "part-2", 6, columns={"donor": np.array(["", "", ""], object), "age": ids})
    samples = open_store(study.matrix(), KINDS).samples
    assert samples.column("donor").tolist() == ["", "", "", "d1", "d2", "d3", "", "", ""]
    assert samples.column("age").tolist() == ["", "", "", "1", "2", "3", "d1", "d2", "d3"]
    _write(study.directory / "part-2", 6, columns={"age": np.array(["", "", ""], object)})
    samples = open_store(study.matrix(), KINDS).samples
    np.testing.assert_array_equal(samples.column("age"), [np.nan] * 3 + [1, 2, 3] + [np.nan] * 3)
    assert samples.between("age", 2, None).tolist() == [4, 5]


def test_a_rule_about_an_attribute_that_a_file_lacks_hides_all(study: Any) -> None:
    _write(study.directory / "part-1", 3, columns={})
    store = open_store(study.matrix(), KINDS)
    access = rules("omit", {"tissue": "heart"})
    assert hidden_samples(store.samples, access).all()
    problems = problems_of(replace(study.matrix(), sample_access=access), KINDS, FileAccess())
    assert any("access: part-1.h5 has no sample attribute 'tissue'" in problem for problem in problems)


def test_types_are_widened(study: Any) -> None:
    _write(study.directory / "part-2", 6, dtype=np.float64)
    store = open_store(study.matrix(), KINDS)
    assert store.dtype("TPM") == np.float64
    cells = np.concatenate(list(store.blocks("TPM")))
    np.testing.assert_array_equal(cells, np.add.outer(np.arange(5) * 100.0, np.arange(9)))


def _changed(client: TestClient, change: Callable[[], object]) -> tuple[Any, Any]:
    before = _bytes(client)
    assert before.status_code == 200
    change()
    return before, _bytes(client)


def test_a_file_put_in_the_place_of_another_is_read_and_has_another_tag(study: Any, client: TestClient) -> None:
    def put() -> None:
        new = _write(study.directory / "new", 50)
        os.replace(new, study.directory / "part-1.h5")

    before, after = _changed(client, put)
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.text.splitlines()[0].split("\t")[1:] == ["s0", "s1", "s2", "s50", "s51", "s52", "s6", "s7", "s8"]
    assert after.text.splitlines()[1].split("\t")[1:] == ["0", "1", "2", "50", "51", "52", "6", "7", "8"]


def test_a_matrix_has_an_entity_tag_however_many_files_it_has(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etags, "_MAX_FILES", 2)
    assert _bytes(client).headers["ETag"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_file_is_503_for_the_matrix_until_it_is_back(study: Any, client: TestClient, number: int) -> None:
    path = study.directory / f"part-{number}.h5"
    before, gone = _changed(client, lambda: path.rename(study.directory / "away"))
    assert gone.status_code == 503
    assert f"there is no file {path.name}" not in gone.text  # which is for the log
    (study.directory / "away").rename(path)
    assert _bytes(client).text == before.text
    assert study.problems() == []


def test_a_damaged_file_is_503_and_named_in_the_log(
    study: Any, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    path = study.directory / "part-2.h5"
    kept = path.read_bytes()
    _, damaged = _changed(client, lambda: path.write_bytes(kept[: len(kept) // 2]))
    assert damaged.status_code == 503
    assert "part-2.h5" in caplog.text
    assert "part-2.h5" in study.problems()[0]
    os.utime(path.parent)
    path.write_bytes(kept)
    assert _bytes(client).status_code == 200


def _indexes(directory: Path) -> list[Path]:
    return [path for path in (directory / "cache" / "shards").iterdir() if path.is_dir()]


def test_a_server_keeps_an_index_and_takes_over_files_that_come(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.entry(more=", filters: {tissue: {attribute: tissue, axis: sample}}")
    monkeypatch.setattr(look, "FEW", 0)
    for number in range(3):
        os.utime(study.directory / f"part-{number}.h5", (0, 0))
    settings = {"reload_seconds": 1e-6, "rate_limit": "", "cache_directory": tmp_path / "cache"}
    with contextmanager(client_of)(study.data, **settings) as client:
        before = _bytes(client, tissue="liver")
        assert before.text.splitlines()[0].split("\t")[1:] == [f"s{number}" for number in range(9)]
    (index,) = _indexes(tmp_path)
    made = {path.name: path.stat().st_mtime_ns for path in index.iterdir() if path.name != "lock"}
    with contextmanager(client_of)(study.data, **settings) as client:
        assert _bytes(client, tissue="liver").text == before.text
        assert {path.name: path.stat().st_mtime_ns for path in index.iterdir() if path.name != "lock"} == made
        os.replace(_write(study.directory / "new", 9), study.directory / "part-3.h5")
        after = _bytes(client, tissue="liver")
    assert after.text.splitlines()[1].split("\t")[1:] == [str(number) for number in range(12)]
    assert after.headers["ETag"] != before.headers["ETag"]
    assert _indexes(tmp_path) == [index]


def test_no_reply_is_made_of_old_and_new_files(study: Any) -> None:
    opened = OpenShards(most=1)
    paths = [study.directory / f"part-{number}.h5" for number in range(3)]
    store = open_cut(paths, "TPM", ("gene", "sample"), opened)
    list(store.blocks("TPM"))
    os.replace(_write(study.directory / "new", 50), paths[1])
    with pytest.raises(OSError, match=r"part-1\.h5 was replaced since the matrix was opened"):
        list(store.blocks("TPM"))
    last = np.concatenate(list(store.blocks("TPM", None, np.array([0, 8]))))
    np.testing.assert_array_equal(last, np.add.outer(np.arange(5) * 100.0, [0, 8]))
    paths[1].unlink()
    with pytest.raises(OSError, match=r"part-1\.h5 is gone since the matrix was opened"):
        store.samples.column("sample")


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_many_files_are_not_all_open(study: Any) -> None:
    for number in range(3, 60):
        _write(study.directory / f"part-{number:03}", 3 * number)
    before = _open_files()
    stores = StoreCache(KINDS)
    matrix = study.matrix()
    assert len(matrix.paths) == 60
    opened = OpenShards(most=4)
    store = open_store(matrix, KINDS, None, opened)
    assert store.shape == (5, 180)
    assert _open_files() - before <= 2 * 6
    cells = np.concatenate(list(store.blocks("TPM")))
    assert cells.shape == (5, 180)
    found, missing = store.samples.find("sample", ["s100", "s4", "t"])
    assert set(store.samples.column("sample", found)) == {"s4", "s100"}
    assert missing == ["t"]
    assert _open_files() - before <= 2 * 6
    assert stores.open(matrix).shape == (5, 180)


@pytest.mark.parametrize("kind", ["dense", "sparse", "csr", "array", "loom"])
def test_a_store_that_is_let_go_closes_its_file_at_once(tmp_path: Path, kind: str) -> None:
    paths = [_write(tmp_path / f"part-{number}", 3 * number, kind=kind) for number in range(6)]
    gc.collect()
    gc.disable()
    try:
        before = _open_files()
        store = open_cut(paths, "TPM", ("gene", "sample"), OpenShards(most=1))
        list(store.blocks("TPM"))
        assert store.samples.find("sample", ["s4"])[0].tolist() == [4]
        assert store.samples.factorized("tissue").first.tolist() == [0]
        assert _open_files() - before <= 2 * 2  # the first file, for the features, and one more
        del store
        assert _open_files() == before
    finally:
        gc.enable()


def test_ids_are_compared_in_rounds(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "_AT_ONCE", 2)
    assert study.problems() == []
    _write(study.directory / "part-2", 6, ids=["s6", "s0", "s8"])
    assert "the sample id 's0' is in part-0.h5 and in part-2.h5" in study.problems()[0]


def test_different_ids_of_the_same_number_are_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "_hashed", lambda texts: np.zeros(len(texts), np.uint64))
    columns = [np.array([b"a", b"b"]), np.array([b"c"])]
    assert repeated.first_repeated([2, 1], columns.__getitem__) is None
    columns[1] = np.array([b"b"])
    assert repeated.first_repeated([2, 1], columns.__getitem__) == "b"


def test_files_are_offered_one_by_one(study: Any) -> None:
    catalog, _ = load(study.data)
    assert catalog is not None
    assert [file.path.name for file in catalog.files.values()] == ["part-0.h5", "part-1.h5", "part-2.h5"]


def test_a_matrix_of_several_files_is_exported(study: Any, tmp_path: Path) -> None:
    target = tmp_path / "m.tsv"
    command = ["export", "m", str(target), "--data", str(study.data), "--format", "tsv"]
    reply = CliRunner().invoke(main, command)
    assert reply.exit_code == 0, reply.output
    table = pd.read_csv(target, sep="\t", index_col=0)
    np.testing.assert_array_equal(table.to_numpy(), np.add.outer(np.arange(5) * 100.0, np.arange(9)))


def test_an_import_puts_one_file_in_the_place_of_several(study: Any, tmp_path: Path) -> None:
    source = tmp_path / "one.tsv"
    source.write_text("gene\tx\ty\nG0\t1\t2\n")
    command = ["import", str(source), "--data", str(study.data), "--project", "p", "--study", "s", "--id", "m"]
    refused = CliRunner().invoke(main, [*command, "--units", "counts"])
    assert refused.exit_code != 0
    assert "is of 3 files and takes no further units" in refused.output
    replaced = CliRunner().invoke(main, [*command, "--units", "TPM", "--replace"])
    assert replaced.exit_code == 0, replaced.output
    assert "3 files of the matrix are no longer used" in replaced.output
    assert study.matrix().shards == ()
    assert (study.directory / "part-0.h5").exists()
    assert study.problems() == []
