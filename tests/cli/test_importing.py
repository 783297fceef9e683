from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.importing import import_command
from rnaget_server.cli.limits import compute_for

GOOD = "gene_id\tS1\tS2\ng/1\t1\t2\ng2\t3\t4\n"


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(import_command, [str(one) for one in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.tsv"
    path.write_text(GOOD)
    return path


def options(data: Path, **more: str) -> list[str]:
    given = {"data": str(data), "project": "p", "study": "s", "id": "m", "units": "TPM", **more}
    return [part for key, value in given.items() for part in (f"--{key.replace('_', '-')}", value)]


def test_summary_and_catalogue(source: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.tsv"
    samples.write_text("id\tTissue\nS1\tliver\nS2\tlung\nS3\theart\n")
    more = {"name": "A name", "version": "1.0", "genome": "GRCh38", "license": "CC0-1.0", "samples": str(samples)}
    code, out, err = invoke(source, *options(tmp_path / "data", **more))
    assert (code, err) == (0, "")
    assert "2 features × 2 samples, in TPM; TPM are whole numbers" in out
    assert "sample table samples.tsv: 2 rows used; 1 rows left out, of no sample of the matrix" in out
    assert "filters: Tissue" in out
    assert "curl 'http://127.0.0.1:8080/rnaget/expressions/m/bytes?format=tsv&featureIDList=g%2F1'" in out
    catalog, problems = load(tmp_path / "data")
    assert not problems
    assert catalog is not None
    matrix = catalog.matrices["m"]
    assert (matrix.name, matrix.version, matrix.license) == ("A name", "1.0", "CC0-1.0")
    assert catalog.studies["s"].genome == "GRCh38"


def test_a_second_unit(source: Path, tmp_path: Path) -> None:
    assert invoke(source, *options(tmp_path / "data"))[0] == 0
    code, out, _ = invoke(source, *options(tmp_path / "data", units="count"))
    assert code == 0
    assert "in TPM, count" in out
    code, _, err = invoke(source, *options(tmp_path / "data", units="count"))
    assert code == 1
    assert "add --replace" in err
    assert invoke(source, *options(tmp_path / "data", units="count"), "--replace")[0] == 0
    code, _, err = invoke(source, *options(tmp_path / "data", id="n", genome="GRCh38"))
    assert code == 0
    code, _, err = invoke(source, *options(tmp_path / "data", id="o", genome="mm10"))
    assert code == 1
    assert "on the genome 'GRCh38'" in err


def test_a_failure_is_one_message(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text(GOOD + "g3\tx\t1\n")
    code, out, err = invoke(bad, *options(tmp_path / "data"))
    assert (code, out) == (1, "")
    assert err == f"Error: {bad}:4: the cell 'x' in the column 'S1' is not a number\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("missing", ["data", "units"])
def test_required_options(source: Path, tmp_path: Path, missing: str) -> None:
    arguments = options(tmp_path / "data")
    at = arguments.index(f"--{missing}")
    code, _, err = invoke(source, *arguments[:at], *arguments[at + 2 :])
    assert code == 2
    assert f"--{missing}" in err


def test_the_installed_command(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rnaget_server.cli.server", "import", str(source), *options(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "data" / "p" / "s" / "m.h5").exists()


def test_workers_do_not_import_into_object_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "mirror" / "data"
    data.mkdir(parents=True)
    (data.parent / "place.json").write_text('{"url": "s3://bucket/prefix"}')
    refused = "workers of dask://127.0.0.1:1 cannot write to s3://bucket/prefix: import into a directory"
    with pytest.raises(click.ClickException, match=refused), compute_for(data, "dask://127.0.0.1:1"):
        pass
    monkeypatch.setenv("RNAGET_COMPUTE", "dask://127.0.0.1:1")
    with compute_for(data, None) as compute:
        assert compute.is_local
    with compute_for(tmp_path / "directory", None) as compute:
        assert not compute.is_local
