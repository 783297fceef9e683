"""Samples that are added to a matrix as a further file, and what becomes of the files of one that is replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.catalog.records import Matrix
from rnaget_server.cli.server import main
from rnaget_server.datasets.opening import open_store
from rnaget_server.plugins import STORES, Registry

_ENTRY = """\
id: s
expressions:
  # what people wrote stays
  - id: m
    files: part-*.h5
    units: TPM
    feature_id: gene
    sample_id: Sample
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A catalogue with a matrix of one file."""
    _import(tmp_path, ["x", "y"])
    return tmp_path / "data"


def _table(path: Path, samples: list[str], genes: str = "AB") -> Path:
    lines = ["\t".join(["gene", *samples])]
    lines += ["\t".join([gene, *(f"{ord(gene) + ord(sample[-1])}" for sample in samples)]) for gene in genes]
    path.write_text("\n".join(lines) + "\n")
    return path


def _import(tmp_path: Path, samples: list[str], *options: str, genes: str = "AB", fails: bool = False) -> str:
    source = _table(tmp_path / "source.tsv", samples, genes)
    place = ["--data", str(tmp_path / "data"), "--project", "p", "--study", "s", "--id", "m", "--units", "TPM"]
    reply = CliRunner().invoke(main, ["import", str(source), *place, *options])
    assert (reply.exit_code != 0) == fails, reply.output
    return reply.output


def _matrix(data: Path) -> Matrix:
    catalog, problems = load(data)
    assert catalog is not None and not problems
    return catalog.matrices["m"]


def _check(data: Path, samples: list[str]) -> None:
    store = open_store(_matrix(data), Registry(STORES))
    assert store.samples.column("Sample").tolist() == samples
    expected = np.add.outer([ord("A"), ord("B")], [ord(sample[-1]) for sample in samples])
    np.testing.assert_array_equal(np.concatenate(list(store.blocks("TPM"))), expected)


def _by_pattern(data: Path) -> Path:
    study = data / "p" / "s"
    (study / "m.h5").rename(study / "part-1.h5")
    (study / "study.yaml").write_text(_ENTRY)
    return study


def _tree(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


def test_a_file_that_a_pattern_matches_is_all_that_is_written(tmp_path: Path, data: Path) -> None:
    study = _by_pattern(data)
    before = _tree(data)
    said = _import(tmp_path, ["z"], "--shard", "part-2", genes="BA")
    assert "the matrix m is of 2 files with 3 samples now" in said
    after = _tree(data)
    assert after.keys() - before.keys() == {"p/s/part-2.h5"}
    assert before.items() <= after.items()
    assert (study / "study.yaml").read_text() == _ENTRY
    _check(data, ["x", "y", "z"])


def test_other_files_are_named_in_the_catalogue(tmp_path: Path, data: Path) -> None:
    _import(tmp_path, ["z"], "--shard", "batch-2")
    assert _matrix(data).files == ("m.h5", "batch-2.h5")
    _check(data, ["x", "y", "z"])
    _import(tmp_path, ["w"], "--shard", "batch-1.h5", "--name", "All")
    assert _matrix(data).files == ("m.h5", "batch-2.h5", "batch-1.h5")
    assert _matrix(data).name == "All"
    _check(data, ["x", "y", "z", "w"])


def test_what_is_said_of_the_study_is_written_where_a_pattern_matches_too(tmp_path: Path, data: Path) -> None:
    study = _by_pattern(data)
    _import(tmp_path, ["z"], "--shard", "part-2", "--study-name", "All of them")
    assert "All of them" in (study / "study.yaml").read_text()
    assert _matrix(data).files == ("part-*.h5",)
    _check(data, ["x", "y", "z"])


def test_a_pattern_that_does_not_match_stays_beside_the_name(tmp_path: Path, data: Path) -> None:
    study = _by_pattern(data)
    _import(tmp_path, ["z"], "--shard", "batch-2")
    assert _matrix(data).files == ("part-*.h5", "batch-2.h5")
    assert "# what people wrote stays" in (study / "study.yaml").read_text()


@pytest.mark.parametrize(
    ("samples", "genes", "says"),
    [
        (["z", "y"], "AB", "the sample id 'y' is in part-1.h5 and in part-2.h5"),
        (["z"], "AC", "part-2.h5 lacks 1 features (B) of part-1.h5"),
        (["z"], "ABC", "part-2.h5 has 1 features (C) that part-1.h5 does not have"),
    ],
)
def test_a_file_that_does_not_fit_leaves_nothing(
    tmp_path: Path, data: Path, samples: list[str], genes: str, says: str
) -> None:
    _by_pattern(data)
    before = _tree(data)
    said = " ".join(_import(tmp_path, samples, "--shard", "part-2", genes=genes, fails=True).split())
    assert says in said
    assert ".import-" not in said
    assert _tree(data) == before


def test_a_file_without_an_attribute_that_a_filter_names_does_not_fit(tmp_path: Path, data: Path) -> None:
    study = _by_pattern(data)
    (tmp_path / "table.tsv").write_text("Sample\ttissue\nx\tliver\ny\theart\n")
    _import(tmp_path, ["x", "y"], "--shard", "part-1", "--replace", "--samples", str(tmp_path / "table.tsv"))
    (study / "study.yaml").write_text(_ENTRY + "    filters: {tissue: {attribute: tissue, axis: sample}}\n")
    before = _tree(data)
    said = " ".join(_import(tmp_path, ["z"], "--shard", "part-2", fails=True).split())
    assert "filter tissue: part-2.h5 has no sample attribute 'tissue'" in said
    assert _tree(data) == before


def test_one_file_takes_the_place_of_another(tmp_path: Path, data: Path) -> None:
    _by_pattern(data)
    _import(tmp_path, ["z"], "--shard", "part-2")
    refused = _import(tmp_path, ["w"], "--shard", "part-2", fails=True)
    assert "add --replace" in " ".join(refused.split())
    _import(tmp_path, ["w", "z"], "--shard", "part-2", "--replace")
    _check(data, ["x", "y", "w", "z"])


def test_a_dry_run_looks_at_all_and_leaves_nothing(tmp_path: Path, data: Path) -> None:
    _by_pattern(data)
    before = _tree(data)
    assert "2 files with 3 samples" in _import(tmp_path, ["z"], "--shard", "part-2", "--dry-run")
    assert "the sample id 'y'" in _import(tmp_path, ["y"], "--shard", "part-2", "--dry-run", fails=True)
    assert _tree(data) == before


@pytest.mark.parametrize("name", ["", "../x", "part-*", ".hidden", "a/b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, data: Path, name: str) -> None:
    before = _tree(data)
    assert "--shard takes the name of a file" in _import(tmp_path, ["z"], "--shard", name, fails=True)
    assert _tree(data) == before


def test_a_file_of_another_kind_or_matrix_is_not_taken(tmp_path: Path, data: Path) -> None:
    (data / "p" / "s" / "other.h5").write_text("")
    said = " ".join(_import(tmp_path, ["z"], "--shard", "other", fails=True).split())
    assert "there is a file other.h5 already" in said
    assert "choose another name, or remove the file" in said
    said = _import(tmp_path, ["z"], "--shard", "new", "--id", "none", fails=True)
    assert "import the first file without it" in " ".join(said.split())


def test_files_that_another_matrix_has_are_not_called_unused(tmp_path: Path, data: Path) -> None:
    study = _by_pattern(data)
    _import(tmp_path, ["z"], "--shard", "part-2")
    other = _ENTRY.split("stays\n")[1].replace("id: m", "id: other").replace("part-*", "part-1")
    (study / "study.yaml").write_text(_ENTRY + other)
    said = " ".join(_import(tmp_path, ["w"], "--replace").split())
    assert "1 files of the matrix are no longer used, such as" in said
    assert "part-2.h5; remove them" in said


def test_a_new_file_in_the_place_of_an_old_one_is_not_called_unused(tmp_path: Path, data: Path) -> None:
    study = data / "p" / "s"
    loom = _loom(tmp_path / "m.loom", ["w"])
    _import(tmp_path, ["z"], "--shard", "batch-2")
    (study / "m.loom").write_bytes(loom.read_bytes())
    text = (study / "study.yaml").read_text()
    (study / "study.yaml").write_text(text.replace("batch-2.h5", "m.loom"))
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "TPM", "--replace"]
    reply = CliRunner().invoke(main, ["import", str(study / "m.loom"), *place])
    assert reply.exit_code == 0, reply.output
    assert _matrix(data).paths == (study / "m.loom",)
    assert "m.loom; remove" not in " ".join(reply.output.split())
    assert "1 files of the matrix are no longer used" in " ".join(reply.output.split())


def test_a_file_that_is_served_as_it_is_has_to_be_in_the_units_of_the_matrix(tmp_path: Path, data: Path) -> None:
    """It does not say its own, and would be served as what the catalogue says of all files."""
    loom = _loom(tmp_path / "more.loom", ["w"])
    before = _tree(data)
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--shard", "more"]
    reply = CliRunner().invoke(main, ["import", str(loom), *place, "--units", "counts"])
    assert reply.exit_code != 0
    assert "the matrix m is in TPM" in " ".join(reply.output.split())
    assert _tree(data) == before
    reply = CliRunner().invoke(main, ["import", str(loom), *place, "--units", "TPM"])
    assert reply.exit_code == 0, reply.output


@pytest.mark.parametrize("options", [("--shard", "part-2"), ("--id", "part-2")])
def test_a_file_that_a_pattern_of_another_matrix_matches_is_refused(
    tmp_path: Path, data: Path, options: tuple[str, ...]
) -> None:
    """Its samples would be those of the other matrix as well."""
    study = _by_pattern(data)
    _import(tmp_path, ["v"], "--id", "other")
    before = _tree(data)
    said = " ".join(_import(tmp_path, ["z"], "--id", "other", *options, fails=True).split())
    assert "part-2.h5 would be a file of the matrix m as well" in said
    assert _tree(data) == before
    assert (study / "other.h5").exists()


def test_a_file_that_would_be_the_first_is_looked_at_as_such(tmp_path: Path, data: Path) -> None:
    """The features of a matrix, with all their attributes, are those of its first file."""
    study = _by_pattern(data)
    names = tmp_path / "names.tsv"
    names.write_text("gene\tsymbol\nA\ta\nB\tb\n")
    _import(tmp_path, ["x", "y"], "--shard", "part-1", "--replace", "--features", str(names))
    (study / "study.yaml").write_text(_ENTRY + "    feature_name: symbol\n")
    before = _tree(data)
    said = " ".join(_import(tmp_path, ["z"], "--shard", "part-0", fails=True).split())
    assert "feature_name: part-0.h5 has no feature attribute 'symbol'" in said
    assert _tree(data) == before
    _import(tmp_path, ["z"], "--shard", "part-2")
    _check(data, ["x", "y", "z"])


def _loom(path: Path, samples: list[str]) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file["matrix"] = np.ones((2, len(samples)), np.float32)
        file["row_attrs/gene"] = np.array([b"A", b"B"])
        file["col_attrs/Sample"] = np.array([sample.encode() for sample in samples])
        file.create_group("layers")
    return path
