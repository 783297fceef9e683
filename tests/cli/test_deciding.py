"""Options that an import decides on by itself, those it asks for on a terminal, and those it refuses in a script."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rnaget_server.catalog import Catalog, load
from rnaget_server.cli.deciding import id_of
from rnaget_server.cli.server import main
from tests.cli.terminal import on_terminal
from tests.serving import files_served

TABLE = "gene_id\tS1\tS2\ng1\t1.5\t2\ng2\t3\t4\n"


def run(*arguments: str | Path, code: int = 0, stdin: str = "") -> str:
    result = CliRunner().invoke(main, ["import", *(str(one) for one in arguments)], input=stdin)
    assert result.exit_code == code, result.output
    return result.output


def table(directory: Path, name: str, text: str = TABLE) -> Path:
    (directory / name).write_text(text)
    return directory / name


def catalog_of(data: Path) -> Catalog:
    catalog, problems = load(data)
    assert catalog is not None
    assert not problems
    return catalog


def place(data: Path, id: str) -> tuple[str, str, str]:
    matrix = catalog_of(data).matrices[id]
    return matrix.project_id, matrix.study_id, matrix.units


def test_an_empty_directory_gives_its_name(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    said = run(table(tmp_path, "liver_tpm.tsv"), "--data", data)
    assert "--id liver_tpm: by the name of the source\n" in said
    assert "--project my-data: by the name of the directory\n" in said
    assert "--units TPM: by the name of the file, liver_tpm.tsv\n" in said
    assert place(data, "liver_tpm") == ("my-data", "my-data", "TPM")


def test_the_only_project_and_study_are_taken(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = table(tmp_path, "first.tsv")
    run(first, "--data", data, "--project", "p", "--study", "s", "--id", "m", "--units", "TPM")
    said = run(table(tmp_path, "counts.tsv"), "--data", data)
    assert "--project p: the only one of the catalogue\n--study s: the only one of the project p\n" in said
    assert place(data, "counts") == ("p", "s", "count")
    run(first, "--data", data, "--study", "other", "--units", "TPM")
    assert place(data, "first")[:2] == ("p", "other")
    said = run(table(tmp_path, "more.tsv"), "--data", data, "--units", "TPM", code=2)
    assert "Missing option '--study': the project has several: other, s" in said
    run(first, "--data", data, "--project", "q", "--study", "t", "--id", "n", "--units", "TPM")
    said = run(tmp_path / "more.tsv", "--data", data, "--units", "TPM", code=2)
    assert "Missing option '--project': the catalogue has several: p, q" in said
    assert "project q: that of the study t" in run(
        tmp_path / "more.tsv", "--data", data, "--units", "TPM", "--study", "t"
    )


def test_an_id_that_is_there_is_not_taken_by_chance(tmp_path: Path) -> None:
    data, source = tmp_path / "data", table(tmp_path, "tpm.tsv")
    run(source, "--data", data)
    run(source, "--data", data, "--study", "second", "--id", "b")
    assert "Missing option '--id'" in run(source, "--data", data, code=2)
    assert "--study data: that of the matrix tpm" in run(source, "--data", data, "--replace")


def test_units_that_nothing_says(tmp_path: Path) -> None:
    said = run(table(tmp_path, "m.tsv"), "--data", tmp_path / "data", code=2)
    assert "Missing option '--units': the source does not say them" in said
    assert not (tmp_path / "data").exists()


def test_a_pipe_needs_an_id(tmp_path: Path) -> None:
    assert "Missing option '--id'" in run("-", "--data", tmp_path / "data", "--units", "TPM", code=2, stdin=TABLE)
    run("-", "--data", tmp_path / "data", "--units", "TPM", "--id", "m", stdin=TABLE)
    assert place(tmp_path / "data", "m") == ("data", "data", "TPM")


def test_a_missing_file_and_a_catalogue_with_mistakes_are_said_first(tmp_path: Path) -> None:
    table(tmp_path, "matrix.tsv")
    assert "there is no such file; is 'matrix.tsv' meant?" in run(
        tmp_path / "matrx.tsv", "--data", tmp_path / "data", code=1
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalog.yaml").write_text("id: [\n")
    assert "the catalogue must be in order" in run(tmp_path / "matrix.tsv", "--data", tmp_path / "data", code=1)


def test_texts_of_project_study_and_matrix(tmp_path: Path) -> None:
    data = tmp_path / "data"
    texts = ("--project-name", "The lab", "--project-description", "true", "--study-name", "Liver: all")
    more = ("--study-description", "Of\nmany", "--description", "The first", "--license", "CC0-1.0")
    run(table(tmp_path, "a_tpm.tsv"), "--data", data, *texts, *more)
    project, study = (
        yaml.safe_load((data / "data" / name).read_text()) for name in ("project.yaml", "data/study.yaml")
    )
    assert project == {"id": "data", "name": "The lab", "description": "true"}
    assert list(study)[:3] == ["id", "name", "description"]
    assert (study["name"], study["description"]) == ("Liver: all", "Of\nmany")
    assert (study["expressions"][0]["description"], study["expressions"][0]["license"]) == ("The first", "CC0-1.0")
    (data / "data/data/study.yaml").write_text("# mine\n" + (data / "data/data/study.yaml").read_text())
    run(table(tmp_path, "b_tpm.tsv"), "--data", data, "--study-name", "Lung: all")
    text = (data / "data/data/study.yaml").read_text()
    assert text.startswith("# mine\nid: data\nname: 'Lung: all'\ndescription:")


def test_what_an_export_says_of_itself_is_taken(tmp_path: Path) -> None:
    data, again = tmp_path / "data", tmp_path / "again"
    run(table(tmp_path, "a_fpkm.tsv"), "--data", data, "--genome", "GRCh38", "--license", "CC0-1.0")
    for format in ("h5ad", "loom"):
        path = tmp_path / f"{format}_file.{format}"
        assert CliRunner().invoke(main, ["export", "a_fpkm", str(path), "--data", str(data)]).exit_code == 0
        said = run(path, "--data", again)
        assert "--units FPKM: by an attribute of the file" in said
        catalog = catalog_of(again)
        matrix = catalog.matrices[f"{format}_file"]
        assert (matrix.units, matrix.license, catalog.studies["again"].genome) == ("FPKM", "CC0-1.0", "GRCh38")


def test_reads_and_tracks(shared_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    said = run(shared_data / "reads" / "na12878" / "htsnexus_test_NA12878.bam", "--data", data)
    assert "htsnexus_test_NA12878 is now in" in said
    tracks = sorted((shared_data / "tracks" / "mcf7_er").glob("*.bw"))
    assert "Missing option '--units'" in run(*tracks, "--data", data, code=2)
    assert "--id mcf7_er: by the name of the source" in run(*tracks, "--data", data, "--units", "signal")
    catalog = catalog_of(data)
    assert len(catalog.track_sets["mcf7_er"].tracks) == len(tracks)
    assert set(catalog.read_sets) == {("reads", "htsnexus_test_NA12878")}


def test_a_10x_directory_and_file(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "singlecell" / "scanpy_10x"
    assert "--units count: by a MatrixMarket file of whole numbers" in run(
        source / "filtered_feature_bc_matrix", "--data", tmp_path / "data"
    )
    run(source / "filtered_feature_bc_matrix.h5", "--data", tmp_path / "data", "--id", "h5")
    assert place(tmp_path / "data", "filtered_feature_bc_matrix") == ("data", "data", "count")
    assert place(tmp_path / "data", "h5") == ("data", "data", "count")


def zipped(path: Path, **texts: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), text)
    return path


def test_archives_are_named_by_their_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    said = run(zipped(tmp_path / "liver_tpm.zip", a_dot_tsv=TABLE), "--data", data)
    assert "--id liver_tpm: by the name of the source\n" in said
    assert "--units TPM: by the name of the file, liver_tpm.zip\n" in said
    assert place(data, "liver_tpm") == ("data", "data", "TPM")
    with tarfile.open(tmp_path / "GSE1_RAW.tar", "w") as archive:
        for name in ("lung_counts.tsv", "skin_counts.tsv"):
            archive.add(table(tmp_path, name), f"GSE1/{name}")
    assert "lung_counts.tsv" in run(tmp_path / "GSE1_RAW.tar", "--data", data, "--units", "TPM", code=1)
    said = run(tmp_path / "GSE1_RAW.tar", "--member", "lung_counts.tsv", "--data", data)
    assert "--units count: by the name of the file, lung_counts.tsv\n" in said
    assert place(data, "lung_counts") == ("data", "data", "count")
    run(tmp_path / "GSE1_RAW.tar", "--member", "skin*", "--data", data, "--units", "count")
    assert place(data, "GSE1_RAW") == ("data", "data", "count")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of files."""
    (tmp_path / "web").mkdir()
    with files_served(tmp_path / "web") as address:
        yield address


def test_addresses_are_named_by_their_files(tmp_path: Path, web: str) -> None:
    data = tmp_path / "data"
    (tmp_path / "web" / "lung tpm.tsv.gz").write_bytes(gzip.compress(TABLE.encode()))
    said = run(f"{web}/lung%20tpm.tsv.gz?signature=secret", "--data", data, "--dry-run")
    assert "--id lung-tpm: by the name of the source\n" in said
    assert "--units TPM: by the name of the file, lung tpm.tsv.gz\n" in said
    assert "secret" not in said
    assert not data.exists()
    run(f"{web}/lung%20tpm.tsv.gz?signature=secret", "--data", data)
    assert place(data, "lung-tpm") == ("data", "data", "TPM")
    table(tmp_path / "web", "m.tsv")
    assert "Missing option '--units'" in run(f"{web}/m.tsv", "--data", data, code=2)
    assert "download it first" in run("ftp://example.org/m.tsv", "--data", data, code=1)
    assert "this is no valid address" in run("https://[::1/m.tsv", "--data", data, code=1)


def test_places_are_decided_in_a_dry_run_as_well(tmp_path: Path) -> None:
    data, source = tmp_path / "data", table(tmp_path, "liver_tpm.tsv")
    said = run(source, "--data", data, "--dry-run")
    assert not data.exists()
    real = run(source, "--data", data)
    decided = [line for line in real.splitlines() if line.startswith("--")]
    assert [line for line in said.splitlines() if line.startswith("--")] == decided != []
    assert f"liver_tpm would be in {data / 'data' / 'data' / 'study.yaml'}" in said


def test_a_terminal_is_asked(tmp_path: Path) -> None:
    data, source = tmp_path / "data", table(tmp_path, "m.tsv")
    answers = [
        ("Id of the matrix or set [m]:", "no good"),
        ("Id of the matrix or set [m]:", "liver"),
        ("Id of the project [data]:", ""),
        ("Id of the study [data]:", "s"),
        ("Units of the values, such as TPM, FPKM or count:", "TPM"),
        ("Name of the study (Enter: none):", "A study"),
        ("Description of the study (Enter: none):", ""),
        ("Genome, such as GRCh38 (Enter: none):", "GRCh38"),
        ("Licence, such as CC0-1.0 (Enter: none):", "CC0-1.0"),
    ]
    code, said = on_terminal(["import", str(source), "--data", str(data)], answers)
    assert code == 0, said
    assert "cannot be used in a URL" in said
    assert place(data, "liver") == ("data", "s", "TPM")
    study = catalog_of(data).studies["s"]
    assert (study.name, study.description, study.genome) == ("A study", None, "GRCh38")
    assert study.matrices[0].license == "CC0-1.0"
    # Nothing is asked for a study that is there, but what cannot be known.
    code, said = on_terminal(
        ["import", str(source), "--data", str(data), "--id", "b"], [("Units of the values", "count")]
    )
    assert code == 0, said
    assert place(data, "b") == ("data", "s", "count")


@pytest.mark.parametrize(
    ("name", "id"),
    [("a b (c)", "a-b-c"), ("-x.", "x"), ("Größe", "Gr-e"), ("é", None), ("units", None), ("x" * 200, "x" * 128)],
)
def test_ids_made_of_names(name: str, id: str | None) -> None:
    assert id_of(name) == id
