"""The index of a catalogue reads only what has changed, keeps equal axes once, and stays within its bounds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.datasets.repository import Repository, open_repository
from rnaget_server.settings import Settings
from rnaget_server.slicing.search import pool
from rnaget_server.slicing.search.index import SearchIndex, first_index, full_index
from rnaget_server.slicing.search.service import SearchIndexes
from tests.conftest import import_matrix

MATRICES = {"a": "s1\ts2", "b": "s1\ts2", "c": "s1\ts3"}


def write(data: Path, id: str, samples: str, extra: str = "") -> None:
    table = data.parent / "m.tsv"
    table.write_text(f"id\tname\t{samples}\nG1\tAA\t1\t2\nG2\tBB\t3\t4\n{extra}", encoding="utf-8")
    options = ("--feature-id", "id", "--feature-name", "name", "--label-columns", "2")
    import_matrix(data, table, "--id", id, "--units", "TPM", *options)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("index") / "data"
    write_new_catalog(data)
    for id, samples in MATRICES.items():
        write(data, id, samples)
    return data


@pytest.fixture
def repository(original: Path, tmp_path: Path) -> Repository:
    data = Path(shutil.copytree(original, tmp_path / "data"))
    return open_repository(Settings(data=data, reload_seconds=0))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids of the matrices that were opened."""
    ids: list[str] = []
    original = StoreCache.open

    def count(self: StoreCache, matrix: object, *rest: object) -> object:
        ids.append(matrix.id)  # type: ignore[attr-defined]
        return original(self, matrix, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(StoreCache, "open", count)
    yield ids


def made(repository: Repository, before: SearchIndex | None = None) -> SearchIndex:
    view = repository.visible_to()
    return full_index(view, first_index(view.catalog, before))


def names(index: SearchIndex) -> set[tuple[str, str]]:
    entries = index.features.entries
    return {(entries.ids[number], entries.names[number]) for number in range(len(entries))}


def test_equal_axes_are_kept_once(repository: Repository) -> None:
    index = made(repository)
    assert names(index) == {("G1", "AA"), ("G2", "BB")}
    assert (len(index.features.members), len(index.samples.members), len(index.samples.entries)) == (1, 2, 3)
    (entry,) = index.samples.entries.named("s3")
    (digest,) = index.samples.axes_of(entry)
    assert [matrix.id for matrix in index.matrices_with("samples", [digest])] == ["c"]


def test_nothing_is_read_again_that_has_not_changed(repository: Repository, opened: list[str]) -> None:
    first = made(repository)
    assert set(opened) == set(MATRICES)
    opened.clear()
    second = made(repository, first)
    assert (opened, second.features is first.features, second.values is first.values) == ([], True, True)


def test_only_a_changed_file_is_read(repository: Repository, opened: list[str]) -> None:
    first = made(repository)
    matrix = repository.visible_to().catalog.matrices["b"]
    write(_other(matrix.path), "b", "s1\ts2", "G3\tCC\t5\t6\n")
    shutil.copy(next(_other(matrix.path).rglob("b*.h5")), matrix.path)
    assert not first.is_current()
    opened.clear()
    second = made(repository, first)
    assert set(opened) == {"b"}
    assert names(second) == {("G1", "AA"), ("G2", "BB"), ("G3", "CC")}
    assert second.is_current()


def _other(path: Path) -> Path:
    data = path.parents[2].parent / "elsewhere"
    if not data.exists():
        write_new_catalog(data)
    return data


def test_names_of_a_lost_file_go(repository: Repository) -> None:
    first = made(repository)
    os.unlink(repository.visible_to().catalog.matrices["c"].path)
    second = made(repository, first)
    assert second.unavailable == ("c",)
    assert not second.samples.entries.named("s3")


def test_what_is_too_large_is_left_out_and_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_ENTRIES", 2)
    index = made(repository)
    assert index.left_out == ("c",)  # its samples are one more
    assert names(index) == {("G1", "AA"), ("G2", "BB")}
    assert not index.samples.entries.named("s3")


def test_a_request_does_not_wait_for_the_first_index(repository: Repository) -> None:
    searches = SearchIndexes()
    at_once = searches.current(repository.visible_to(), 0)
    assert set(at_once.records["matrix"].entries.named("a")) == {0}
    later = searches.current(repository.visible_to(), 60)
    assert later.is_complete
    assert searches.current(repository.visible_to(), 0) is later
