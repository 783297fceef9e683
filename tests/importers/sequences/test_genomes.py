"""FASTA files become genomes whole or not at all; what is wrong in one is named with its line."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from rnaget_server.importers.sequences import fasta
from rnaget_server.importers.sequences.fasta import Header, read_fasta
from rnaget_server.model.access import Access
from rnaget_server.sequences.store import SequenceStore


def run(data: Path, *arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["import", *map(str, arguments), "--data", str(data)])
    return result.exit_code, result.output


def letters_of(data: Path, genome: str, id: str) -> str:
    store = SequenceStore(data / "genomes" / genome)
    found = store.find(id)
    assert found is not None
    return b"".join(store.read(found, 0, found.length)).decode()


@given(
    records=st.lists(
        st.tuples(st.text("ab1|.", min_size=1, max_size=9), st.text("acgtNRY*", max_size=200)), max_size=6
    ),
    width=st.integers(1, 70),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    block=st.integers(1, 64),
)
def test_blocks_may_end_anywhere(
    records: list[tuple[str, str]], width: int, line_end: str, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fasta") / "a.fa"
    text = ""
    for name, letters in records:
        lines = [letters[at : at + width] for at in range(0, len(letters), width)]
        text += line_end.join([f">{name} some words", *lines]) + line_end
    path.write_bytes(text.encode())
    found: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "_BLOCK", block)
        for part in read_fasta(path):
            if isinstance(part, Header):
                found.append((part.name, ""))
                assert part.description == "some words"
            else:
                found[-1] = (found[-1][0], found[-1][1] + part.decode())
    assert found == [(name, letters.upper()) for name, letters in records]


def test_a_gzip_file_gives_the_same_genome_as_a_plain_one(tmp_path: Path) -> None:
    text = b">one first\nacgt\nAC\n>two\nNNNN\n"
    (tmp_path / "a.fa").write_bytes(text)
    # bgzip writes many members, one after the other.
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(text[:11]) + gzip.compress(text[11:]))
    for number, name in enumerate(("a.fa", "a.fa.gz")):
        code, output = run(tmp_path / "data", tmp_path / name, "--genome", f"g{number}")
        assert code == 0, output
    assert letters_of(tmp_path / "data", "g1", "g1:one") == "ACGTAC"
    stores = [SequenceStore(tmp_path / "data" / "genomes" / f"g{number}") for number in (0, 1)]
    assert stores[0].collection() == stores[1].collection()


def test_a_genome_of_thousands_of_sequences(tmp_path: Path) -> None:
    """More than a store holds in memory; the example is the digest of the first, by the rule of GA4GH."""
    records = "".join(f">contig{number}\n{'ACGT' * number}\n" for number in range(1, 2_502))
    (tmp_path / "a.fa").write_text(records)
    code, output = run(tmp_path / "data", tmp_path / "a.fa", "--genome", "g")
    assert code == 0, output
    assert "2,501 sequences" in output
    assert "SQ." + base64.urlsafe_b64encode(hashlib.sha512(b"ACGT").digest()[:24]).decode() in output


def test_further_names_find_a_sequence(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">chr1\nACGT\n")
    (tmp_path / "names.tsv").write_text("sequence\talias\tauthority\nchr1\tBK006935.2\tinsdc\n")
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g", "--aliases", tmp_path / "names.tsv")
    assert code == 0, output
    for id in ("insdc:BK006935.2", "BK006935.2", "g:chr1"):
        assert letters_of(tmp_path / "d", "g", id) == "ACGT"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nAC-T\n", "a.fa:2: '-' in column 3"),
        (">a\nAC\n\nA1\n", "a.fa:4: '1' in column 2"),
        (">a\nAC\n>\nGG\n", "a.fa:3: the record has no name"),
        (">a\nAC\n>b\n>c\nGG\n", "a.fa:3: the record b has no letters"),
        (">a\nAC\n>a\nGG\n", "a.fa:3: the name a has other letters"),
        (">\xff\nAC\n", "a.fa:1: the header of the record is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.fa").write_bytes(text.encode("latin-1"))
    code, output = run(tmp_path / "data", tmp_path / "a.fa", "--genome", "g")
    assert code == 1
    assert message in output
    assert not (tmp_path / "data").exists()


def test_a_gzip_file_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(b">a\n" + b"ACGTTGCA" * 10_000)[:-20])
    code, output = run(tmp_path / "data", tmp_path / "a.fa.gz", "--genome", "g")
    assert code == 1 and "cut off" in output
    assert not (tmp_path / "data").exists()


def test_a_genome_is_replaced_only_if_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    (tmp_path / "b.fa").write_text(">a\nTTTT\n")
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")[0] == 0
    code, output = run(tmp_path / "d", tmp_path / "b.fa", "--genome", "g")
    assert code == 1 and "--replace" in output
    assert letters_of(tmp_path / "d", "g", "g:a") == "ACGT"
    assert run(tmp_path / "d", tmp_path / "b.fa", "--genome", "g", "--replace")[0] == 0
    assert letters_of(tmp_path / "d", "g", "g:a") == "TTTT"
    assert [path.name for path in (tmp_path / "d" / "genomes").iterdir()] == ["g"]


def test_who_may_see_a_genome_stays_when_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")[0] == 0
    record = tmp_path / "d" / "genomes" / "g" / "genome.yaml"
    record.write_text("id: g\naccess:\n  controlled: [x, '1']\n")
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g", "--replace", "--common-name", "yeast")[0] == 0
    catalog, _ = load(tmp_path / "d")
    assert catalog is not None
    genome = catalog.genomes["g"]
    assert (genome.common_name, genome.access) == ("yeast", (Access("controlled", frozenset(("x", "1"))),))
    record.write_text("access: [")
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g", "--replace")
    assert code == 1 and "who may see the genome that is replaced cannot be read" in output
    assert record.read_text() == "access: ["


def test_options_of_matrices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g", "--units", "TPM")
    assert code == 1 and "--units cannot be given" in output
    code, output = run(tmp_path / "d", tmp_path / "a.fa")
    assert code == 2 and "--genome" in output
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g", "--circular", "b")
    assert code == 1 and "the first are a" in output


def test_a_damaged_gzip_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.fa.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\xff" * 60)
    code, output = run(tmp_path / "d", tmp_path / "a.fa.gz", "--genome", "g")
    assert code != 0
    assert "Traceback" not in output


def test_a_genome_in_a_new_directory_can_be_served(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")[0] == 0
    assert (tmp_path / "d" / "catalog.yaml").exists()
    result = CliRunner().invoke(main, ["check", str(tmp_path / "d")])
    assert result.exit_code == 0, result.output
    (tmp_path / "d" / "genomes" / "g" / "letters").write_text("ACG")
    result = CliRunner().invoke(main, ["check", str(tmp_path / "d")])
    assert result.exit_code == 1
    assert "genome.yaml: the file of letters is not that of the index" in result.output


def test_a_genome_whose_replacement_was_killed_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    genomes = tmp_path / "d" / "genomes"
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")[0] == 0
    (genomes / "g").rename(genomes / ".import-before.g")
    (genomes / ".import-g.x").mkdir()
    assert run(tmp_path / "d", tmp_path / "a.fa", "--genome", "h")[0] == 0
    assert sorted(path.name for path in genomes.iterdir()) == ["g", "h"]
    assert letters_of(tmp_path / "d", "g", "g:a") == "ACGT"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_and_a_byte_order_mark_are_no_letters(end: str, packed: bool, tmp_path: Path) -> None:
    content = "\ufeff>a one\nACGT\nAC\n>b\nTT\n".replace("\n", end).encode()
    (tmp_path / "a.fa").write_bytes(gzip.compress(content) if packed else content)
    assert list(read_fasta(tmp_path / "a.fa")) == [Header("a", "one", 1), b"ACGTAC", Header("b", "", 4), b"TT"]
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")
    assert code == 0, output
    assert letters_of(tmp_path / "d", "g", "g:b") == "TT"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.fa: the file is empty"),
        (b"ACGT\nACGT\n", "a.fa:1: this is no FASTA: a record begins with '>'"),
        (gzip.compress(b">a\nACGT\n")[:-9], "a.fa: the gzip data are damaged or cut off"),
        (gzip.compress(b""), "a.fa: the file is empty"),
        (None, "there is no such file"),
    ],
)
def test_what_is_wrong_with_a_first_file_is_said(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.fa").write_bytes(content)
    code, output = run(tmp_path / "d", tmp_path / "a.fa", "--genome", "g")
    assert code == 1 and message in output
    assert "--project'" not in output
    assert not (tmp_path / "d" / "genomes").exists()
    code, output = run(tmp_path / "d", "-", "--genome", "g")
    assert code == 1 and "from files" in output


def test_a_matrix_with_a_genome_is_no_genome(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\ta\nG1\t1\n")
    code, output = run(tmp_path / "d", tmp_path / "m.tsv", "--genome", "g", "--units", "TPM")
    assert code == 0 and "m is now in" in output
    code, output = run(tmp_path / "d", tmp_path / "m.tsv", "--genome", "g")
    assert code == 1 and "a matrix or tracks need --units" in output
