"""Genomes in what the commands list and check."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from rnaget_server.sequences.store import SequenceStore
from tests.conftest import import_matrix
from tests.importers.sequences.annotated import run_import

CONTIGS = {"chr1": "ATGGCTAAATAAGGGCCC" + "C" * 700_000, "chr2": "ACGTTGCA"}
GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=g1;Name=AB1
chr1 x mRNA 1 12 . + . ID=t1;Parent=g1
chr1 x exon 1 12 . + . Parent=t1
chr1 x CDS 1 12 . + 0 ID=c1;Parent=t1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_new_catalog(data)
    names = ("--assembly", "GCA_1.1", "--scientific-name", "Mus musculus")
    code, output = run_import(data, CONTIGS, GENES, *names)
    assert code == 0, output
    return data


def run(command: str, data: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [command, str(data)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_list(data: Path) -> None:
    code, output = run("list", data)
    store = SequenceStore(data / "genomes" / "g")
    digest = store.collection().digest
    store.close()
    assert code == 0 and output.splitlines() == [
        "genomes",
        "  g  Mus musculus",
        f"    2 sequences, 700,026 letters, 1 gene, GCA_1.1, collection {digest}",
        "0 projects, 0 studies, 0 matrices, 1 genome",
    ]


def test_list_names_a_genome_that_cannot_be_read(data: Path) -> None:
    (data / "genomes" / "g" / "letters").unlink()
    code, output = run("list", data)
    assert code == 0 and "    cannot be read: see `rnaget-server check`" in output


def test_check_finds_every_letter_that_changed(data: Path) -> None:
    assert run("check", data)[0] == 0
    path = data / "genomes" / "g" / "letters"
    store = SequenceStore(data / "genomes" / "g")
    sequences = list(store.sequences())
    store.close()
    assert len(sequences) == 4  # those of the transcript too: cDNA and CDS are the same, and a protein
    for sequence in sequences:
        before = path.read_bytes()
        at = sequence.start + sequence.length - 1
        path.write_bytes(before[:at] + b"N" + before[at + 1 :])
        code, output = run("check", data)
        assert code == 1 and f"the letters of {sequence.digests.ga4gh} are not those of their digests" in output
        path.write_bytes(before)
    assert run("check", data)[0] == 0


def test_a_store_of_an_older_version_has_the_same_digest(data: Path) -> None:
    before = run("list", data)
    with sqlite3.connect(data / "genomes" / "g" / "index") as index:
        assert index.execute("DELETE FROM facts WHERE name = 'collection'").rowcount == 1
    assert run("list", data) == before and run("check", data)[0] == 0


def test_check_finds_names_that_changed(data: Path) -> None:
    with sqlite3.connect(data / "genomes" / "g" / "index") as index:
        index.execute("UPDATE members SET name = 'chr3' WHERE name = 'chr2'")
    code, output = run("check", data)
    assert code == 1 and "the digest of the collection is not that of its sequences" in output


def test_check_names_what_a_killed_import_left(data: Path) -> None:
    left = data / "genomes" / ".import-h.x1"
    left.mkdir()
    (left / "letters").write_bytes(b"ACGT" * 300)
    code, output = run("check", data)
    assert code == 0 and f"{left} (1,200 bytes) was left by an import that was killed" in output
    code, output = run_import(data, CONTIGS, GENES, "--replace")
    assert code == 0 and not left.exists()
    assert "killed" not in run("check", data)[1]


def test_check_of_damaged_files(data: Path) -> None:
    path = data / "genomes" / "g" / "index"
    content = path.read_bytes()
    for damaged in (
        b"",
        b"no database",
        content[: len(content) // 2],
        content[:4096] + b"\xff" * (len(content) - 4096),
    ):
        path.write_bytes(damaged)
        code, output = run("check", data)
        assert code == 1 and "genome.yaml" in output, output


def test_check_hints_at_a_genome_that_is_meant(data: Path) -> None:
    (data / "m.tsv").write_text("id\ts1\na\t1\n")
    for study in ("s1", "s2"):
        import_matrix(data, data / "m.tsv", "--id", f"m{study}", "--units", "TPM", "--genome", "G", study=study)
    code, output = run("check", data)
    assert code == 0
    assert "the genome G of s1, s2 is not in the catalogue" in output and "it has g" in output
