"""Annotations that are wrong, or of another genome, are refused with the line; nothing is left of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.importers.sequences.annotated import run_import, store_of

GENOME = {"chr1": "ACGT" * 25, "chr2": "ACGT" * 25, "chrM": "A" * 50}
GTF = 'gene_id "g1"; transcript_id "t1";'
TWO = f"chr1 x exon 1 20 . + . {GTF}\n"
GFF = """##gff-version 3
chr1 x gene 1 60 . + . ID=g1
chr1 x mRNA 1 60 . + . ID=t1;Parent=g1
"""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"1 x exon 1 20 . + . {GTF}", 1, "the genome has no sequence '1', but it has 'chr1'"),
        (f"MT x exon 1 20 . + . {GTF}", 1, "but it has 'chrM'"),
        (f"scaffold_9 x exon 1 20 . + . {GTF}", 1, "its first are chr1, chr2, chrM"),
        (f"{TWO}chr1 x exon 31 101 . + . {GTF}", 2, "the end 101 is beyond chr1, which has 100 bases"),
        (f"{TWO}chr1 x exon 40 31 . + . {GTF}", 2, "the end 31 is before the start 40"),
        ("##gff-version 3\n##sequence-region chr1 1 120\n" + GFF, 2, "chr1 has 120 bases here and 100 in the genome"),
        ("##gff-version 3\n##sequence-region chr1 1 90\n" + GFF, 2, "chr1 has 90 bases here and 100 in the genome"),
        (f"{TWO}chr2 x exon 31 40 . + . {GTF}", 2, "'t1' are on two sequences: see line 1"),
        (f"{TWO}chr1 x exon 31 40 . - . {GTF}", 2, "'t1' are on two strands: see line 1"),
        (f"{TWO}chr1 x exon 15 40 . + . {GTF}", 2, "two exons of 't1' overlap: see line 1"),
        (f"{TWO}chr1 x exon 1 20 . + . {GTF}", 2, "the same exon of 't1' is in line 1 already"),
        (f"{TWO}chr1 x CDS 15 23 . + 0 {GTF}", 2, "the CDS of 't1' is not within its exons"),
        (f"{TWO}chr1 x CDS 1 9 . + 0 {GTF}\nchr1 x CDS 5 15 . + 0 {GTF}", 3, "two CDS parts of 't1' overlap"),
        (f"chr1 x exon 1 20 . . . {GTF}\nchr1 x CDS 1 20 . . 0 {GTF}", 2, "has no strand: write + or -"),
        (f"{TWO}chr1 x exon 31 40 . + . gene_id 'g1'", 2, "the exon has no transcript_id"),
        (f'{TWO}chr1 x exon 31 40 . + . gene_id "g1"; a=b c', 2, "the last field must be attributes of GTF"),
        ("chr1 x exon 31 40 . + . just some words", 1, "the last field must be attributes in the form of GTF"),
        ("chr1 x exon 31 40 . + . .", 1, "the last field must be attributes in the form of GTF"),
        (f"{TWO}chr1 x exon 31 40 . +", 2, "the line has 7 fields, and GTF and GFF3 have 9"),
        (f"{TWO}chr1 x exon 0 40 . + . {GTF}", 2, "start '0' and end '40' must be whole numbers, counted from 1"),
        (f"{TWO}chr1 x exon a 40 . + . {GTF}", 2, "start 'a' and end '40' must be whole numbers"),
        (f"{TWO}chr1 x exon 31 40 . x . {GTF}", 2, "the strand must be '+', '-' or '.', not 'x'"),
        (f"{TWO}chr1 x CDS 1 20 . + 3 {GTF}", 2, "the phase must be 0, 1, 2 or '.', not '3'"),
        (f'{TWO}chr1 x exon 31 40 . + . transcript_id "t2";', 2, "the exon has no gene_id"),
        ("chr1 x gene 1 20 . + . gene_name 'a';", 1, "the gene has no gene_id"),
        ('chr1 x gene 1 9 . + . gene_id "a";\nchr1 x gene 1 9 . + . gene_id "a";', 2, "'a' is in line 1 already"),
        (f"chr1 x transcript 1 9 . + . {GTF}\nchr1 x transcript 1 9 . + . {GTF}", 2, "is in line 1 already"),
        (f"{GFF}chr1 x exon 1 60 . + . Parent=t2", 4, "there is no line with the ID 't2', the Parent here"),
        (f"{GFF}chr1 x mRNA 1 60 . + . ID=t3;Parent=g9", 4, "there is no line with the ID 'g9', the Parent here"),
        (f"{GFF}chr1 x exon 1 60 . + . colour=red", 4, "the exon has neither Parent nor ID"),
        (f"{GFF}chr1 x gene 1 60 . + . colour=red", 4, "the gene has no ID"),
        (f"{GFF}chr1 x mRNA 1 60 . + . ID=t1;Parent=g1", 4, "the ID 't1' is in line 3 already"),
        (f"{GFF}chr1 x CDS 1 60 . + 0 Parent=t1;transl_table=99", 4, "there is no genetic code '99' here"),
        (f"{GFF}chr1 x CDS 1 60 . + 0 Parent=t1;transl_table=\u00b2", 4, "there is no genetic code '\u00b2' here"),
        (
            f"{GFF}##sequence-region chr1 1 {'9' * 5000}\nchr1 x exon 1 60 . + . colour=red",
            5,
            "has neither Parent nor ID",
        ),
        (
            f"{GFF}chr1 x CDS 1 60 . + 0 Parent=t1;transl_except=(pos:{'1' * 5000}..3,aa:Sec)\n"
            "chr1 x gene 1 9 . + . a=b",
            5,
            "the gene has no ID",
        ),
        # Of such a length, what takes time by the square of it takes many minutes.
        (f"{TWO}chr1 x exon 1 20 . + . {'x' * 200_000}", 2, "the last field must be attributes of"),
        (f"{GFF}chr1 x exon 1 60 . + . {'x' * 200_000}", 4, "the last field must be attributes of"),
        (f"{GFF}chr1 x exon 1 60 . - . Parent=t1", 3, "'t1' is on the other strand than its parts: see line 4"),
        (f"{GFF}chr2 x exon 1 60 . + . Parent=t1", 3, "'t1' is on chr1, but its parts are on chr2: see line 4"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    code, output = run_import(tmp_path, GENOME, text)
    assert code == 1
    assert f"genes:{line}: " in output and message in output
    assert not (tmp_path / "genomes").exists()


@pytest.mark.parametrize(
    "text",
    ["", "##gff-version 3\n", "##gff-version 3\nchr1 x repeat_region 1 60 . + . ID=r1\n", "chr1 x match 1 2 . + . x"],
)
def test_no_gene_at_all(tmp_path: Path, text: str) -> None:
    code, output = run_import(tmp_path, GENOME, text)
    assert code == 1 and "there is no gene" in output


def test_a_protein_is_no_genome(tmp_path: Path) -> None:
    code, output = run_import(tmp_path, {"chr1": "MAKEL" * 20}, TWO)
    assert code == 1 and "not of proteins" in output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("chr9=2", "there is no sequence 'chr9'; the first are chr1"),
        ("chr1=99", "write NAME=CODE or CODE"),
        ("x", "write NAME=CODE or CODE"),
        ("\u00b2", "write NAME=CODE or CODE"),
        ("1" * 5000, "write NAME=CODE or CODE"),
    ],
)
def test_genetic_codes_that_there_are_not(tmp_path: Path, option: str, message: str) -> None:
    code, output = run_import(tmp_path, GENOME, TWO, "--genetic-code", option)
    assert code == 1 and message in output


def test_files_that_are_cut_off_or_not_text(tmp_path: Path) -> None:
    fasta = tmp_path / "a.fa"
    fasta.write_text(">chr1\n" + "ACGT" * 25 + "\n")
    for name, content in {
        "cut.gz": gzip.compress(TWO.replace(" x ", "\tx\t").encode() * 1000)[:-9],
        "bad.gtf": b"\x00\x01\x02",
        "latin.gtf": 'chr1\tx\texon\t1\t20\t.\t+\t.\tgene_id "\xe9"; transcript_id "t";\n'.encode("latin-1"),
    }.items():
        (tmp_path / name).write_bytes(content)
        arguments = [str(fasta), "--data", str(tmp_path / "d"), "--genome", "g", "--annotation", str(tmp_path / name)]
        result = CliRunner().invoke(main, ["import", *arguments])
        assert result.exit_code == 1 and name in result.output and "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit)
    missing = CliRunner().invoke(main, ["import", *arguments[:-1], str(tmp_path / "none.gtf")])
    assert missing.exit_code in (1, 2) and isinstance(missing.exception, SystemExit)
    code = CliRunner().invoke(main, ["import", *arguments[:-2], "--genetic-code", "2"])
    assert code.exit_code == 1 and "--genetic-code goes with --annotation" in code.output


def test_what_is_strange_is_said(tmp_path: Path) -> None:
    letters = "ATGTAAGGGTGATAA"
    text = f"""chr1 . exon 1 15 . + . {GTF}
chr1 . CDS 1 6 . + 0 {GTF}
chr1 . CDS 9 15 . + 1 {GTF}
"""
    _, output = run_import(tmp_path, {"chr1": letters}, text)
    assert "1 coding sequences are incomplete" in output
    assert "1 proteins have stops before their end" in output
    assert "1 coding sequences have other phases" in output


def test_transcripts_of_two_strands_have_no_sequences(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 x gene 1 60 . + . ID=g1;exception=trans-splicing
chr1 x mRNA 1 60 . + . ID=t1;Parent=g1;exception=trans-splicing
chr1 x exon 1 20 . + . ID=e1;Parent=t1;exception=trans-splicing
chr1 x exon 31 60 . - . ID=e2;Parent=t1;exception=trans-splicing
"""
    store = store_of(tmp_path, GENOME, text)
    match = store.find_genes("g1")
    assert match is not None
    (transcript,) = store.transcripts(store.genes(match.genes)[0])
    assert transcript.cdna is None and transcript.exons == ()
