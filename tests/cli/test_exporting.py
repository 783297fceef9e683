"""Exports: what is imported and exported in the same format is the same, and slices are those of the server."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from pandas.testing import assert_frame_equal

from rnaget_server.cli.server import main
from tests.conftest import ROOT

TABLE = "gene_id\tGene Name\tbiotype\ts1\ts2\ns3/x\tA\tcoding\t1.5\t0.1\ng2\tB, C\tnc\t3e-05\tNaN\n"


def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def demo_data() -> Path:
    return ROOT / "data"


def imported(source: Path, data: Path, *more: str | Path) -> Path:
    run("import", source, "--data", data, "--project", "p", "--study", "s", "--id", "m", *more)
    return data


def test_a_table_loses_nothing(tmp_path: Path) -> None:
    source, samples = tmp_path / "source.tsv", tmp_path / "samples.tsv"
    source.write_text(TABLE)
    samples.write_text("run\tTissue\tage\ns1\tliver\t7\ns2\tlung, left\t8.5\n")
    data = imported(source, tmp_path / "data", "--units", "TPM", "--samples", samples)
    out, table, genes = (tmp_path / name for name in ("out.tsv", "out_samples.tsv", "out_genes.tsv"))
    _, said = run("export", "m", out, "--data", data, "--sample-table", table, "--feature-table", genes)
    assert "label columns: gene_id, Gene Name, biotype (import --label-columns 3)" in said
    expected = pd.read_csv(source, sep="\t", index_col=0)
    assert_frame_equal(pd.read_csv(out, sep="\t", index_col=0), expected)
    assert_frame_equal(pd.read_csv(table, sep="\t"), pd.read_csv(samples, sep="\t"))
    assert_frame_equal(pd.read_csv(genes, sep="\t", index_col=0), expected[["Gene Name", "biotype"]])
    again = imported(out, tmp_path / "again", "--units", "TPM", "--samples", table, "--label-columns", "3")
    run("export", "m", tmp_path / "again.tsv", "--data", again)
    assert (tmp_path / "again.tsv").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_attributes_that_are_numbers_come_back_as_such(tmp_path: Path, format: str) -> None:
    source, out = tmp_path / "source.tsv", tmp_path / f"out.{format}"
    source.write_text("gene_id\tscore\ts1\ts2\ng1\t1.5\t2\t3\ng2\t2.5\t4\t5\n")
    place = "--units", "TPM", "--label-columns", "2"
    data = imported(source, tmp_path / "data", *place)
    _, said = run("export", "m", out, "--data", data)
    assert "label columns: gene_id, score (import --label-columns 2)" in said
    run("export", "m", tmp_path / "again.tsv", "--data", imported(out, tmp_path / "again", *place))
    assert_frame_equal(pd.read_csv(tmp_path / "again.tsv", sep="\t"), pd.read_csv(source, sep="\t"), check_dtype=False)


def test_long_tables_by_the_name_of_the_file(tmp_path: Path) -> None:
    source = tmp_path / "source.tsv"
    source.write_text("gene_id\tscore\ts1\ts2\ng1\t1.5\t0\t3\ng2\t2.5\t4\t0\n")
    data = imported(source, tmp_path / "data", "--units", "TPM", "--label-columns", "2")
    expected = pd.DataFrame({"feature": ["g1", "g2"], "sample": ["s2", "s1"], "value": [3, 4]})
    readers = {
        "x.long.tsv": lambda path: pd.read_csv(path, sep="\t"),
        "x.long.tsv.gz": lambda path: pd.read_csv(path, sep="\t"),
        "x.v2.long.csv": pd.read_csv,
        "x.long.parquet": pd.read_parquet,
    }
    for name, read in readers.items():
        _, said = run("export", "m", tmp_path / name, "--data", data)
        assert "cells that are 0 are not in it" in said and "label columns" not in said
        found = read(tmp_path / name).astype({"feature": object, "sample": object})
        assert_frame_equal(found, expected, check_dtype=False)


def test_a_table_of_real_data(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "uhlen" / "uhlen.htseq.raw.pooled.tsv.gz"
    data = imported(source, tmp_path / "data", "--units", "count")
    _, said = run("export", "m", tmp_path / "out.tsv.gz", "--data", data)
    assert "label columns" not in said
    with gzip.open(source, "rt") as file, gzip.open(tmp_path / "out.tsv.gz", "rt") as out:
        expected, found = (pd.read_csv(one, sep="\t", index_col=0) for one in (file, out))
    np.testing.assert_array_equal(found.to_numpy(np.float32), expected.to_numpy(np.float32))
    assert list(found.index) == list(expected.index)
    assert list(found.columns) == list(expected.columns)


def test_a_loom_comes_back_byte_by_byte(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "singlecell" / "scp" / "test_loom.loom"
    data = imported(source, tmp_path / "data", "--units", "count")
    run("export", "m", tmp_path / "out.loom", "--data", data)
    assert (tmp_path / "out.loom").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("sparse", [True, False])
def test_annotated_data_lose_nothing(tmp_path: Path, sparse: bool) -> None:
    from scipy import sparse as matrices

    cells = np.random.default_rng(5).poisson(0.5, (30, 20)).astype(np.float32)
    obs = pd.DataFrame({"kind": pd.Categorical(["a", "b"] * 15), "size": np.arange(30.0)}, [f"c{n}" for n in range(30)])
    var = pd.DataFrame({"length": np.arange(20.0), "name": [f"n{n}" for n in range(20)]}, [f"g{n}" for n in range(20)])
    made = anndata.AnnData(matrices.csr_matrix(cells) if sparse else cells, obs, var)
    made.write_h5ad(tmp_path / "source.h5ad")
    data = imported(tmp_path / "source.h5ad", tmp_path / "data", "--units", "count")
    run("export", "m", tmp_path / "out.h5ad", "--data", data)
    found = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert matrices.issparse(found.X) == sparse
    values = found.X.toarray() if sparse else found.X
    np.testing.assert_array_equal(values, cells)
    for axis, expected in ((found.obs, obs), (found.var, var)):
        assert list(axis.index) == list(expected.index)
        for name in expected:
            assert list(axis[name]) == list(expected[name])


def test_a_file_that_is_served_as_it_is_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source.h5ad"
    anndata.AnnData(np.ones((2, 3), np.float32), obsm={"X_pca": np.ones((2, 2))}).write_h5ad(source)
    data = imported(source, tmp_path / "data", "--units", "count", "--as-is")
    run("export", "m", tmp_path / "out.h5ad", "--data", data)
    assert (tmp_path / "out.h5ad").read_bytes() == source.read_bytes()


def test_a_matrix_market_file_loses_nothing(shared_data: Path, tmp_path: Path) -> None:
    from scipy.io import mmread

    source = shared_data / "singlecell" / "scanpy_10x" / "filtered_feature_bc_matrix"
    data = imported(source, tmp_path / "data", "--units", "count")
    run("export", "m", tmp_path / "out.h5ad", "--data", data)
    found, expected = anndata.read_h5ad(tmp_path / "out.h5ad"), mmread(source / "matrix.mtx.gz").T.tocsr()
    assert (expected != found.X).nnz == 0
    genes, cells = (
        pd.read_csv(source / name, sep="\t", header=None)[0] for name in ("features.tsv.gz", "barcodes.tsv.gz")
    )
    assert list(found.var_names) == list(genes)
    assert list(found.obs_names) == list(cells)


def test_cells_are_compressed_on_request(demo_data: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.h5ad", tmp_path / "packed.h5ad"
    run("export", "marioni_counts", plain, "--data", demo_data)
    run("export", "marioni_counts", packed, "--data", demo_data, "--filter", "compression=gzip")
    assert packed.stat().st_size < plain.stat().st_size
    assert np.array_equal(anndata.read_h5ad(packed).X, anndata.read_h5ad(plain).X)
    refused = run(
        "export", "marioni_counts", "-", "--data", demo_data, "--format", "tsv", "--filter", "compression=gzip", code=1
    )
    assert "compression is for loom" in refused[1]


def test_slices_in_every_format(demo_data: Path, tmp_path: Path) -> None:
    query = ("--data", demo_data, "--genes", "ENSG00000188976,ENSG00000187961", "--filter", "Tissue=Liver")
    text, _ = run("export", "marioni_counts", "-", *query, "--format", "tsv")
    expected = pd.read_csv(io.StringIO(text), sep="\t", index_col=0).filter(regex="Liver|R")
    for name in ("x.parquet", "x.arrow", "x.loom", "x.json", "x.tsv.zst"):
        run("export", "marioni_counts", tmp_path / name, *query)
        assert (tmp_path / name).stat().st_size
    _, said = run("export", "marioni_counts", tmp_path / "x.parquet", *query, "--force")
    assert "attributes of samples are in its metadata; for an import add --sample-table FILE (" in said
    found = pd.read_parquet(tmp_path / "x.parquet")
    samples = [name for name in expected if name in found.columns]
    assert len(samples) == 5
    np.testing.assert_array_equal(found[samples].to_numpy(float), expected[samples].to_numpy(float))


def test_tracks(demo_data: Path, tmp_path: Path) -> None:
    run("export", "er", tmp_path / "one.bw", "--data", demo_data, "--samples", "ER1")
    stored = next(demo_data.rglob("Chr18_MCF7_ER_1.bw"))
    assert (tmp_path / "one.bw").read_bytes() == stored.read_bytes()
    text, _ = run(
        "export", "er", "-", "--data", demo_data, "--format", "tsv", "--region", "chr18:76,799,701-76,799,703"
    )
    assert "tracks\tchr18:76799700\tchr18:76799701\tchr18:76799702\n" in text
    _, said = run("export", "er", tmp_path / "all.tsv", "--data", demo_data, code=1)
    assert "ask for a smaller range" in said
    assert not (tmp_path / "all.tsv").exists()


def test_a_matrix_that_is_called_like_its_study(tmp_path: Path) -> None:
    (tmp_path / "source.tsv").write_text("gene_id\ts1\ng1\t1.5\n")
    place = ("--data", tmp_path / "data", "--project", "liver", "--study", "liver", "--id", "liver")
    run("import", tmp_path / "source.tsv", *place, "--units", "TPM")
    assert run("export", "liver", "-", "--format", "tsv", *place[:2])[0] == "gene_id\ts1\ng1\t1.5\n"


def test_refusals(demo_data: Path, tmp_path: Path) -> None:
    existing = tmp_path / "existing.tsv"
    existing.write_text("mine")
    for arguments, code, why in (
        (("marioni_counts", existing), 1, "existing.tsv exists: --force replaces it"),
        (("marioni_count", "x.tsv"), 1, "did you mean 'marioni_counts'?"),
        (("marioni_counts", "x.tvs"), 2, "there is no format 'tvs': did you mean 'tsv'?"),
        (("marioni_counts", "x"), 2, "Missing option '--format': one of tsv, loom"),
        (("marioni_counts", "x.bw"), 2, "there is no format 'bw'"),
        (("marioni", "x.tsv"), 1, "the study marioni has no values to export"),
        (("marioni_counts", tmp_path / "no" / "x.tsv"), 1, "there is no directory"),
        (("marioni_counts", "x.tsv", "--filter", "Tissue"), 2, "'Tissue' is not NAME=VALUE"),
        (("marioni_counts", "x.tsv", "--genes", "nope"), 1, "nope"),
        (("er", "x.tsv", "--region", "chr18:5-x"), 2, "is no region"),
        (("er", "x.bw", "--sample-table", tmp_path / "t.tsv"), 1, "are for matrices"),
    ):
        assert why in run("export", *arguments, "--data", demo_data, code=code)[1]
    assert existing.read_text() == "mine"
    run("export", "marioni_counts", existing, "--data", demo_data, "--force")
    assert existing.read_text().startswith("gene_id\t")
    assert {path.name for path in tmp_path.iterdir()} == {"existing.tsv"}


@pytest.mark.parametrize("others_see", ["NaN", "omit"])
def test_the_operator_exports_what_is_kept_from_others(tmp_path: Path, others_see: str) -> None:
    source, samples, out = tmp_path / "source.tsv", tmp_path / "samples.tsv", tmp_path / "out.tsv"
    source.write_text("gene_id\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n")
    samples.write_text("run\tconsent\ns1\tgeneral\ns2\tdisease\n")
    data = imported(source, tmp_path / "data", "--units", "TPM", "--samples", samples)
    (study,) = data.glob("*/*/study.yaml")
    content = yaml.safe_load(study.read_text())
    rule = {"where": {"consent": "disease"}, "controlled": ["a"]}
    content["expressions"][0]["access"] = {"controlled": ["b"], "samples": [rule], "others_see": others_see}
    study.write_text(yaml.safe_dump(content))
    run("export", "m", out, "--data", data)
    assert_frame_equal(pd.read_csv(out, sep="\t", index_col=0), pd.read_csv(source, sep="\t", index_col=0))
    run("export", "m", tmp_path / "json.json", "--data", data, "--filter", "consent=disease")
    assert "s2" in (tmp_path / "json.json").read_text()
    assert "2 features × 2 samples" in run("list", data)[0]
    run("check", data)
