"""Imports that say what they would do, and write nothing."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command
from tests.importers.quantifications.made import salmon

TABLE = "gene\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n"


def run(source: Path, data: Path, *options: str, id: str = "m") -> Result:
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", id, "--units", "x"]
    return CliRunner().invoke(import_command, [str(source), *place, *options])


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """The files, when each was changed, and what is in them."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "m.tsv").write_text(TABLE)
    (tmp_path / "t.bedGraph").write_text("chr1\t0\t5\t1\nchr1\t7\t9\t2\n")
    with h5py.File(tmp_path / "m.loom", "w") as file:
        file["matrix"] = np.eye(2)
        file["row_attrs/Gene"] = file["col_attrs/CellID"] = [b"a", b"b"]
        file.create_group("layers")
    return {"table": tmp_path / "m.tsv", "loom": tmp_path / "m.loom", "track": tmp_path / "t.bedGraph"}


@pytest.mark.parametrize("kind", ["table", "loom", "track"])
def test_it_says_what_the_import_says_and_writes_nothing(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    data = tmp_path / "data"
    dry = run(sources[kind], data, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert not data.exists()
    real = run(sources[kind], data)
    told, done = dry.stdout.splitlines(), real.stdout.splitlines()
    assert told[0] == "Dry run: nothing was written. Without --dry-run:"
    assert told[1] == done[0].replace("is now in", "would be in")
    assert told[2:] == done[1 : len(told) - 1] and "  filters: (no new ones)" in told


@pytest.mark.parametrize("kind", ["table", "loom", "track"])
def test_a_catalogue_stays_as_it_was(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    data = tmp_path / "data"
    for name, source in sources.items():
        assert run(source, data, id=name).exit_code == 0
    before = state(data)
    assert "would be in" in run(sources[kind], data, "--dry-run", "--replace", id=kind).stdout
    assert "would be in" in run(sources[kind], data, "--dry-run", id="new").stdout
    assert state(data) == before
    assert "the disk" not in run(sources[kind], data, id="new").output


def test_filters_and_attributes(tmp_path: Path, sources: dict[str, Path]) -> None:
    (tmp_path / "samples.tsv").write_text("id\tTissue\ns1\tliver\ns2\tlung\n")
    said = run(sources["table"], tmp_path / "data", "--dry-run", "--samples", str(tmp_path / "samples.tsv")).stdout
    assert "2 features × 2 samples, in x" in said
    assert "samples: id Sample, attributes Tissue" in said or "attributes Tissue" in said
    assert "filters: Tissue" in said


def test_mistakes_are_found(tmp_path: Path, sources: dict[str, Path]) -> None:
    sources["table"].write_text(TABLE.replace("4", "four"))
    result = run(sources["table"], tmp_path / "data", "--dry-run")
    assert result.exit_code == 1 and ":3: the cell 'four'" in result.stderr
    assert not (tmp_path / "data").exists()
    assert sorted(os.listdir(tmp_path)) == ["m.loom", "m.tsv", "t.bedGraph"]


def test_results_of_a_quantifier(tmp_path: Path) -> None:
    for sample in ("liver", "lung"):
        salmon(tmp_path / "salmon", sample)
    command = [str(tmp_path / "salmon"), "--data", str(tmp_path / "data"), "--id", "m"]
    dry = CliRunner().invoke(import_command, [*command, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert not (tmp_path / "data").exists()
    real = CliRunner().invoke(import_command, command)
    assert real.exit_code == 0, real.output
    assert "m would be in" in dry.stdout
    assert [line for line in dry.stdout.splitlines() if line.startswith("  ")] == [
        line for line in real.stdout.splitlines() if line.startswith("  ")
    ]
    refused = CliRunner().invoke(import_command, [*command, "--replace", "--md5", "0" * 32])
    assert refused.exit_code == 1
    assert "--md5 cannot be given for results of a quantifier" in refused.stderr


def test_a_genome_is_not_tried(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    command = [str(tmp_path / "a.fa"), "--data", str(tmp_path / "data"), "--genome", "g", "--dry-run"]
    result = CliRunner().invoke(import_command, command)
    assert result.exit_code == 1
    assert "--dry-run cannot be given for a genome" in result.stderr
