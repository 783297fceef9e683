"""A store with hidden samples: its cells, labels and embeddings are those that pandas leaves."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.datasets.guarded import Guard, GuardedStore
from rnaget_server.datasets.masked import hidden_samples, masked
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.errors import StoreFailure
from rnaget_server.model.access import PUBLIC, Access, SampleAccess, SampleRule
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import FixedText, Numbers
from rnaget_server.settings import Settings
from rnaget_server.stores.loom import LoomStore
from rnaget_server.testing.stores import check_sparse
from tests.access.marked import write_loom
from tests.conftest import ROOT, examples
from tests.datasets.masked_material import (
    GENES,
    KINDS,
    SAMPLES,
    Source,
    made_source,
    published,
    published_text,
    rules,
    with_rules,
)

UNITS = "counts"
DISEASE = {"consent": ["disease", "disease,other"]}
CONDITIONS = st.dictionaries(
    st.sampled_from(["consent", "tissue", "donor", "age"]),
    st.sets(
        st.sampled_from(["general", "disease", "disease,other", "liver", "β-cell", "d0", "d3", "22", "24", "none"]),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=2,
)


@pytest.fixture(scope="module")
def source() -> Source:
    return made_source()


@pytest.fixture(scope="module")
def view(source: Source, tmp_path_factory: pytest.TempPathFactory) -> View:
    data = published(source, tmp_path_factory.mktemp("masked"))
    return open_repository(Settings(data=data, reload_seconds=0)).visible_to()


def opened(view: View, id: str, access: SampleAccess | None = None) -> GuardedStore:
    return view.stores.open(replace(view.catalog.matrices[id], sample_access=access))


def cells_of(store: GuardedStore, *selection: Any) -> np.ndarray:
    blocks = list(store.blocks(UNITS, *selection))
    assert all(block.flags.c_contiguous for block in blocks)
    return np.concatenate(blocks)


def positions(draw: st.DataObject, size: int) -> np.ndarray | None:
    chosen = draw.draw(st.none() | st.sets(st.integers(0, size - 1), max_size=size) if size else st.none())
    return None if chosen is None else np.array(sorted(chosen), np.int64)


@pytest.mark.parametrize("id", KINDS)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from(["NaN", "omit"]), st.data())
@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
def test_cells_are_those_that_pandas_leaves(
    view: View, source: Source, id: str, conditions: list[Any], others_see: str, data: st.DataObject
) -> None:
    access = rules(others_see, *conditions)
    store, hidden = opened(view, id, access), source.hidden(access)
    cells, samples, umap = source.cells.copy(), source.samples, source.umap.copy()
    if others_see == "omit":
        cells, samples, umap = cells.loc[:, ~hidden], samples[~hidden], umap[~hidden]
    else:
        cells.loc[:, hidden] = np.nan
        umap[hidden] = np.nan
    assert store.shape == cells.shape
    assert store.samples.size == len(samples)
    assert store.samples.column("sample").tolist() == list(samples.index)
    assert store.samples.column("tissue").tolist() == list(samples["tissue"])
    assert store.features.column("gene").tolist() == GENES
    rows, columns = positions(data, len(GENES)), positions(data, len(samples))
    wanted = cells.to_numpy()[slice(None) if rows is None else rows][:, slice(None) if columns is None else columns]
    if wanted.size:
        assert np.array_equal(cells_of(store, rows, columns), wanted, equal_nan=True)
        stored = store.sparse(UNITS, rows, columns)
        if stored is not None:
            check_sparse(stored, wanted)
        layer = store.layer(UNITS, rows, columns)
        assert np.array_equal(np.concatenate(list(layer.blocks())), wanted, equal_nan=True)
        assert layer.held() >= 0
    assert store.ranges(UNITS) is None or not hidden.any()
    if id != "text":
        assert np.array_equal(store.embedding("X_umap"), umap, equal_nan=True)
    tsne = store.embedding("tsne")
    assert np.isnan(tsne[hidden[samples.index]]).all()
    assert not np.isnan(tsne[~hidden[samples.index]]).any()
    assert np.array_equal(store.samples.column("tsne_1").astype(np.float32), tsne[:, 0], equal_nan=True)


def test_every_coordinate_is_hidden(tmp_path: Path) -> None:
    """A third one, those of a second embedding whose name differs in a letter, and numbers that are text."""
    path = tmp_path / "m.loom"
    texts = {"UMAP_1": ["1.5", "2.5", "3.5"], "UMAP_2": ["4", "5", "6"], "UMAP_3": ["7", "8", "9"]}
    others = {
        "sample": ["a", "b", "c"],
        "UMAP_type": ["x", "y", "z"],
        "pos_x": ["p", "q", "r"],
        "pos_y": ["s", "t", "u"],
    }
    write_loom(path, np.ones((1, 3), np.float32), {"gene": ["g"]}, {**others, **texts})
    numbers = {"UMAP.1": [1, 2, 3], "UMAP.2": [4, 5, 6], "UMAP.10": [7, 8, 9], "x.x": [1, 2, 3], "x.y": [4, 5, 6]}
    with h5py.File(path, "a") as file:
        for name, values in {**numbers, "x.z": [7, 8, 9]}.items():
            file[f"col_attrs/{name}"] = np.array(values, np.float64)
    whole = GuardedStore(LoomStore(path, "counts"), Guard(lambda error: StoreFailure(str(error), "m")))
    store = masked(whole, "m", rules("NaN", {"sample": "b"}))
    for name, text in texts.items():
        assert store.samples.column(name).tolist() == [text[0], "", text[2]]
        assert store.samples.where(name, [text[1]])[1] == [text[1]]
    for name in (*numbers, "x.z"):
        first, second, third = store.samples.column(name).tolist()
        assert (first, third) == tuple(whole.samples.column(name)[[0, 2]]) and np.isnan(second), name
    for name, values in others.items():
        assert store.samples.column(name).tolist() == values


@pytest.mark.parametrize("id", KINDS)
def test_the_file_that_all_share_stays_as_it_is(view: View, source: Source, id: str) -> None:
    whole = opened(view, id)
    before = cells_of(whole)
    for others_see in ("NaN", "omit"):
        cells_of(opened(view, id, rules(others_see, DISEASE)))
        opened(view, id, rules(others_see, DISEASE)).embedding("tsne")
    assert opened(view, id) is whole
    assert np.array_equal(cells_of(whole), before, equal_nan=True)
    assert np.array_equal(before, source.cells, equal_nan=True)
    if id != "text":
        assert np.array_equal(whole.embedding("X_umap"), source.umap, equal_nan=True)
    assert whole.samples.column("tsne_1").tolist() == source.samples["tsne_1"].tolist()


def test_a_file_is_opened_once_and_a_mask_made_once(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, first = opened(view, "sparse"), opened(view, "sparse", rules("NaN", DISEASE))
    monkeypatch.setattr("rnaget_server.datasets.opening.open_store", None)
    monkeypatch.setattr("rnaget_server.datasets.masked.hidden_samples", None)
    assert opened(view, "sparse", rules("NaN", DISEASE)) is first is not whole
    # The grants are not part of what is hidden.
    other = SampleAccess((SampleRule(rules("NaN", DISEASE).rules[0].where, Access("registered")),), "NaN")
    assert opened(view, "sparse", other) is first
    assert opened(view, "sparse") is whole
    with pytest.raises(StoreFailure):  # a mask that is not known yet has to be made
        opened(view, "sparse", rules("NaN", {"tissue": "a tissue of nobody"}))


def test_each_mask_is_a_version_of_its_own(view: View) -> None:
    masks = [
        None,
        rules("NaN", DISEASE),
        rules("omit", DISEASE),
        rules("NaN", {"consent": "disease"}),
        rules("NaN", DISEASE, {"tissue": "liver"}),
        rules("NaN", {**DISEASE, "tissue": "liver"}),
    ]
    assert len({opened(view, "dense", mask).version for mask in masks}) == len(masks)
    same = rules("NaN", {"tissue": "liver"}, {"consent": ["disease,other", "disease"]})
    assert opened(view, "dense", same).version == opened(view, "dense", masks[4]).version


@pytest.mark.parametrize("others_see", ["NaN", "omit"])
def test_all_samples_are_hidden_where_a_rule_names_no_attribute(
    view: View, others_see: str, caplog: pytest.LogCaptureFixture
) -> None:
    access = rules(others_see, {"tissue": "liver"}, {"agreed": "no"})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            store = opened(view, "dense", access)
    assert [record.getMessage() for record in caplog.records] == [
        "the matrix dense: all its samples are hidden, since rules for them name attributes that they do not have: "
        "agreed"
    ]
    if others_see == "omit":
        assert store.shape == (len(GENES), 0)
        assert store.samples.column("sample").tolist() == []
    else:
        assert store.shape == (len(GENES), len(SAMPLES))
        assert np.isnan(cells_of(store)).all()


def test_a_comma_in_a_value_is_its_own(view: View, source: Source) -> None:
    store = opened(view, "text", rules("omit", {"consent": "general,disease"}))
    assert store.samples.size == len(SAMPLES)  # no sample has both words
    store = opened(view, "text", rules("omit", {"consent": "disease,other"}))
    assert store.samples.size == (source.samples["consent"] != "disease,other").sum()


def test_a_value_is_meant_however_the_file_has_it() -> None:
    """The value of a rule hides what is shown so, and numbers are compared as such."""
    texts = np.array(["caf\u00e9".encode(), b"caf&#233;", b"&lt;5", b"<5", b"cafe", b""])
    columns = {"place": FixedText(texts), "age": Numbers(np.array([20.0, 2, np.nan, 20, 5, 200]))}
    samples = Axis(len(texts), tuple(columns), columns.__getitem__)

    def hidden(**where: str) -> list[bool]:
        return list(hidden_samples(samples, rules("NaN", where)))

    assert hidden(place="caf\u00e9") == [True, True, False, False, False, False]
    assert hidden(place="<5") == [False, False, True, True, False, False]
    assert hidden(age="20") == hidden(age="20.0") == [True, False, False, True, False, False]
    assert hidden(age="20", place="<5") == [False, False, False, True, False, False]
    assert hidden(age="") == [False, False, True, False, False, False]


def test_rows_that_are_not_to_be_written_to(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of a third party may hand over what it keeps."""
    whole = opened(view, "dense")
    kept = cells_of(whole)
    kept.flags.writeable = False
    monkeypatch.setattr(whole._whole, "blocks", lambda *_: iter([kept]), raising=False)
    store = opened(view, "dense", rules("NaN", {"tissue": "heart"}))
    hidden = store.samples.where("tissue", ["heart"])[0]
    assert np.isnan(cells_of(store)[:, hidden]).all()
    assert not np.isnan(kept[:, hidden]).all()


def test_a_file_that_is_replaced_gets_a_new_mask(source: Source, tmp_path: Path) -> None:
    data = published_text(source, tmp_path)
    view = open_repository(Settings(data=data, reload_seconds=0)).visible_to()
    access = rules("omit", {"tissue": "liver"})
    before = opened(view, "text", access)
    other = replace(source, samples=source.samples.assign(tissue="liver"))
    again = published_text(other, tmp_path / "again")
    path = view.catalog.matrices["text"].path
    path.write_bytes(next(again.rglob(path.name)).read_bytes())
    after = opened(view, "text", access)
    assert after.version != before.version
    assert after.shape == (len(GENES), 0)


def test_files_of_masked_matrices_are_not_offered(view: View) -> None:
    catalog = with_rules(view.catalog, {"dense": rules("NaN", DISEASE)})
    offered = {file.record for file in catalog.files.values()}
    assert offered == set(KINDS) - {"dense"}
    assert {file.record for file in view.catalog.files.values()} == set(KINDS)


def test_rules_read_the_same_in_every_process() -> None:
    """Entity tags are made of the records as text, and the order of a set is not that of another process."""
    code = (
        "from rnaget_server.model.access import *;"
        "rule = SampleRule({'b': frozenset('xyzuvw'), 'a': frozenset('pqrs')}, Access('controlled', frozenset('abc')));"
        "access = SampleAccess((rule,), 'NaN'); print(repr(access), access.mask)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
    assert repr(PUBLIC) == "Access('public', [])"


def test_a_missing_file_is_one_that_the_catalogue_confirms(source: Source, tmp_path: Path) -> None:
    """The rules that bind the one who asks are no change of the catalogue."""
    data = published_text(source, tmp_path)
    repository = open_repository(Settings(data=data, reload_seconds=1))
    view = repository.visible_to()
    view.catalog.matrices["text"].path.unlink()
    with pytest.raises(StoreFailure):
        opened(view, "text", rules("NaN", DISEASE))
    record = view.catalog.matrices["text"]
    assert repository.live.confirms(replace(record, sample_access=rules("NaN", DISEASE)))
    assert not repository.live.confirms(replace(record, units="TPM"))
