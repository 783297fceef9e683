"""Fields and tags of CRAM that was compressed by a reference, which is one of the server's own sequences."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from rnaget_server.errors import DamagedFile
from rnaget_server.reads.cram_references import needed_references
from rnaget_server.reads.files import Region
from rnaget_server.storage.local import LocalFile
from tests.apis.htsget.conftest import fetched, imported, ticket_of
from tests.conftest import client_of
from tests.reads.files import Opened, run

pytest.importorskip("pysam")
LENGTHS = {"c1": 40_000, "c2": 9_000, "c3": 700}
QUERY = "/reads/r?format=CRAM&fields=QNAME,FLAG,RNAME,POS,MAPQ,CIGAR,SEQ,QUAL&notags=XX"


def drawn(seed: int) -> dict[str, str]:
    draw = random.Random(seed)
    return {name: "".join(draw.choices("ACGT", k=length)) for name, length in LENGTHS.items()}


def write_fasta(path: Path, sequences: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()))
    return path


def write_cram(directory: Path, sequences: dict[str, str], *options: str, digests: bool = True) -> Path:
    """Write reads of the first two references, a letter of each other than theirs, by a reference that is not kept."""
    draw = random.Random(5)
    lines = ["@HD\tVN:1.6\tSO:coordinate"]
    for name, letters in sequences.items():
        md5 = f"\tM5:{hashlib.md5(letters.encode()).hexdigest()}" if digests else ""
        lines.append(f"@SQ\tSN:{name}\tLN:{len(letters)}{md5}")
    for name in ("c1", "c2"):
        starts = sorted(draw.randrange(LENGTHS[name] - 80) for _ in range(800))
        for number, start in enumerate(starts):
            bases = sequences[name][start : start + 30] + draw.choice("ACGT") + sequences[name][start + 31 : start + 70]
            columns = [f"{name}r{number}", 0, name, start + 1, 40, "70M", "*", 0, 0, bases, "I" * 70]
            lines.append("\t".join(map(str, [*columns, f"XX:i:{number}", "XY:Z:kept"])))
    (directory / "r.sam").write_text("\n".join(lines) + "\n")
    fasta = write_fasta(directory / "gone.fa", sequences)
    cram = directory / "r.cram"
    given = [part for option in options for part in ("--output-fmt-option", option)]
    run("samtools", "view", "-C", "-T", fasta, *given, "-o", cram, directory / "r.sam")
    run("samtools", "index", cram)
    (directory / "expected.sam").write_bytes(run("samtools", "view", "-T", fasta, cram))
    fasta.unlink()
    fasta.with_suffix(".fa.fai").unlink()
    return cram


def import_genome(path: Path, data: Path, id: str) -> None:
    result = CliRunner().invoke(main, ["import", str(path), "--data", str(data), "--genome", id])
    assert result.exit_code == 0, result.output


@pytest.fixture(autouse=True)
def _no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REF_PATH", raising=False)


@pytest.fixture(params=["version=3.0", "version=2.1", "multi_seq_per_slice=1"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_cram(tmp_path, drawn(1), request.param)
    imported(tmp_path / "r.cram", tmp_path / "data", "--id", "r")
    return tmp_path


def expected(made: Path) -> list[str]:
    """Lines as samtools gives them, without the tag that is not asked for."""
    lines = (made / "expected.sam").read_text().splitlines()
    return ["\t".join(field for field in line.split("\t") if not field.startswith("XX:")) for line in lines]


def found(client: TestClient, query: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "found.cram"
    path.write_bytes(fetched(client, ticket_of(client, query)))
    run("samtools", "quickcheck", path)
    return run("samtools", "view", path).decode().splitlines()


def test_the_sequences_of_a_genome_decode_them(made: Path, tmp_path: Path) -> None:
    # Another genome comes first by id, and has one of them alone.
    sequences = drawn(1)
    import_genome(write_fasta(made / "a.fa", {"x": "ACGT" * 9, "y": sequences["c2"]}), made / "data", "a")
    renamed = {f"chr{name}": letters.lower() for name, letters in reversed(sequences.items())}
    import_genome(write_fasta(made / "b.fa", {"first": "GATTACA", **renamed}), made / "data", "b")
    for client in client_of(made / "data"):
        assert found(client, QUERY, tmp_path) == expected(made)
        region = found(client, f"{QUERY}&referenceName=c2&start=10&end=8000", tmp_path)
        inside = {line for line in expected(made) if "\tc2\t" in line and int(line.split("\t")[3]) < 8000}
        assert inside and set(region) >= inside


def test_the_ticket_says_which_sequences_are_missing(tmp_path: Path) -> None:
    write_cram(tmp_path, drawn(1))
    imported(tmp_path / "r.cram", tmp_path / "data", "--id", "r")
    for client in client_of(tmp_path / "data"):
        reply = client.get(f"{QUERY}&referenceName=c1")
        assert reply.status_code == 400
        error = reply.json()["htsget"]
        md5 = hashlib.md5(drawn(1)["c1"].encode()).hexdigest()
        assert error["error"] == "InvalidInput"
        assert f"c1 (MD5 {md5})" in error["message"] and "import the genome" in error["message"]
        assert "c2" not in error["message"]
        # As it is stored, it needs none.
        assert fetched(client, ticket_of(client, "/reads/r?format=CRAM")) == (tmp_path / "r.cram").read_bytes()


def test_a_sequence_without_digest_is_found_by_name(tmp_path: Path) -> None:
    sequences = drawn(1)
    write_cram(tmp_path, sequences)
    header = run("samtools", "view", "-H", tmp_path / "r.cram").decode()
    bare = "".join(re.sub(r"\t(M5|UR):\S*", "", line) + "\n" for line in header.splitlines())
    (tmp_path / "bare.sam").write_text(bare)
    changed = run("samtools", "reheader", "--no-PG", tmp_path / "bare.sam", tmp_path / "r.cram")
    (tmp_path / "r.cram").write_bytes(changed)
    run("samtools", "index", tmp_path / "r.cram")
    imported(tmp_path / "r.cram", tmp_path / "data", "--id", "r")
    import_genome(write_fasta(tmp_path / "b.fa", sequences), tmp_path / "data", "b")
    for client in client_of(tmp_path / "data"):
        assert found(client, QUERY, tmp_path) == expected(tmp_path)


def test_a_genome_of_other_letters_is_none(tmp_path: Path) -> None:
    write_cram(tmp_path, drawn(1))
    imported(tmp_path / "r.cram", tmp_path / "data", "--id", "r")
    import_genome(write_fasta(tmp_path / "b.fa", drawn(2)), tmp_path / "data", "b")
    for client in client_of(tmp_path / "data"):
        assert client.get(QUERY).status_code == 400


@pytest.mark.parametrize(
    "options, names",
    [
        ((), {"c1", "c2"}),
        (("embed_ref=1",), set()),
    ],
)
def test_what_is_needed(options: tuple[str, ...], names: set[str], tmp_path: Path) -> None:
    cram = write_cram(tmp_path, drawn(1), *options)
    opened = Opened(cram, tmp_path / "r.cram.crai")
    arguments = opened.file, opened.index, opened.header
    assert {one.name for one in needed_references(*arguments, None).surely} == names  # type: ignore[arg-type]
    some = needed_references(*arguments, [Region("c2", 0, 5), Region("c3"), Region("*")])  # type: ignore[arg-type]
    assert {one.name for one in some.surely} == names & {"c2"}
    assert not needed_references(*arguments, [Region("*")]).all  # type: ignore[arg-type]


def test_without_reference_nothing_is_needed(files: dict[str, Path]) -> None:
    opened = Opened(files["CRAM"], files["CRAM"].with_name("a.cram.crai"))
    assert not needed_references(opened.file, opened.index, opened.header, None).all  # type: ignore[arg-type]


def test_damage_is_an_error_of_the_file(tmp_path: Path) -> None:
    """Without checksums in the file (version 2.1), anything may stand in its headers."""
    opened = Opened(write_cram(tmp_path, drawn(1), "version=2.1"), tmp_path / "r.cram.crai")
    data, draw = (tmp_path / "r.cram").read_bytes(), random.Random(2)
    refused = 0
    for number in range(400):
        damaged = bytearray(data)
        damaged[opened.header.body + draw.randrange(300)] = draw.choice([0, 128, 255])
        path = tmp_path / f"{number % 2}.cram"
        path.write_bytes(damaged)
        try:
            needed_references(LocalFile.open(path), opened.index, opened.header, None)  # type: ignore[arg-type]
        except (DamagedFile, OSError):
            refused += 1
    assert 0 < refused < 400
