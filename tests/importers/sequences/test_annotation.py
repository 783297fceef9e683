# ruff: noqa: E501 (lines of annotations are long)
"""Genes of every flavour of GTF and GFF3: names, versions, and the sequences of transcripts."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from Bio.Seq import Seq
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.sequences.store import SequenceStore
from tests.importers.sequences.annotated import (
    gene_of,
    letters_of,
    run_import,
    sequences_of,
    store_of,
    transcript_of,
)

# Two exons, 11–40 and 61–90 (1-based), on the reverse strand; coding from 81 down to 23: 21 bases, then 18 with the stop.
FORWARD = random.Random(7).choices("ACGT", k=100)
CDS = "ATGGCTAAATTTCCCGGGACT" + "GATTGTCACTGGTATTAA"
FORWARD[60:81] = Seq(CDS[:21]).reverse_complement()
FORWARD[22:40] = Seq(CDS[21:]).reverse_complement()
CHR = "".join(FORWARD)
CDNA = str(Seq(CHR[10:40] + CHR[60:90]).reverse_complement())
PROTEIN = "MAKFPGTDCHWY"
GENOME = {"chr1": CHR, "chrM": CHR}

FLAVOURS = {
    "gencode.gtf": """##description: evidence-based annotation
chr1 HAVANA gene 11 90 . - . gene_id "ENSG00000000001.7"; gene_type "protein_coding"; gene_name "TP1"; level 2;
chr1 HAVANA transcript 11 90 . - . gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3"; gene_type "protein_coding"; gene_name "TP1"; transcript_type "protein_coding"; transcript_name "TP1-201"; level 2; protein_id "ENSP00000000001.2"; tag "basic"; tag "MANE_Select"; tag "Ensembl_canonical";
chr1 HAVANA exon 61 90 . - . gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3"; exon_number 1; exon_id "ENSE00000000001.1";
chr1 HAVANA CDS 61 81 . - 0 gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3"; exon_number 1; protein_id "ENSP00000000001.2";
chr1 HAVANA start_codon 79 81 . - 0 gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3";
chr1 HAVANA exon 11 40 . - . gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3"; exon_number 2; exon_id "ENSE00000000002.1";
chr1 HAVANA CDS 26 40 . - 0 gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3"; exon_number 2; protein_id "ENSP00000000001.2";
chr1 HAVANA stop_codon 23 25 . - 0 gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3";
chr1 HAVANA UTR 11 25 . - . gene_id "ENSG00000000001.7"; transcript_id "ENST00000000001.3";
""",
    "ensembl.gtf": """#!genome-build test
chr1 ensembl gene 11 90 . - . gene_id "ENSG00000000001"; gene_version "7"; gene_name "TP1"; gene_source "ensembl"; gene_biotype "protein_coding";
chr1 ensembl transcript 11 90 . - . gene_id "ENSG00000000001"; gene_version "7"; transcript_id "ENST00000000001"; transcript_version "3"; gene_name "TP1"; gene_biotype "protein_coding"; transcript_name "TP1-201"; transcript_biotype "protein_coding"; tag "Ensembl_canonical"; tag "MANE_Select";
chr1 ensembl exon 61 90 . - . gene_id "ENSG00000000001"; transcript_id "ENST00000000001"; exon_number "1"; exon_id "ENSE00000000001"; exon_version "1";
chr1 ensembl CDS 61 81 . - 0 gene_id "ENSG00000000001"; transcript_id "ENST00000000001"; protein_id "ENSP00000000001"; protein_version "2";
chr1 ensembl exon 11 40 . - . gene_id "ENSG00000000001"; transcript_id "ENST00000000001"; exon_number "2"; exon_id "ENSE00000000002"; exon_version "1";
chr1 ensembl CDS 26 40 . - 0 gene_id "ENSG00000000001"; transcript_id "ENST00000000001"; protein_id "ENSP00000000001"; protein_version "2";
chr1 ensembl stop_codon 23 25 . - 0 gene_id "ENSG00000000001"; transcript_id "ENST00000000001";
chr1 ensembl five_prime_utr 82 90 . - . gene_id "ENSG00000000001"; transcript_id "ENST00000000001";
""",
    "gencode.gff3": """##gff-version 3
##sequence-region chr1 1 100
chr1 HAVANA gene 11 90 . - . ID=ENSG00000000001.7;gene_id=ENSG00000000001.7;gene_type=protein_coding;gene_name=TP1;level=2
chr1 HAVANA transcript 11 90 . - . ID=ENST00000000001.3;Parent=ENSG00000000001.7;gene_id=ENSG00000000001.7;transcript_id=ENST00000000001.3;transcript_type=protein_coding;transcript_name=TP1-201;protein_id=ENSP00000000001.2;tag=basic,Ensembl_canonical,MANE_Select
chr1 HAVANA exon 61 90 . - . ID=exon:ENST00000000001.3:1;Parent=ENST00000000001.3;exon_id=ENSE00000000001.1
chr1 HAVANA CDS 61 81 . - 0 ID=CDS:ENST00000000001.3;Parent=ENST00000000001.3;protein_id=ENSP00000000001.2
chr1 HAVANA exon 11 40 . - . ID=exon:ENST00000000001.3:2;Parent=ENST00000000001.3;exon_id=ENSE00000000002.1
chr1 HAVANA CDS 23 40 . - 0 ID=CDS:ENST00000000001.3;Parent=ENST00000000001.3;protein_id=ENSP00000000001.2
chr1 HAVANA stop_codon 23 25 . - 0 ID=stop_codon:ENST00000000001.3;Parent=ENST00000000001.3
chr1 HAVANA three_prime_UTR 11 22 . - . ID=UTR3:ENST00000000001.3;Parent=ENST00000000001.3
""",
    "ensembl.gff3": """##gff-version 3
##sequence-region   chr1 1 100
chr1 test chromosome 1 100 . . . ID=chromosome:1;Alias=NC_1
chr1 ensembl gene 11 90 . - . ID=gene:ENSG00000000001;Name=TP1;biotype=protein_coding;description=a%3B gene [Source:HGNC%3BAcc:HGNC:1],b;gene_id=ENSG00000000001;version=7
chr1 ensembl mRNA 11 90 . - . ID=transcript:ENST00000000001;Parent=gene:ENSG00000000001;Name=TP1-201;biotype=protein_coding;tag=basic,Ensembl_canonical,MANE_Select;transcript_id=ENST00000000001;version=3
chr1 ensembl exon 11 40 . - . Parent=transcript:ENST00000000001;Name=ENSE00000000002;exon_id=ENSE00000000002;rank=2;version=1
chr1 ensembl CDS 23 40 . - 0 ID=CDS:ENSP00000000001;Parent=transcript:ENST00000000001;protein_id=ENSP00000000001;version=2
chr1 ensembl exon 61 90 . - . Parent=transcript:ENST00000000001;Name=ENSE00000000001;exon_id=ENSE00000000001;rank=1;version=1
chr1 ensembl CDS 61 81 . - 0 ID=CDS:ENSP00000000001;Parent=transcript:ENST00000000001;protein_id=ENSP00000000001;version=2
""",
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavours_with_versions(tmp_path: Path, flavour: str) -> None:
    store = store_of(tmp_path, GENOME, FLAVOURS[flavour])
    gene, transcript = gene_of(store, "TP1"), transcript_of(store, "TP1")
    assert (gene.id, gene.version, gene.symbol, gene.biotype) == ("ENSG00000000001", "7", "TP1", "protein_coding")
    assert (gene.contig, gene.start, gene.stop, gene.strand, gene.length) == ("chr1", 10, 90, -1, 100)
    assert (transcript.id, transcript.version, transcript.name) == ("ENST00000000001", "3", "TP1-201")
    assert (transcript.protein_id, transcript.protein_version) == ("ENSP00000000001", "2")
    assert {"Ensembl_canonical", "MANE_Select"} <= set(transcript.tags)
    assert [(exon.start, exon.stop) for exon in transcript.exons] == [(60, 90), (10, 40)]
    assert [exon.id for exon in transcript.exons] == ["ENSE00000000001.1", "ENSE00000000002.1"]
    assert [(exon.start_phase, exon.end_phase) for exon in transcript.exons] == [(-1, 0), (0, -1)]
    assert [(part.start, part.stop, part.phase) for part in transcript.coding] == [(60, 81, 0), (22, 40, 0)]
    assert sequences_of(store, "TP1") == (CDNA, CDS, PROTEIN)
    assert not transcript.incomplete_start and not transcript.incomplete_end
    for name in ("ENSG00000000001", "ENSG00000000001.7", "ENST00000000001.3", "ENSP00000000001", "TP1-201", "tp1"):
        assert gene_of(store, name) == gene
    assert store.find_genes("ENSG00000000001.6") is None
    for alias in ("ENST00000000001", "ENST00000000001.3", "ensembl:ENST00000000001.3"):
        assert letters_of(store, alias) == CDNA
    assert letters_of(store, "ENSP00000000001.2") == letters_of(store, "ensembl:ENSP00000000001") == PROTEIN


REFSEQ = {
    "gff3": """##gff-version 3
##sequence-region chr1 1 100
chr1 RefSeq region 1 100 . + . ID=chr1:1..100;Dbxref=taxon:9606;gbkey=Src
chr1 BestRefSeq gene 11 90 . - . ID=gene-TP1;Dbxref=GeneID:77,HGNC:HGNC:5;Name=TP1;description=test protein%2C one;gbkey=Gene;gene=TP1;gene_biotype=protein_coding;gene_synonym=OLD1,OLD2
chr1 BestRefSeq mRNA 11 90 . - . ID=rna-NM_000001.4;Parent=gene-TP1;Name=NM_000001.4;gene=TP1;product=test;tag=MANE Select;transcript_id=NM_000001.4
chr1 BestRefSeq exon 61 90 . - . ID=exon-NM_000001.4-1;Parent=rna-NM_000001.4;transcript_id=NM_000001.4
chr1 BestRefSeq exon 11 40 . - . ID=exon-NM_000001.4-2;Parent=rna-NM_000001.4;transcript_id=NM_000001.4
chr1 BestRefSeq CDS 61 81 . - 0 ID=cds-NP_000001.2;Parent=rna-NM_000001.4;Name=NP_000001.2;protein_id=NP_000001.2
chr1 BestRefSeq CDS 23 40 . - 0 ID=cds-NP_000001.2;Parent=rna-NM_000001.4;Name=NP_000001.2;protein_id=NP_000001.2
chr1 RefSeq cDNA_match 11 90 . - . ID=match1;Target=NM_000001.4 1 60 +
""",
    "gtf": """#gtf-version 2.2
chr1 BestRefSeq gene 11 90 . - . gene_id "TP1"; transcript_id ""; db_xref "GeneID:77"; db_xref "HGNC:HGNC:5"; description "test protein, one"; gene "TP1"; gene_biotype "protein_coding"; gene_synonym "OLD1"; gene_synonym "OLD2"; note "a; b=c";
chr1 BestRefSeq transcript 11 90 . - . gene_id "TP1"; transcript_id "NM_000001.4"; gene "TP1"; tag "MANE Select"; transcript_biotype "mRNA";
chr1 BestRefSeq exon 61 90 . - . gene_id "TP1"; transcript_id "NM_000001.4"; exon_number "1";
chr1 BestRefSeq exon 11 40 . - . gene_id "TP1"; transcript_id "NM_000001.4"; exon_number "2";
chr1 BestRefSeq CDS 61 81 . - 0 gene_id "TP1"; transcript_id "NM_000001.4"; protein_id "NP_000001.2"; exon_number "1";
chr1 BestRefSeq CDS 26 40 . - 0 gene_id "TP1"; transcript_id "NM_000001.4"; protein_id "NP_000001.2"; exon_number "2";
chr1 BestRefSeq stop_codon 23 25 . - 0 gene_id "TP1"; transcript_id "NM_000001.4"; protein_id "NP_000001.2";
""",
}


@pytest.mark.parametrize("form", REFSEQ)
def test_refseq(tmp_path: Path, form: str) -> None:
    store = store_of(tmp_path, GENOME, REFSEQ[form])
    gene = gene_of(store, "TP1")
    assert (gene.id, gene.symbol, gene.biotype) == ("TP1", "TP1", "protein_coding")
    assert gene.description == "test protein, one"
    for name in ("OLD1", "old2", "GeneID:77", "HGNC:5", "NM_000001", "NM_000001.4", "NP_000001.2"):
        assert gene_of(store, name) == gene
    assert sequences_of(store, "TP1") == (CDNA, CDS, PROTEIN)
    transcript = transcript_of(store, "TP1")
    assert (transcript.version, transcript.biotype, transcript.tags) == ("4", "mRNA", ("MANE Select",))
    assert letters_of(store, "refseq:NP_000001.2") == PROTEIN


def test_ucsc_has_no_lines_of_genes_nor_of_transcripts(tmp_path: Path) -> None:
    rest = 'gene_id "TP1"; transcript_id "tp1.1"; '
    lines = [("exon", 61, 90), ("CDS", 61, 81), ("exon", 11, 40), ("CDS", 26, 40), ("stop_codon", 23, 25)]
    text = "\n".join(f"chr1 hg38_refGene {kind} {start} {end} 0.0 - . {rest}" for kind, start, end in reversed(lines))
    store = store_of(tmp_path, GENOME, text)
    gene = gene_of(store, "TP1")
    assert (gene.id, gene.version, gene.start, gene.stop, gene.strand) == ("TP1", None, 10, 90, -1)
    assert sequences_of(store, "tp1.1") == (CDNA, CDS, PROTEIN)


def test_gzip_and_any_order_of_gff3(tmp_path: Path) -> None:
    lines = FLAVOURS["ensembl.gff3"].strip().split("\n")
    (tmp_path / "g.fa").write_text(f">chr1\n{CHR}\n")
    shuffled = [*lines[:2], *reversed(lines[2:])]
    text = "\n".join(line if line[0] == "#" else "\t".join(line.split(None, 8)) for line in shuffled)
    plain = store_of(tmp_path / "a", GENOME, FLAVOURS["ensembl.gff3"])
    (tmp_path / "genes.gff3.gz").write_bytes(gzip.compress(f"{text}\n##FASTA\n>chr1\nACGT\n".encode()))
    arguments = ["import", str(tmp_path / "g.fa"), "--data", str(tmp_path), "--genome", "g"]
    result = CliRunner().invoke(main, [*arguments, "--annotation", str(tmp_path / "genes.gff3.gz")])
    assert result.exit_code == 0, result.output
    assert transcript_of(SequenceStore(tmp_path / "genomes" / "g"), "TP1") == transcript_of(plain, "TP1")


def test_an_exon_of_several_transcripts(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . gene 1 60 . + . ID=g1;Name=A
chr1 . mRNA 1 60 . + . ID=t1;Parent=g1
chr1 . mRNA 1 60 . + . ID=t2;Parent=g1
chr1 . exon 1 20 . + . Parent=t1,t2
chr1 . exon 31 40 . + . Parent=t1
chr1 . exon 51 60 . + . Parent=t1,t2
"""
    store = store_of(tmp_path, GENOME, text)
    first, second = store.transcripts(gene_of(store, "A"))
    assert letters_of(store, first.cdna) == CHR[:20] + CHR[30:40] + CHR[50:60]
    assert letters_of(store, second.cdna) == letters_of(store, "t2") == CHR[:20] + CHR[50:60]
    assert first.cds is None and first.protein is None


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("phase", [0, 1, 2])
@pytest.mark.parametrize("length", [30, 31, 32])
def test_ends_that_are_not_complete(tmp_path: Path, strand: str, phase: int, length: int) -> None:
    letters = "".join(random.Random(length).choices("ACG", k=60))
    text = f"""##gff-version 3
chr1 . gene 1 60 . {strand} . ID=g1
chr1 . mRNA 1 60 . {strand} . ID=t1;Parent=g1
chr1 . exon 1 60 . {strand} . Parent=t1
chr1 . CDS 11 {10 + length} . {strand} {phase} ID=c1;Parent=t1;protein_id=P1
"""
    store = store_of(tmp_path, {"chr1": letters}, text)
    part = Seq(letters[10 : 10 + length])
    cds = str(part.reverse_complement() if strand == "-" else part)
    whole = (length - phase) // 3 * 3
    _, stored, protein = sequences_of(store, "g1")
    assert stored == cds
    assert protein == letters_of(store, "P1") == str(Seq(cds[phase : phase + whole]).translate())
    transcript = transcript_of(store, "g1")
    assert transcript.incomplete_start is (phase > 0)
    assert transcript.incomplete_end is ((length - phase) % 3 > 0)


def test_ends_that_are_said_not_to_be_complete(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . gene 1 30 . - . ID=g1
chr1 . mRNA 1 30 . - . ID=t1;Parent=g1
chr1 . exon 1 30 . - . Parent=t1
chr1 . CDS 1 30 . - 0 ID=c1;Parent=t1;partial=true;start_range=.,1
chr1 . gene 41 70 . - . ID=g2
chr1 . mRNA 41 70 . - . ID=t2;Parent=g2;tag=cds_start_NF
chr1 . CDS 41 70 . - 0 ID=c2;Parent=t2
"""
    store = store_of(tmp_path, GENOME, text)
    first, second = transcript_of(store, "g1"), transcript_of(store, "g2")
    assert (first.incomplete_start, first.incomplete_end) == (False, True)
    assert (second.incomplete_start, second.incomplete_end) == (True, False)
    assert second.exons[0].start == 40  # as its only coding part


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_over_the_origin_of_a_circular_sequence(tmp_path: Path, split: bool, strand: str) -> None:
    letters = "".join(random.Random(3).choices("ACGT", k=90))
    around = letters[80:] + letters[:20]
    if split:
        parts = "chr1 . {0} 81 90 . {1} {2} ID=c;Parent=t1\nchr1 . {0} 1 20 . {1} {3} ID=c;Parent=t1\n"
    else:
        parts = "chr1 . {0} 81 110 . {1} 0 ID=c;Parent=t1\n"
    text = "##gff-version 3\n"
    if split:
        text += f"chr1 . gene 81 110 . {strand} . ID=g1\nchr1 . mRNA 81 110 . {strand} . ID=t1;Parent=g1\n"
    else:
        text = f"##gff-version 3\nchr1 . region 1 90 . + . ID=r;Is_circular=true\n{text}"
        text += f"chr1 . gene 81 110 . {strand} . ID=g1\nchr1 . mRNA 81 110 . {strand} . ID=t1;Parent=g1\n"
    text += parts.format("exon", strand, ".", ".") + parts.format("CDS", strand, *("02" if strand == "+" else "10"))
    store = store_of(tmp_path, {"chr1": letters}, text, *(("--circular", "chr1") if split else ()))
    expected = str(Seq(around).reverse_complement()) if strand == "-" else around
    protein = str(Seq(expected).translate()).removesuffix("*")
    assert sequences_of(store, "g1") == (expected, expected, protein)
    gene = gene_of(store, "g1")
    assert (gene.start, gene.stop, gene.circular) == (80, 110, True)
    sequence = store.member("chr1")
    assert sequence is not None and b"".join(store.read(sequence, 80, 20)).decode() == around


def test_a_gene_of_coding_parts_alone_over_the_origin(tmp_path: Path) -> None:
    text = "##gff-version 3\nchr1 . CDS 82 90 . + 0 ID=c1\nchr1 . CDS 1 12 . + 0 ID=c1"
    gene = gene_of(store_of(tmp_path, {"chr1": "ACGTACGTAC" * 9}, text, "--circular", "chr1"), "c1")
    assert (gene.start, gene.stop, gene.strand) == (81, 102, 1)


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("form", ["transcript", "gene", "exon"])
def test_an_origin_within_an_intron_or_before_the_coding_part(tmp_path: Path, strand: str, form: str) -> None:
    """The line of the transcript or gene, or an exon over the origin, says what comes after it."""
    letters = "".join(random.Random(4).choices("ACGT", k=90))
    exons, coding = ([(70, 85), (100, 112)], (103, 109)) if form != "exon" else ([(80, 112)], (95, 110))
    lines = [f"chr1 . CDS {coding[0] - 89} {coding[1] - 90} . {strand} 0 ID=c;Parent=t1"]
    for start, stop in exons:
        first = start % 90
        lines.append(f"chr1 . exon {first + 1} {first + stop - start} . {strand} . Parent=t1")
    places = {"transcript": ("71 112", "71 112"), "gene": ("71 112", "11 85"), "exon": ("81 112", "81 112")}[form]
    lines += [f"chr1 . gene {places[0]} . {strand} . ID=g1", f"chr1 . mRNA {places[1]} . {strand} . ID=t1;Parent=g1"]
    store = store_of(tmp_path, {"chr1": letters}, "##gff-version 3\n" + "\n".join(lines), "--circular", "chr1")
    twice = Seq(letters * 2)
    cdna, cds = Seq("").join([twice[slice(*exon)] for exon in exons]), twice[slice(*coding)]
    if strand == "-":
        cdna, cds = cdna.reverse_complement(), cds.reverse_complement()
    assert sequences_of(store, "g1")[:2] == (cdna, cds)
    transcript = transcript_of(store, "g1")
    assert (transcript.start, transcript.stop) == (exons[0][0], exons[-1][1])


MITO = "ATTATACTTTGAAGAGGTTAA"


def mitochondrial(contig: str, length: int = 21, attributes: str = "") -> str:
    return f"""##gff-version 3
{contig} . gene 1 {length} . + . ID=gene-ND1;Name=ND1{attributes}
{contig} . CDS 1 {length} . + 0 ID=cds-1;Parent=gene-ND1;protein_id=YP_000001.1{attributes}
"""


@pytest.mark.parametrize(
    ("genome", "contig", "options", "attributes", "code"),
    [
        (["chr1", "chrM"], "chrM", (), "", 2),
        (["1", "MT"], "MT", (), "", 2),
        (["chrIV", "chrM"], "chrM", (), "", 3),
        (["I", "Mito"], "Mito", (), "", 3),
        (["chrI", "chrII", "chrIII", "chrIV", "chrV", "chrX", "chrM"], "chrM", (), "", 5),
        (["chr1", "chrM"], "chrM", ("--genetic-code", "chrM=4"), "", 4),
        (["chr1", "chrM"], "chrM", ("--genetic-code", "chrM=4"), ";transl_table=9", 9),
        (["a", "b"], "b", ("--genetic-code", "11"), "", 11),
        (["a", "b"], "b", (), "", 1),
    ],
)
def test_genetic_codes(
    tmp_path: Path, genome: list[str], contig: str, options: tuple[str, ...], attributes: str, code: int
) -> None:
    store = store_of(tmp_path, dict.fromkeys(genome, MITO), mitochondrial(contig, attributes=attributes), *options)
    expected = str(Seq(MITO).translate(table=code)).removesuffix("*")
    if code in (2, 4, 5, 11):  # ATT begins a protein there
        expected = "M" + expected[1:]
    assert sequences_of(store, "ND1") == (MITO, MITO, expected)
    assert transcript_of(store, "ND1").code == code


def test_a_code_that_was_guessed_is_said(tmp_path: Path) -> None:
    _, output = run_import(tmp_path, {"chrM": MITO}, mitochondrial("chrM"))
    assert "chrM: translated by genetic code 2 (vertebrate mitochondrial); --genetic-code chrM=N" in output


def test_selenocysteine(tmp_path: Path) -> None:
    letters = "ATGTGAGGGTGATAA"
    rest = 'gene_id "g1"; transcript_id "t1";'
    text = f"""chr1 . exon 1 15 . + . {rest}
chr1 . CDS 1 12 . + 0 {rest} protein_id "p1";
chr1 . Selenocysteine 4 6 . + . {rest}
chr1 . stop_codon 13 15 . + 0 {rest}
"""
    store = store_of(tmp_path / "a", {"chr1": letters}, text)
    assert sequences_of(store, "g1") == (letters, letters, "MUG*")
    text = """##gff-version 3
chr1 . gene 1 15 . - . ID=g1
chr1 . CDS 1 15 . - 0 ID=c;Parent=g1;transl_except=(pos:complement(10..12)%2Caa:Sec),(pos:complement(4..6)%2Caa:Trp)
"""
    reverse = str(Seq(letters).reverse_complement())
    store = store_of(tmp_path / "b", {"chr1": reverse}, text)
    assert sequences_of(store, "g1") == (letters, letters, "MUGW")


def test_a_ribosome_that_slips_back(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . gene 1 60 . + . ID=g1
chr1 . CDS 1 30 . + 0 ID=c;Parent=g1
chr1 . CDS 30 59 . + 0 ID=c;Parent=g1
"""
    store = store_of(tmp_path, GENOME, text)
    assert sequences_of(store, "g1")[:2] == (CHR[:59], CHR[:30] + CHR[29:59])


def test_par_y(tmp_path: Path) -> None:
    lines = FLAVOURS["gencode.gtf"].strip().split("\n")[1:]
    copy = [
        line.replace("chr1", "chrY").replace("1.7", "1.7_PAR_Y").replace("1.3", "1.3_PAR_Y").replace("1.2", "1.2_PAR_Y")
        for line in lines
    ]
    reverse = str(Seq(CHR).reverse_complement())
    store = store_of(tmp_path, {"chr1": CHR, "chrY": reverse}, "\n".join([*lines, *copy]))
    assert gene_of(store, "ENSG00000000001").contig == "chr1"
    for name in ("ENSG00000000001.7_PAR_Y", "ENSG00000000001_PAR_Y", "ENST00000000001.3_PAR_Y"):
        assert gene_of(store, name).contig == "chrY"
    gene = gene_of(store, "ENSG00000000001_PAR_Y")
    assert (gene.id, gene.version) == ("ENSG00000000001_PAR_Y", "7")
    match = store.find_genes("TP1")
    assert match is not None and len(match.genes) == 2
    assert letters_of(store, "ENST00000000001.3") == CDNA
    assert letters_of(store, "ENST00000000001.3_PAR_Y") != CDNA


def test_an_id_of_two_sequences_finds_neither(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . gene 1 20 . + . ID=gene-A;Name=A
chr1 . mRNA 1 20 . + . ID=rna-NM_000001.1;Parent=gene-A;transcript_id=NM_000001.1
chr1 . exon 1 20 . + . Parent=rna-NM_000001.1
chr1 . gene 31 50 . + . ID=gene-A-2;Name=A
chr1 . mRNA 31 50 . + . ID=rna-NM_000001.1-2;Parent=gene-A-2;transcript_id=NM_000001.1
chr1 . exon 31 50 . + . Parent=rna-NM_000001.1-2
"""
    store = store_of(tmp_path, GENOME, text)
    assert store.find("NM_000001.1") is None
    match = store.find_genes("NM_000001.1")
    assert match is not None and len(match.genes) == 2
    assert gene_of(store, "A-2").start == 30
    assert gene_of(store, "gene-A").start == 0


def test_a_contig_is_found_by_its_alias(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text("sequence\talias\tauthority\nchr1\tNC_000001.11\trefseq\n")
    text = "##gff-version 3\n##sequence-region NC_000001.11 1 100\nNC_000001.11 . gene 1 20 . + . ID=A\n"
    store = store_of(tmp_path, GENOME, text, "--aliases", str(tmp_path / "names.tsv"))
    assert gene_of(store, "A").contig == "chr1"


def test_a_gene_of_several_proteins(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . gene 1 60 . + . ID=gene-orf1;Name=orf1
chr1 . CDS 1 30 . + 0 ID=cds-YP_1.1;Parent=gene-orf1;protein_id=YP_000001.1
chr1 . CDS 30 59 . + 0 ID=cds-YP_1.1;Parent=gene-orf1;protein_id=YP_000001.1
chr1 . CDS 1 36 . + 0 ID=cds-YP_2.1;Parent=gene-orf1;protein_id=YP_000002.1
chr1 . mature_protein_region_of_CDS 1 12 . + . ID=id-1;Parent=cds-YP_1.1
chr1 . mature_protein_region_of_CDS 13 30 . + . ID=id-2;Parent=cds-YP_1.1
chr1 . mature_protein_region_of_CDS 30 44 . + . ID=id-2;Parent=cds-YP_1.1
chr1 . gene 61 96 . + . ID=gene-two;Name=two
chr1 . mRNA 61 96 . + . ID=rna-two;Parent=gene-two
chr1 . exon 61 96 . + . Parent=rna-two
chr1 . CDS 61 72 . + 0 ID=c1;Parent=rna-two;protein_id=YP_000003.1
chr1 . CDS 76 90 . + 0 ID=c2;Parent=rna-two;protein_id=YP_000004.1
"""
    store = store_of(tmp_path, GENOME, text)
    first, second = store.transcripts(gene_of(store, "orf1"))
    assert letters_of(store, first.cds) == CHR[:30] + CHR[29:59]
    assert letters_of(store, second.cds) == CHR[:36]
    assert [transcript.protein_id for transcript in (first, second)] == ["YP_000001", "YP_000002"]
    third, fourth = store.transcripts(gene_of(store, "YP_000004.1"))
    assert letters_of(store, third.cdna) == letters_of(store, fourth.cdna) == CHR[60:96]
    assert (letters_of(store, third.cds), letters_of(store, fourth.cds)) == (CHR[60:72], CHR[75:90])


def test_genes_of_an_operon(tmp_path: Path) -> None:
    text = """##gff-version 3
chr1 . operon 1 60 . + . ID=op;Name=op
chr1 . gene 1 30 . + . ID=a;Parent=op;Name=aA
chr1 . CDS 1 30 . + 0 ID=c1;Parent=a
chr1 . gene 31 60 . + . ID=b;Parent=op;Name=bB
chr1 . CDS 31 60 . + 0 ID=c2;Parent=b
chr1 . gene 61 80 . + . ID=t;Name=tT
chr1 . tRNA 61 80 . + . ID=t1;Parent=t
"""
    store = store_of(tmp_path, GENOME, text)
    assert store.number_of_genes() == 3
    assert sequences_of(store, "aA")[1] == CHR[:30]
    assert sequences_of(store, "bB")[1] == CHR[30:60]
    assert sequences_of(store, "tT") == (CHR[60:80], None, None)  # a line without exons is one


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_stop_codon_in_two_exons(tmp_path: Path, strand: str) -> None:
    rest = 'gene_id "g1"; transcript_id "t1";'
    parts = {"exon": [(1, 10), (21, 31), (41, 50)], "CDS": [(21, 30)], "stop_codon": [(31, 31), (41, 42)]}
    if strand == "-":
        parts = {kind: [(101 - end, 101 - start) for start, end in spans] for kind, spans in parts.items()}
    text = "\n".join(
        f"chr1 x {kind} {start} {end} . {strand} {0 if kind == 'CDS' else '.'} {rest}"
        for kind, spans in parts.items()
        for start, end in spans
    )
    letters = CHR if strand == "+" else str(Seq(CHR).reverse_complement())
    cdna, cds, _ = sequences_of(store_of(tmp_path, {"chr1": letters}, text), "g1")
    assert cdna == CHR[:10] + CHR[20:31] + CHR[40:50]
    assert cds == CHR[20:31] + CHR[40:42]
