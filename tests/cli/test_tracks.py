"""The commands import, check and list with signal tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.conftest import client_of

GOOD = "chr1\t0\t10\t1.5\nchr1\t20\t30\t-2\n"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    return result.exit_code, result.stdout, result.stderr


def options(data: Path, id: str = "t") -> list[str]:
    return ["--data", str(data), "--project", "p", "--study", "s", "--id", id, "--units", "count"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.bedGraph"
    path.write_text(GOOD)
    return path


def test_summary_and_first_query(shared_data: Path, tmp_path: Path) -> None:
    sources = sorted((shared_data / "tracks" / "mcf7_er").glob("*.bw"))
    table = tmp_path / "s.tsv"
    table.write_text("id\tAntibody\n" + "".join(f"{path.stem}\t{path.stem[11:13]}\n" for path in sources) + "x\ty\n")
    data = tmp_path / "data"
    texts = ("--name", "MCF7", "--version", "1.0", "--genome", "hg18", "--license", "MIT", "--no-data", "0")
    code, out, err = run("import", *sources, *options(data, "mcf7"), "--samples", table, *texts)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"mcf7 is now in {data}/p/s/study.yaml (data: {data}/p/s/mcf7)",
        "  4 tracks, in count: 'Chr18_MCF7_ER_1', 'Chr18_MCF7_ER_2', 'Chr18_MCF7_ER_3', 'Chr18_MCF7_input'",
        "  1 chromosome: chr18 (78,077,248 bases)",
        "  sample table s.tsv: 4 rows used; 1 rows left out, of no track that is imported",
        "  attributes: Antibody",
        "  filters: Antibody",
        f"Serve it:   rnaget-server serve {data}",
        "First query: curl 'http://127.0.0.1:8080/rnaget/continuous/mcf7/bytes"
        "?format=tsv&chr=chr18&start=76799700&end=76799800'",
    ]
    code, output, _ = run("check", data)
    assert (code, output.splitlines()[-1]) == (0, "ok: 1 project, 1 study, 0 matrices, 1 continuous set")
    assert "    mcf7  4 tracks, chr18  count\n" in run("list", data)[1]
    query = out.splitlines()[-1].split("8080")[1].rstrip("'")
    for client in client_of(data):
        reply = client.get(query + "&Antibody=ER")
        assert reply.status_code == 200
        rows = [line.split("\t") for line in reply.text.splitlines() if not line.startswith("#")]
    assert [row[0] for row in rows[1:]] == [path.stem for path in sources[:3]]
    for row, path in zip(rows[1:], sources, strict=False):
        with pyBigWig.open(str(path)) as file:
            wanted = np.nan_to_num(file.values("chr18", 76_799_700, 76_799_800, numpy=True))
        assert wanted.any()
        np.testing.assert_array_equal(np.array(row[1:], np.float32), wanted)


@pytest.mark.parametrize("name", ["bedgraph", "loom"])
def test_the_first_query_of_each_kind_works(shared_data: Path, tmp_path: Path, name: str) -> None:
    tracks = {"bedgraph": "tracks/misc/multi_chrom.bedGraph", "loom": "compliance/continuous.loom"}
    code, out, err = run("import", shared_data / tracks[name], *options(tmp_path / "data"))
    assert (code, err) == (0, "")
    code, _, err = run("check", tmp_path / "data")
    assert (code, err) == (0, "")
    for client in client_of(tmp_path / "data"):
        reply = client.get(out.splitlines()[-1].split("8080")[1].rstrip("'"))
    assert reply.status_code == 200
    last = reply.text.splitlines()[-1].split("\t")[1:]
    assert any(cell != "NaN" for cell in last)


def test_options_that_do_not_apply(source: Path, tmp_path: Path) -> None:
    data, matrix = tmp_path / "data", tmp_path / "m.tsv"
    matrix.write_text("id\tS1\ng1\t1\n")
    code, _, err = run("import", source, *options(data), "--transpose", "--feature-name", "x")
    assert code == 1
    assert "a.bedGraph: --transpose, --feature-name cannot be given for signal tracks" in err
    code, _, err = run("import", matrix, *options(data), "--link", "--no-data", "0", "--chrom-sizes", matrix)
    assert code == 1
    assert "m.tsv: --no-data, --chrom-sizes, --link cannot be given for an expression matrix" in err
    code, _, err = run("import", source, matrix, *options(data))
    assert code == 1
    assert "import each expression matrix by itself" in err
    code, _, err = run("import", *options(data))
    assert code == 2
    assert "SOURCE" in err
    assert not data.exists()


def test_matrix_and_tracks_in_one_study(source: Path, tmp_path: Path) -> None:
    data, matrix = tmp_path / "data", tmp_path / "m.tsv"
    matrix.write_text("id\tS1\ng1\t1\n")
    for one in (source, matrix):
        assert run("import", one, *options(data), "--genome", "hg19")[0] == 0
    assert run("check", data)[1].splitlines()[-1] == "ok: 1 project, 1 study, 1 matrix, 1 continuous set"
    code, _, err = run("import", source, *options(data, "u"), "--genome", "mm10")
    assert code == 1
    assert "is on the genome 'hg19': data on 'mm10' need a study of their own" in err


def test_check_and_list_tell_of_damage(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("import", source, *options(data))[0] == 0
    study = data / "p" / "s" / "study.yaml"
    text = study.read_text()
    study.write_text(text + "    default_format: parket\n")
    code, _, err = run("check", data)
    assert code == 1
    assert err.startswith(
        f"{study}:3:9: continuous t: there is no format 'parket': did you mean 'parquet'? there are parquet, arrow, "
    )
    study.write_text(text + "    default_format: bigwig\n    filters: {Tissue: {attribute: Tissue}}\n")
    assert "continuous t: filter Tissue: no track has the attribute 'Tissue'" in run("check", data)[2]
    study.write_text(text)
    (data / "p" / "s" / "t" / "a.bw").write_bytes(b"x" * 30)
    code, _, err = run("check", data)
    assert (code, err) == (1, f"{study}:3:9: continuous t: a.bw is too short for a bigWig file\n")
    assert "    t  cannot be read: see `rnaget-server check`\n" in run("list", data)[1]
    (data / "p" / "s" / "t" / "a.bw").unlink()
    assert "continuous t: there is no file a.bw" in run("check", data)[2]


def test_the_format_of_a_matrix_is_one_of_matrices(tmp_path: Path) -> None:
    data, matrix = tmp_path / "data", tmp_path / "m.tsv"
    matrix.write_text("id\tS1\ng1\t1\n")
    assert run("import", matrix, *options(data))[0] == 0
    study = data / "p" / "s" / "study.yaml"
    study.write_text(study.read_text() + "    default_format: bigwig\n")
    assert "expression t: there is no format 'bigwig'" in run("check", data)[2]


def test_check_tells_of_a_loom_that_is_gone(shared_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("import", shared_data / "compliance" / "continuous.loom", *options(data))[0] == 0
    file = data / "p" / "s" / "t" / "continuous.loom"
    file.write_bytes(b"x")
    assert "continuous t: continuous.loom: " in run("check", data)[2]
    file.unlink()
    assert run("check", data)[2].endswith("continuous t: there is no file continuous.loom\n")
