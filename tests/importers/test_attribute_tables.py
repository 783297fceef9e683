"""Attributes of samples and features from tables of every kind, compared with pandas' reading of the same."""

from __future__ import annotations

import csv
import datetime
import gzip
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.importing import import_command
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.table_kinds import column_names
from rnaget_server.importers.text.tables import read_table
from rnaget_server.storage.access import FileLimits

Write = Callable[..., Path]

SDRF = """Source Name\tCharacteristics[organism part]\tTerm Source REF\tTerm Accession Number\
\tCharacteristics [age]\tUnit[time unit]\tProtocol REF\tProtocol REF\tAssay Name\tComment[ENA_RUN]\
\tComment[FASTQ_URI]\tFactor Value[organism part]
donor 1\tliver\tEFO\tUBERON_0002107\t61\tyear\tP1\tP2\tD1\tERR1\tftp://x/ERR1_1.fastq.gz\tliver
donor 1\tliver\tEFO\tUBERON_0002107\t61\tyear\tP1\tP2\tD1\tERR1\tftp://x/ERR1_2.fastq.gz\tliver
donor 2\tlung\tEFO\tUBERON_0002048\t47\tyear\tP1\tP2\tD2\tERR2\tftp://x/ERR2_1.fastq.gz\tlung
donor 2\tlung\tEFO\tUBERON_0002048\t47\tyear\tP1\tP2\tD2\tERR2\tftp://x/ERR2_2.fastq.gz\tlung
"""
SERIES = """!Series_title\t"Liver and lung"
!Series_geo_accession\t"GSE1"

!Sample_title\t"liver, rep1"\t"lung, rep1"
!Sample_geo_accession\t"GSM1"\t"GSM2"
!Sample_source_name_ch1\t"biopsy"\t"biopsy"
!Sample_characteristics_ch1\t"tissue: liver"\t"tissue: lung"
!Sample_characteristics_ch1\t"age: 61"\t"Sex: f"
!Sample_characteristics_ch1\t"Sex: m"\t"age: 47"
!Sample_data_processing\t"STAR"\t"STAR"
!Sample_data_processing\t"RSEM"\t"RSEM"
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"
!series_matrix_table_end
"""
GTF = """##description: evidence-based annotation of the human genome (GRCh38), version 25 (Ensembl 85)
##provider: GENCODE
chrX\tHAVANA\tgene\t100627109\t100639991\t.\t-\t.\tgene_id "ENSG00000000003.14"; gene_type "protein_coding"; \
gene_name "TSPAN6"; level 2; tag "a"; tag "b";
chrX\tHAVANA\ttranscript\t100627109\t100639991\t.\t-\t.\tgene_id "ENSG00000000003.14"; \
transcript_id "ENST00000373020.8"; gene_type "protein_coding"; gene_name "TSPAN6"; \
transcript_type "protein_coding"; level 2;
chrX\tHAVANA\texon\t100636607\t100636806\t.\t-\t.\tgene_id "ENSG00000000003.14"; transcript_id "ENST00000373020.8"; \
exon_number 1;
chrX\tHAVANA\tgene\t100584802\t100599885\t.\t+\t.\tgene_id "ENSG00000000005.5"; gene_type "protein_coding"; \
gene_name "TNMD"; level 2;
chr20\tHAVANA\tgene\t50934867\t50958555\t.\t-\t.\tgene_id "ENSG00000000419.12"; gene_type "protein_coding"; \
gene_name "DPM1"; level 1;
"""
GFF3 = """##gff-version 3
#!genome-build GRCh38.p14
20\tensembl\tgene\t50934867\t50958555\t.\t-\t.\
\tID=gene:ENSG00000000419;Name=DPM1;biotype=protein_coding;gene_id=ENSG00000000419;version=12
20\tensembl\tmRNA\t50934867\t50958555\t.\t-\t.\
\tID=transcript:ENST00000371588;Parent=gene:ENSG00000000419;Name=DPM1-202;transcript_id=ENST00000371588
20\tensembl\texon\t50934867\t50958555\t.\t-\t.\tParent=transcript:ENST00000371588;Name=ENSE1
X\tensembl\tgene\t100627109\t100639991\t.\t-\t.\
\tID=gene:ENSG00000000003;Name=TSPAN6;biotype=protein_coding;gene_id=ENSG00000000003;version=14
"""


def lines_of(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.readlines()


def matrix_of(samples: list[str], features: list[str]) -> str:
    cells = "\t".join("1" for _ in samples)
    rows = "".join(f"{id}\t{cells}\n" for id in features)
    return "gene_id\t" + "\t".join(samples) + "\n" + rows


def attributes(workshop: Any, axis: str = "samples") -> dict[str, list[Any]]:
    table = getattr(workshop.store(), axis)
    return {name: table.column(name).tolist() for name in table.attributes}


def remark(outcome: Any, text: str) -> str:
    (found,) = [line for line in outcome.remarks if text in line]
    return str(found)


@pytest.mark.parametrize("ids", [["D1", "D2"], ["donor 2", "donor 1"], ["ERR1", "ERR2"]])
def test_sdrf_with_several_rows_of_a_sample(workshop: Any, write: Write, ids: list[str]) -> None:
    outcome = workshop.run(write(matrix_of(ids, ["g"])), samples=write(SDRF, "E-MTAB-1.sdrf.txt"))
    found = attributes(workshop)
    order = [0, 2] if ids[0] in ("D1", "ERR1") else [2, 0]
    source = pd.read_csv(workshop.data.parent / "E-MTAB-1.sdrf.txt", sep="\t").iloc[order]
    assert found["organism part"] == source["Characteristics[organism part]"].tolist()
    assert found["organism part term accession number"] == source["Term Accession Number"].tolist()
    assert found["age"] == source["Characteristics [age]"].tolist()
    assert found["age unit"] == ["year", "year"]
    assert (found["Protocol REF"], found["Protocol REF_2"]) == (["P1", "P1"], ["P2", "P2"])
    assert found["FASTQ_URI"][order.index(0)] == "ftp://x/ERR1_1.fastq.gz; ftp://x/ERR1_2.fastq.gz"
    assert "organism part_2" not in found  # the factor says the same
    assert "4 rows are of 2 samples; different values are joined by '; ' in 'FASTQ_URI'" in remark(outcome, "joined by")


def test_two_different_rows_are_refused_in_other_tables_and_equal_ones_are_not(workshop: Any, write: Write) -> None:
    matrix = write(matrix_of(["a", "b"], ["g"]))
    with pytest.raises(ImportFailure, match=r"s.tsv:4: the sample 'a' has two rows.*differ in the column 'sex'"):
        workshop.run(matrix, samples=write("id\tsex\na\tf\nb\tm\na\tm\n", "s.tsv"))
    workshop.run(matrix, samples=write("id\tsex\na\tf\nb\tm\na\tf\n", "s.tsv"))
    assert attributes(workshop)["sex"] == ["f", "m"]


@pytest.mark.parametrize("swapped", [False, True])
def test_samples_and_subjects_of_gtex(workshop: Any, write: Write, swapped: bool) -> None:
    ids = ["GTEX-1117F-0226-SM-5GZZ7", "GTEX-1117F-0426-SM-5EGHI", "K-562-SM-2AXVE", "GTEX-ZZPU-0001-SM-AAAAA"]
    samples = pd.DataFrame(
        {
            "SAMPID": [*ids, "GTEX-OTHER-1-SM-1"],
            "SMTS": ["Fat", "Muscle", "Blood", "Brain", "x"],
            "SMRIN": [6.8, 7.1, None, 8, 1],
        }
    )
    subjects = pd.DataFrame(
        {"SUBJID": ["K-562", "GTEX-1117F", "GTEX-X"], "SEX": [2, 1, 1], "AGE": ["50-59", "60-69", "20-29"]}
    )
    files = []
    for name, table in (("attributes.txt", samples), ("phenotypes.txt", subjects)):
        files.append(write(table.to_csv(sep="\t", index=False), name))
    outcome = workshop.run(write(matrix_of(ids, ["g"])), samples=files[::-1] if swapped else files)
    expected = samples.assign(SUBJID=samples["SAMPID"].str.split("-").str[:2].str.join("-"))
    expected = expected.merge(subjects, on="SUBJID", how="left").set_index("SAMPID").loc[ids]
    found = attributes(workshop)
    assert found["SMTS"] == expected["SMTS"].tolist()
    assert found["AGE"] == expected["AGE"].fillna("").tolist()
    for name in ("SMRIN", "SEX"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert found["SUBJID"] == ["GTEX-1117F", "GTEX-1117F", "K-562", ""]
    assert "1 samples without a row, left empty: 'GTEX-ZZPU-0001-SM-AAAAA'" in remark(outcome, "phenotypes.txt: 2 rows")


def test_a_table_of_donors_is_joined_by_the_column_that_both_share(workshop: Any, write: Write) -> None:
    samples = write("sample\tdonor\na\t2\nb\t1\nc\t2\n", "s.tsv")
    donors = write("donor\tsex\tborn\n1\tf\t1950-02-01\n2\tm\t1961-12-24\n", "d.csv")
    outcome = workshop.run(write(matrix_of(["a", "b", "c"], ["g"])), samples=[samples, donors])
    assert attributes(workshop) == {
        "sample": ["a", "b", "c"],
        "donor": [2, 1, 2],
        "sex": ["m", "f", "m"],
        "born": ["1961-12-24", "1950-02-01", "1961-12-24"],
    }
    assert remark(outcome, "is joined by") == "d.csv is joined by 'donor'"
    strange = write("patient\tsex\n1\tf\n", "p.tsv")
    with pytest.raises(ImportFailure, match=r"p.tsv: 3 of 3 samples have no row"):
        workshop.run(write(matrix_of(["a", "b", "c"], ["g"])), id="n", samples=[samples, strange])


@pytest.mark.parametrize("ids", [["GSM2", "GSM1"], ["lung, rep1", "liver, rep1"]])
@pytest.mark.parametrize("packed", [False, True])
def test_the_samples_of_a_series_matrix(workshop: Any, write: Write, ids: list[str], packed: bool) -> None:
    text = SERIES.encode()
    workshop.run(
        write(matrix_of(ids, ["g"])),
        samples=write(gzip.compress(text) if packed else text, "GSE1_series_matrix.txt"),
    )
    found = attributes(workshop)
    assert found["tissue"] == ["lung", "liver"]
    assert found["age"] == [47, 61]
    assert found["Sex"] == ["f", "m"]
    assert found["data_processing"] == ["STAR; RSEM"] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SERIES.replace('\t"lung, rep1"', ""), r"txt:5: the line !Sample_geo_accession has 2 cells, and those above"),
        (SERIES.replace('"biopsy"\n', '"biopsy\n'), r"txt:6: a quoted cell"),
        (SERIES.replace("!Sample_geo_accession", "!Sample_x"), "no line !Sample_geo_accession"),
    ],
)
def test_series_matrices_that_are_refused(write: Write, text: str, message: str) -> None:
    with pytest.raises(ImportFailure, match=message):
        read_table(write(text, "GSE1_series_matrix.txt"))


@pytest.mark.parametrize("ids", [["ERR1", "ERR2", "ERR3"], ["SAMEA2", "SAMEA1"]])
def test_a_report_of_ena_by_runs_or_by_samples(workshop: Any, write: Write, ids: list[str]) -> None:
    report = (
        "run_accession\tsample_accession\ttax_id\tread_count\tcollection_date\tfastq_ftp\n"
        "ERR1\tSAMEA1\t9606\t100\t2010-01\ta_1;a_2\nERR2\tSAMEA1\t9606\t200\t2010-01\tb_1;b_2\n"
        "ERR3\tSAMEA2\t9606\t\t2011\tc_1\n"
    )
    workshop.run(write(matrix_of(ids, ["g"])), samples=write(report, "filereport.tsv"))
    found = attributes(workshop)
    assert found["tax_id"] == [9606] * len(ids)
    if len(ids) == 3:
        np.testing.assert_array_equal(found["read_count"], [100, 200, np.nan])
        assert found["collection_date"] == ["2010-01", "2010-01", "2011"]
    else:
        assert found["run_accession"] == ["ERR3", "ERR1; ERR2"]
        assert found["read_count"] == ["", "100; 200"]


def test_a_workbook(workshop: Any, write: Write, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "notes"
    sheet = book.create_sheet("samples")
    for row in [
        ["id", "tissue", "taken", "RIN", "plate", "count", "smoker", None],
        ["a", "liver", datetime.date(2020, 1, 31), 7.5, "007", 3, True, None],
        [None] * 8,
        ["b", "lung", datetime.datetime(2020, 2, 1, 13, 5), None, "012", 4.0, False, None],
    ]:
        sheet.append(row)
    book.save(tmp_path / "s.xlsx")
    outcome = workshop.run(write(matrix_of(["b", "a"], ["g"])), samples=tmp_path / "s.xlsx")
    found = attributes(workshop)
    expected = pd.read_excel(tmp_path / "s.xlsx", sheet_name="samples", dtype={"plate": str}).dropna(how="all")
    expected = expected.set_index("id").loc[["b", "a"]]
    np.testing.assert_array_equal(found.pop("RIN"), expected["RIN"])
    assert found == {
        "id": ["b", "a"],
        "tissue": expected["tissue"].tolist(),
        "taken": ["2020-02-01 13:05:00", "2020-01-31"],
        "plate": expected["plate"].tolist(),
        "count": [4, 3],
        "smoker": ["FALSE", "TRUE"],
    }
    assert "the sheet 'samples' was read; it has 1 more" in remark(outcome, "workbook")
    # A pipe is spooled to a file without a suffix.
    (tmp_path / "stdin").write_bytes((tmp_path / "s.xlsx").read_bytes())
    assert read_table(tmp_path / "stdin").rows == read_table(tmp_path / "s.xlsx").rows


def test_workbooks_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = openpyxl.Workbook()
    for row in [["id", "x"], ["a", 1], ["b", "#REF!"]]:
        book.active.append(row)
    book.save(tmp_path / "s.xlsx")
    with pytest.raises(ImportFailure, match=r"s.xlsx:3: the cell B3 of the sheet 'Sheet' holds the error #REF!"):
        read_table(tmp_path / "s.xlsx")
    with pytest.raises(ImportFailure, match="more than is read"):
        read_table(tmp_path / "s.xlsx", FileLimits(column_bytes=100))
    long = openpyxl.Workbook()
    for number in range(1000):
        long.active.append([f"sample {number}", number])
    long.save(tmp_path / "l.xlsx")
    with pytest.raises(ImportFailure, match="the workbook holds more than"):
        read_table(tmp_path / "l.xlsx", FileLimits(column_bytes=60_000))
    long.active["B7"] = "=B6+1"  # openpyxl works nothing out, so that the cell would be read as empty
    long.save(tmp_path / "l.xlsx")
    with pytest.raises(ImportFailure, match="a formula without its result in the cell B7"):
        read_table(tmp_path / "l.xlsx")
    with zipfile.ZipFile(tmp_path / "s.xlsx") as good, zipfile.ZipFile(tmp_path / "d.xlsx", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name)[: 200 if "sheet1" in name else None])
    with pytest.raises(ImportFailure, match="the workbook is damaged"):
        read_table(tmp_path / "d.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ImportFailure, match=r"install it by `pip install 'rnaget-server\[excel\]'`"):
        read_table(tmp_path / "s.xlsx")


@pytest.mark.parametrize("packed", [False, True])
def test_genes_of_a_gtf_by_ids_with_other_versions(workshop: Any, write: Write, packed: bool) -> None:
    ids = ["ENSG00000000419.12", "ENSG00000000003", "ENSG00000000005.9", "ENSG00000999999.1"]
    text = GTF.encode()
    outcome = workshop.run(
        write(matrix_of(["a"], ids)), features=write(gzip.compress(text) if packed else text, "v25.gtf")
    )
    found = attributes(workshop, "features")
    assert found["gene_id"] == ids
    assert found["gene_name"] == ["DPM1", "TSPAN6", "TNMD", ""]
    np.testing.assert_array_equal(found["start"], [50934867, 100627109, 100584802, np.nan])
    np.testing.assert_array_equal(found["end"], [50958555, 100639991, 100599885, np.nan])
    assert found["strand"] == ["-", "-", "+", ""]
    assert found["tag"] == ["", "a; b", "", ""]
    assert workshop.matrix().feature_name == "gene_name"
    assert "2 ids matched without their version, such as ENSG00000000003 by ENSG00000000003.14" in remark(
        outcome, "matched without"
    )
    assert "1 features without a row, left empty: 'ENSG00000999999.1'" in remark(outcome, "without a row")


def test_transcripts_of_a_gtf(workshop: Any, write: Write) -> None:
    workshop.run(write(matrix_of(["a"], ["ENST00000373020.8"])), features=write(GTF, "v25.gtf"))
    assert attributes(workshop, "features")["transcript_type"] == ["protein_coding"]


def test_a_gtf_of_exons_alone(workshop: Any, write: Write) -> None:
    exons = (
        'chr1\tucsc\texon\t11\t20\t.\t+\t.\tgene_id "A"; transcript_id "T1"; gene_name "AA"; exon_number 1;\n'
        'chr1\tucsc\texon\t41\t50\t.\t+\t.\tgene_id "A"; transcript_id "T2"; gene_name "AA"; exon_number 2;\n'
        'chrY\tucsc\texon\t5\t6\t.\t+\t.\tgene_id "A"; transcript_id "T3"; gene_name "AA"; exon_number 1;\n'
        'chr2\tucsc\texon\t7\t9\t.\t-\t.\tgene_id "B"; transcript_id "T4"; gene_name "BB"; exon_number 1;\n'
    )
    workshop.run(write(matrix_of(["a"], ["B", "A"])), features=write(exons, "genes.gtf"))
    found = attributes(workshop, "features")
    assert (found["chromosome"], found["start"], found["end"]) == (
        ["chr2", "chr1; chrY"],
        ["7", "11; 5"],
        ["9", "50; 6"],
    )
    assert found["gene_name"] == ["BB", "AA"]


@pytest.mark.parametrize("ids", [["ENSG00000000419", "ENSG00000000003.2"], ["DPM1", "TSPAN6"]])
def test_genes_of_a_gff3_by_id_or_name(workshop: Any, write: Write, ids: list[str]) -> None:
    workshop.run(write(matrix_of(["a"], ids)), features=write(GFF3, "e.gff3"))
    found = attributes(workshop, "features")
    assert found["biotype"] == ["protein_coding"] * 2
    assert found["chromosome"] == ["20", "X"]
    assert found["start"] == [50934867, 100627109]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('chr1\tx\tgene\t0\t9\t.\t+\t.\tgene_id "A";\n', r"f.gtf:8: start '0' and end '9' must be whole numbers"),
        ("chr1\tx\tgene\t1\t9\t.\t+\t.\tID=A\n", r"f.gtf:8: the last field must be attributes of GTF"),
        ('chr1\tx\tgene\t1\t9\t.\t+\t.\tname "A";\n', r"f.gtf:8: the gene has no gene_id"),
        ("chr1\tx\tgene\n", r"f.gtf:8: the line has 3 fields"),
    ],
)
def test_annotations_that_are_refused(workshop: Any, write: Write, line: str, message: str) -> None:
    with pytest.raises(ImportFailure, match=message):
        workshop.run(write(matrix_of(["a"], ["A"])), features=write(GTF + line, "f.gtf"))
    assert not workshop.data.exists() or not list(workshop.data.rglob("*"))


def test_biomart_with_a_row_for_each_transcript(workshop: Any, write: Write) -> None:
    table = (
        "Gene stable ID,Gene stable ID version,Transcript stable ID,Gene name,Chromosome/scaffold name,"
        "Gene start (bp)\n"
        "ENSG00000000003,ENSG00000000003.14,ENST00000373020,TSPAN6,X,100627108\n"
        "ENSG00000000003,ENSG00000000003.14,ENST00000494424,TSPAN6,X,100627108\n"
        'ENSG00000000005,ENSG00000000005.6,ENST00000373031,"TN,MD",X,100584936\n'
    )
    workshop.run(
        write(matrix_of(["a"], ["ENSG00000000005.6", "ENSG00000000003.14"])), features=write(table, "mart_export.txt")
    )
    found = attributes(workshop, "features")
    assert found["Gene name"] == ["TN,MD", "TSPAN6"]
    assert found["Gene start (bp)"] == [100584936, 100627108]
    assert found["Transcript stable ID"] == ["ENST00000373031", "ENST00000373020; ENST00000494424"]
    assert workshop.matrix().feature_name == "Gene name"


def test_metadata_of_gencode_have_no_header(workshop: Any, write: Write) -> None:
    rows = "ENST00000456328.2\tDDX11L1\tHGNC:37102\nENST00000450305.2\tDDX11L1\tHGNC:37102\n"
    workshop.run(
        write(matrix_of(["a"], ["ENST00000450305.3", "ENST00000456328.2"])),
        features=write(gzip.compress(rows.encode()), "gencode.v47.metadata.HGNC.gz"),
    )
    found = attributes(workshop, "features")
    assert found["symbol"] == ["DDX11L1", "DDX11L1"]
    assert found["hgnc_id"] == ["HGNC:37102", "HGNC:37102"]


def test_ids_that_are_in_doubt_without_their_version_stay_empty(workshop: Any, write: Write) -> None:
    ids = ["ENSG00000000001.1", "ENSG00000000001.2", "ENSG00000000002", "ENSG00000000003_PAR_Y", "AC000001.1"]
    table = write(
        "id\tn\nENSG00000000001\t1\nENSG00000000002.3\t2\nENSG00000000002.4\t3\nENSG00000000003.7_PAR_Y\t4\n"
        "ENSG00000000003.7\t5\nAC000001\t6\n",
        "f.tsv",
    )
    outcome = workshop.run(write(matrix_of(["a"], ids)), features=table)
    found = attributes(workshop, "features")["n"]
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, 4, np.nan])
    assert "3 ids left empty" in remark(outcome, "ids left empty")
    assert "4 features without a row" in remark(outcome, "without a row")


@pytest.mark.parametrize(
    ("genome", "warned"),
    [("GRCh37", True), ("hg19", True), ("GRCh38", False), ("hg38", False), ("GRCh38.p13", False), ("mm10", True)],
)
def test_a_gtf_of_another_genome_than_the_study(workshop: Any, write: Write, genome: str, warned: bool) -> None:
    outcome = workshop.run(
        write(matrix_of(["a"], ["ENSG00000000419"])), features=write(GTF, "v25.gtf"), study_genome=genome
    )
    assert any("mixed genome builds" in line for line in outcome.remarks) == warned


def test_genes_that_lie_as_in_another_genome(workshop: Any, write: Write, shared_data: Path) -> None:
    head, *lines = lines_of(shared_data / "genes" / "genes_gencode_v25_recount.tsv.gz")
    named = [line for line in lines if {"TSPAN6", "DPM1", "PTEN", "TP53", "BRCA2", "GCLC"} & set(line.split())]
    table = write("".join([head, *dict.fromkeys([*named, *lines[:500]])]), "genes_v25.tsv")
    source = pd.read_csv(table, sep="\t").set_index("gene_id")
    ids = source.index[: len(named)].tolist()
    assert len(ids) == 6
    outcome = workshop.run(write(matrix_of(["a"], ids)), features=table, study_genome="hg19")
    expected = f"the genome of the study is GRCh37 (hg19), and the genes of {table.name} lie as in GRCh38 (hg38)"
    assert expected in remark(outcome, "mixed genome builds")
    # The study is on hg19 from here on; the option is not needed.
    outcome = workshop.run(write(matrix_of(["a"], ids)), id="n", features=table)
    assert expected in remark(outcome, "mixed genome builds")
    assert attributes(workshop, "features")["symbol"] == source.loc[ids, "symbol"].tolist()
    outcome = workshop.run(write(matrix_of(["a"], ids)), study="t", id="o", features=table, study_genome="GRCh38")
    assert not any("mixed" in line for line in outcome.remarks)


def test_a_matrix_on_another_genome_than_its_table(workshop: Any, write: Write) -> None:
    rows = ("ENSG00000000003\tX\t99883667\t99894988\t1", "ENSG00000000419\t20\t49551404\t49575092\t2")
    matrix = write("\n".join(["gene_id\tchr\tstart\tend\ts1", *rows, ""]))
    outcome = workshop.run(matrix, features=write(GTF, "v25.gtf"))
    assert "v25.gtf says GRCh38 (hg38), and the genes of the matrix lie as in GRCh37 (hg19)" in remark(outcome, "mixed")


def test_all_genes_of_a_table_as_pandas_reads_it(workshop: Any, write: Write, shared_data: Path) -> None:
    table = shared_data / "genes" / "genes_gencode_v25_recount.tsv.gz"
    source = pd.read_csv(table, sep="\t", keep_default_na=False).set_index("gene_id")
    # By ids without versions; the genes on both sex chromosomes keep their ending.
    bare = source.index.str.replace(r"\.\d+", "", regex=True)
    workshop.run(write(matrix_of(["a"], list(bare[::-1]))), features=table)
    found = workshop.store().features
    for name in ("chrom", "strand", "start", "end", "bp_length", "symbol"):
        assert found.column(name).tolist() == source[name].tolist()[::-1], name


def test_ensembl_table_of_uhlen(workshop: Any, write: Write, shared_data: Path) -> None:
    matrix = write("".join(lines_of(shared_data / "uhlen" / "uhlen.htseq.tpm.pooled.tsv.gz")[:500]))
    table = write("".join(lines_of(shared_data / "genes" / "geneInfoEns76.tsv.gz")[:2500]), "genes.tsv")
    workshop.run(matrix, features=table)
    source = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_MINIMAL)
    source = source.drop_duplicates().set_index("ensembl_gene_id").loc[workshop.frame().index]
    features = workshop.store().features
    for name in ("gene_name", "go_id", "description", "evidence"):
        assert features.column(name).tolist() == source[name].tolist(), name
    np.testing.assert_array_equal(features.column("Gene.length"), pd.to_numeric(source["Gene.length"]))


def test_an_annotation_of_yeast_as_pandas_reads_it(workshop: Any, write: Write, shared_data: Path) -> None:
    (path,) = [file for file in (shared_data / "sequences" / "yeast_chrIV").iterdir() if ".gtf" in file.name]
    lines = pd.read_csv(path, sep="\t", header=None, comment="#")
    lines["gene_id"] = lines[8].str.extract(r'gene_id "([^"]+)"')
    expected = lines.groupby("gene_id").agg(start=(3, "min"), end=(4, "max"), chromosome=(0, "first"))
    assert len(expected) > 500
    workshop.run(write(matrix_of(["a"], list(expected.index))), features=path)
    features = workshop.store().features
    for name in expected:
        assert features.column(name).tolist() == expected[name].tolist(), name


@pytest.mark.parametrize("name", ["bodymap/E-MTAB-513_map.tsv", "brawand/E-GEOD-30352_map.tsv"])
def test_maps_of_runs(workshop: Any, write: Write, shared_data: Path, name: str) -> None:
    source = pd.read_csv(shared_data / name, sep="\t", keep_default_na=False)
    ids = source["sample"].tolist()[::-1]
    outcome = workshop.run(write(matrix_of(ids, ["g"])), samples=shared_data / name)
    found, expected = workshop.store().samples, source.set_index("sample").loc[ids]
    for column in expected:
        assert found.column(column).tolist() == expected[column].tolist(), column
    assert "in the column 'sample'" in remark(outcome, "the ids of samples")


def test_filters_are_proposed_by_the_values(workshop: Any, write: Write) -> None:
    ids = [f"s{number}" for number in range(30)]
    rows = "".join(
        f"{id}\t{'liver' if at % 2 else 'lung'}\tdonor {at}\t\t{at}.5\t"
        f"{f'a long text of sample {at} ' * 4}\t{'x' * 200}\n"
        for at, id in enumerate(ids)
    )
    table = write("id\ttissue\tdonor\tnothing\tRIN\tabstract\tprotocol\n" + rows, "s.tsv")
    outcome = workshop.run(write(matrix_of(ids, ["g"])), samples=table)
    assert list(workshop.matrix().filters) == ["tissue", "donor", "RIN", "protocol"]
    assert remark(outcome, "no filters").endswith("abstract, nothing")


DOCS = Path(__file__).parents[2] / "docs" / "import.md"
GENES = ["ENSG00000000003.14", "ENSG00000000419.12"]


def documented_commands() -> list[list[str]]:
    section = DOCS.read_text().split("## Tables of samples and features")[1].split("\n## ")[0]
    text = "\n".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("rnaget-server import")]
    return [command for command in commands if "--transpose" not in command]  # that one is tcga's, in test_real


def test_documented_commands(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gtex = ["GTEX-1117F-0226-SM-5GZZ7", "K-562-SM-2AXVE"]
    rows = "".join(f"{id}\tx\t1\t2\n" for id in GENES)
    gct = "#1.2\n2\t2\nName\tDescription\t" + "\t".join(gtex) + "\n" + rows
    write(gzip.compress(gct.encode()), "gene_tpm.gct.gz")
    write("SAMPID\tSMTS\n" + "".join(f"{id}\tFat\n" for id in gtex), "SampleAttributesDS.txt")
    write("SUBJID\tSEX\nGTEX-1117F\t2\nK-562\t1\n", "SubjectPhenotypesDS.txt")
    write(GTF, "gencode.v26.genes.gtf")
    write(matrix_of(["ERR1", "ERR2"], GENES), "fpkms.tsv")
    write(SDRF, "E-MTAB-1.sdrf.txt")
    write("Gene stable ID\tGene name\nENSG00000000003\tTSPAN6\nENSG00000000419\tDPM1\n", "mart_export.txt")
    write(matrix_of(["ERR1", "ERR2"], GENES), "runs.tsv")
    write("run_accession\tsample_accession\nERR1\tS1\nERR2\tS2\n", "filereport_read_run_PRJEB1.tsv")
    write(gzip.compress(GFF3.encode()), "annotation.gff3.gz")
    write(matrix_of(["GSM1", "GSM2"], GENES).replace("\t", ","), "GSE1_counts.csv")
    write(gzip.compress(SERIES.encode()), "GSE1_series_matrix.txt.gz")
    write(matrix_of(["a", "b"], GENES), "lab.tsv")
    book = openpyxl.Workbook()
    for row in [["id", "tissue"], ["a", "liver"], ["b", "lung"]]:
        book.active.append(row)
    book.save(tmp_path / "lab.xlsx")
    monkeypatch.chdir(tmp_path)
    commands = documented_commands()
    assert len(commands) == 5
    for command in commands:
        done = CliRunner().invoke(import_command, command[2:])
        assert done.exit_code == 0, done.output
        assert "warning" not in done.output
    catalog, problems = load(tmp_path / "DIR")
    assert catalog is not None
    assert not problems
    found = {id: {filter.attribute for filter in matrix.filters.values()} for id, matrix in catalog.matrices.items()}
    assert {"SMTS", "SUBJID", "SEX", "gene_type"} <= found["gene_tpm"]
    assert "organism part" in found["fpkms"]
    assert {"sample_accession", "biotype"} <= found["runs"]
    assert "tissue" in found["counts"] & found["lab"]


def test_factors_of_sdrf_without_the_blank() -> None:
    """Older files of ArrayExpress write FactorValue [disease]."""
    headers = ["Source Name", "FactorValue [disease]", "ParameterValue[dose]", "Unit[concentration]"]
    assert column_names(headers) == ["Source Name", "disease", "dose", "dose unit"]
