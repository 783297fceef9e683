"""Imports of real files, against what pandas reads from the same files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import read_source

Write = Callable[..., Path]


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found.index) == [str(id) for id in expected.index]
    assert list(found.columns) == [str(id) for id in expected.columns]
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


@pytest.mark.parametrize("order", [("tpm", "raw"), pytest.param(("raw", "tpm"), marks=pytest.mark.long)])
def test_uhlen_in_two_units(workshop: Any, shared_data: Path, order: tuple[str, str]) -> None:
    genes = shared_data / "genes" / "geneInfoEns76.tsv.gz"
    first, second = (shared_data / "uhlen" / f"uhlen.htseq.{kind}.pooled.tsv.gz" for kind in order)
    workshop.run(first, units=order[0], features=genes, feature_name="gene_name")
    outcome = workshop.run(second, units=order[1])
    assert workshop.store().units == order
    assert workshop.matrix().units == order[0]
    for kind, path in zip(order, (first, second), strict=True):
        expected = read_source(path)
        assert_same(workshop.frame(kind), expected)
        np.testing.assert_array_equal(workshop.by_columns(kind), expected.to_numpy())
        assert not workshop.store().whole(kind)
    table = pd.read_csv(genes, sep="\t", index_col=0).loc[workshop.frame(order[0]).index]
    assert workshop.store().features.column("gene_name").tolist() == table["gene_name"].tolist()
    np.testing.assert_array_equal(workshop.store().features.column("Gene.length"), table["Gene.length"])
    assert workshop.store().features.column("transcript_count").dtype == np.int64
    assert not any("joined" in remark for remark in outcome.remarks)


@pytest.mark.parametrize("order", [("raw", "fpkm"), ("fpkm", "raw")])
def test_bodymap_whose_units_differ_by_four_genes(workshop: Any, shared_data: Path, order: tuple[str, str]) -> None:
    paths = {kind: shared_data / "bodymap" / f"ibm.htseq.{kind}.tsv.gz" for kind in order}
    frames = {kind: read_source(path) for kind, path in paths.items()}
    outcomes = [workshop.run(paths[kind], units=kind) for kind in order]
    extra = frames["raw"].index.difference(frames["fpkm"].index)
    assert len(extra) == 4
    ids = [*frames[order[0]].index, *(id for id in frames[order[1]].index if id not in frames[order[0]].index)]
    for kind in order:
        expected = frames[kind].reindex(ids)
        assert_same(workshop.frame(kind), expected)
        np.testing.assert_array_equal(workshop.by_columns(kind), expected.to_numpy())
    assert workshop.store().whole("raw")
    assert not workshop.store().whole("fpkm")
    assert np.isnan(workshop.frame("fpkm").loc[list(extra)].to_numpy()).all()
    added, lacking = (4, 0) if order[0] == "fpkm" else (0, 4)
    assert any(
        f"joined to 48267: {added} of them were not in m yet, {lacking} of them have no {order[1]}" in remark
        for remark in outcomes[1].remarks
    )


def test_brawand(workshop: Any, shared_data: Path) -> None:
    path = shared_data / "brawand" / "brawand.htseq.fpkm.tsv.gz"
    outcome = workshop.run(path, units="FPKM")
    assert_same(workshop.frame("FPKM"), read_source(path))
    assert "44479 features × 21 samples, in FPKM" in outcome.remarks[0]
    assert outcome.query.endswith("featureIDList=ENSG00000000003")
    matrix = workshop.matrix()
    assert (matrix.feature_id, matrix.sample_id, matrix.feature_name) == ("gene_id", "Sample", None)
    assert (matrix.tsv.labels, matrix.tsv.column, matrix.tsv.comments) == (("gene_id",), "{Sample}", False)
    assert {path.name for path in outcome.file.parent.iterdir()} == {"m.h5", "study.yaml"}


def test_marioni_with_both_tables(workshop: Any, shared_data: Path) -> None:
    folder = shared_data / "marioni"
    workshop.run(folder / "counts.tsv", units="count", samples=folder / "samples.tsv", features=folder / "genes.tsv")
    assert_same(workshop.frame("count"), read_source(folder / "counts.tsv"))
    store, matrix = workshop.store(), workshop.matrix()
    assert store.whole("count")
    assert store.dtype("count") == np.float32
    samples, genes = (pd.read_csv(folder / name, sep="\t") for name in ("samples.tsv", "genes.tsv"))
    assert (matrix.sample_id, store.samples.attributes) == ("rownames", ("rownames", "Tissue", "TissueRun"))
    assert store.features.attributes == tuple(genes.columns)
    for axis, table in ((store.samples, samples), (store.features, genes)):
        for name in table:
            assert axis.column(name).tolist() == table[name].tolist(), name
    assert store.features.column("GeneStart").dtype == np.int64
    assert store.features.column("length").dtype == np.float64
    assert {name: filter.axis for name, filter in matrix.filters.items()} == {
        "Tissue": "sample",
        "TissueRun": "sample",
        **dict.fromkeys(["Chr", "GeneStart", "GeneEnd", "biotype", "gc", "length"], "feature"),
    }


def test_tcga_transposed(workshop: Any, shared_data: Path) -> None:
    folder = shared_data / "tcga"
    path = folder / "expression-matrix-all-samples.tsv.gz"
    workshop.run(
        path,
        units="log2",
        transpose=True,
        samples=folder / "samples.tsv.gz",
        features=folder / "expression-genes.tsv.gz",
    )
    assert_same(workshop.frame("log2"), read_source(path).T)
    np.testing.assert_array_equal(workshop.by_columns("log2"), read_source(path).to_numpy().T)
    store, matrix = workshop.store(), workshop.matrix()
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("entrez_gene_id", "symbol", "sample_id")
    assert store.features.column("entrez_gene_id")[0] == "1634"
    assert store.features.column("symbol")[0] == "DCN"
    table = pd.read_csv(folder / "samples.tsv.gz", sep="\t", index_col=0, keep_default_na=False)
    table = table.loc[workshop.frame("log2").columns]
    assert store.samples.attributes == ("sample_id", *table.columns)
    for name in table:
        column = store.samples.column(name)
        if column.dtype == object:
            assert column.tolist() == table[name].astype(str).tolist(), name
        else:
            np.testing.assert_array_equal(column, pd.to_numeric(table[name], errors="coerce"), name)
    assert store.samples.column("age_diagnosed").dtype == np.float64
    assert store.samples.column("disease").dtype == object


def test_tcga_of_many_genes(workshop: Any, shared_data: Path) -> None:
    path = shared_data / "tcga" / "expression-matrix-all-genes.tsv.gz"
    outcome = workshop.run(path, units="log2", transpose=True, samples=shared_data / "tcga" / "samples.tsv.gz")
    assert_same(workshop.frame("log2"), read_source(path).T)
    assert workshop.matrix().feature_id == "feature_id"
    assert any("8706 rows left out" in remark for remark in outcome.remarks)


def test_compliance_with_composed_labels(workshop: Any, shared_data: Path) -> None:
    folder = shared_data / "compliance"
    template = "{Sample}, {Condition}, {Tissue}"
    outcome = workshop.run(folder / "expression.tsv", column=template)
    store, matrix = workshop.store(), workshop.matrix()
    assert matrix.tsv.labels == ("Gene ID", "Gene Name")
    assert (matrix.tsv.column, matrix.tsv.comments) == (template, True)
    assert matrix.feature_name == "Gene Name"
    assert outcome.new_filters == ("Condition", "Tissue")
    with h5py.File(folder / "expression.loom") as loom:
        np.testing.assert_array_equal(workshop.frame().to_numpy(), loom["matrix"][()].astype(np.float32))
        for name in ("Sample", "Condition", "Tissue"):
            assert store.samples.column(name).tolist() == [label.decode() for label in loom["col_attrs"][name]]
        assert store.features.column("Gene ID").tolist() == [label.decode() for label in loom["row_attrs"]["GeneID"]]
        assert store.features.column("Gene Name").tolist() == [
            label.decode() for label in loom["row_attrs"]["GeneName"]
        ]


def test_loom_is_copied_and_described(workshop: Any, shared_data: Path) -> None:
    source = shared_data / "compliance" / "expression.loom"
    outcome = workshop.run(source)
    matrix = workshop.matrix()
    assert outcome.file.read_bytes() == source.read_bytes()
    assert matrix.path == outcome.file
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("GeneID", "GeneName", "Sample")
    assert set(matrix.filters) == {"Condition", "Tissue"}
    workshop.run(shared_data / "singlecell" / "scp" / "test_loom.loom", id="other")
    other = workshop.matrix("other")
    assert (other.feature_id, other.feature_name, other.sample_id) == ("Gene", None, "CellID")
    assert "X_pca" not in {filter.attribute for filter in other.filters.values()}


def _gct(frame: pd.DataFrame, version: str) -> str:
    head = f"#{version}\n{len(frame)}\t{frame.shape[1]}" + ("\t2\t3\n" if version == "1.3" else "\n")
    names = ["Name", "Description"] if version == "1.2" else ["id", "pr_gene_symbol", "length"]
    lines = ["\t".join([*names, *frame.columns])]
    if version == "1.3":
        tissues = [name.rstrip("0123456789") for name in frame.columns]
        lines.append("\t".join(["tissue", "na", "na", *tissues]))
        lines.append("\t".join(["replicate", "na", "na", *(name[-1] for name in frame.columns)]))
        lines.append("\t".join(["age", "na", "na", *(["na"] * 3 + ["45"] * (len(tissues) - 3))]))
    for number, (id, cells) in enumerate(zip(frame.index, frame.to_numpy(), strict=True)):
        labels = [str(id), f"SYM{number}"] + ([str(number) if number else "na"] if version == "1.3" else [])
        lines.append("\t".join([*labels, *cells]))
    return head + "\n".join(lines) + "\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("packed", [False, True])
def test_gct(workshop: Any, write: Write, shared_data: Path, version: str, packed: bool) -> None:
    path = shared_data / "brawand" / "brawand.htseq.fpkm.tsv.gz"
    text = pd.read_csv(path, sep="\t", index_col=0, dtype=str).head(500)
    content = _gct(text, version).encode()
    workshop.run(write(gzip.compress(content) if packed else content, "any.name"))
    assert_same(workshop.frame(), read_source(path).head(500))
    store, matrix = workshop.store(), workshop.matrix()
    names = [f"SYM{number}" for number in range(500)]
    if version == "1.2":
        assert (matrix.feature_id, matrix.feature_name) == ("Name", "Description")
        assert store.features.column("Description").tolist() == names
        return
    assert (matrix.feature_id, matrix.feature_name) == ("id", "pr_gene_symbol")
    assert store.features.column("pr_gene_symbol").tolist() == names
    np.testing.assert_array_equal(store.features.column("length")[:3], [np.nan, 1, 2])
    assert store.samples.attributes == ("Sample", "tissue", "replicate", "age")
    assert store.samples.column("tissue")[0] == "Prefrontal"
    assert store.samples.column("replicate").dtype == np.int64
    assert np.isnan(store.samples.column("age")).sum() == 3
    assert set(matrix.filters) == {"tissue", "replicate", "age", "length"}


def test_a_layer_in_another_order(workshop: Any, write: Write, shared_data: Path) -> None:
    path = shared_data / "brawand" / "brawand.htseq.fpkm.tsv.gz"
    frame = pd.read_csv(path, sep="\t", index_col=0, dtype=str).head(300)
    shuffled = frame.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    workshop.run(write(frame.to_csv(sep="\t"), "a.tsv"), units="A")
    workshop.run(write(shuffled.T.to_csv(), "b.csv"), units="B", transpose=True)
    assert_frame_equal(workshop.frame("A"), workshop.frame("B"))
    np.testing.assert_array_equal(workshop.by_columns("A"), workshop.by_columns("B"))
