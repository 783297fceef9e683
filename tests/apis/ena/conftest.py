"""A catalogue of two studies with samples, reads, tracks, a genome and taxa, and the same as tables of pandas."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, import_matrix

PORTAL = "/ena/portal/api"
TAXA = (
    "tax_id\tscientific_name\tcommon_name\tother_names\trank\tparent_tax_id\n"
    "9443\tPrimates\t\t\torder\t\n"
    "9606\tHomo sapiens\thuman\tman;H. sapiens\tspecies\t9605\n"
    "9605\tHomo\t\t\tgenus\t9443\n"
    "10090\tMus musculus\thouse mouse\t\tspecies\t10088\n"
    "211044\tInfluenza A virus (A/Puerto Rico/8/1934(H1N1))\t\t\tno rank\t\n"
)
RUNS = ("SRR0000011", "SRR0000012", "SRR0000013", "SRR0000014")
FASTQ = ";".join(f"ftp.sra.ebi.ac.uk/vol1/SRR0000012_{number}.fastq.gz" for number in (1, 2))
SAMPLES = pd.DataFrame(
    {
        "sample": ["SRS0000001", "SRS0000002", "SRS0000003", "SRS0000004", "x&<5>"],
        "tissue": ["liver", "kidney", "liver", "", "Liver lobe"],
        "age": ["50", "7", "51.5", "", "50"],
        "collected on": ["2019-12-31", "2020-01-01", "2020-03", "2021-05-05T10:00", ""],
        "tax_id": ["9606", "9606", "10090", "9605", ""],
        "scientific_name": ["Homo sapiens", "Homo sapiens", "Mus musculus", "Homo", ""],
        "library_layout": ["SINGLE", "PAIRED", "SINGLE", "SINGLE", ""],
        "library_strategy": ["RNA-Seq", "RNA-Seq", "WGS", "RNA-Seq", ""],
        "base_count": ["600000", "500000", "1400000", "10", ""],
        "read_count": ["6000", "5000", "14000", "1", ""],
        "first_created": ["2020-05-01", "2019-02-01", "2020-02-01", "2022-02-01", ""],
        "experiment_accession": ["SRX0000001", "SRX0000002", "SRX0000002", "", ""],
        "fastq_ftp": ["", FASTQ, "", "", ""],
        "experiment_title": ["RNA of a liver, left", "RNA of a kidney", "DNA of liver", "bone", ""],
    }
)


def contents(run: str) -> bytes:
    return f"reads of {run}".encode() * 100


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue; of reads, the bytes alone count here."""
    data = tmp_path_factory.mktemp("archive") / "data"
    data.mkdir()
    (data / "taxonomy.tsv").write_text(TAXA)
    SAMPLES.to_csv(data / "samples.tsv", sep="\t", index=False)
    columns = "\t".join(SAMPLES["sample"])
    (data / "m.tsv").write_text(f"gene\t{columns}\ng1\t1\t2\t3\t4\t5\ng2\t5\t6\t7\t8\t9\n")
    options = ("--samples", str(data / "samples.tsv"), "--units", "TPM")
    import_matrix(data, data / "m.tsv", "--id", "tpm", *options, study="SRP000001")
    import_matrix(data, data / "m.tsv", "--id", "tpm2", *options, study="second")
    study = data / "p" / "SRP000001" / "study.yaml"
    text = study.read_text().replace(
        "id: SRP000001", 'id: SRP000001\nname: A study of <livers> & "kidneys"\ntags: [bulk, a b]', 1
    )
    entries = []
    for run, sample in zip(RUNS, SAMPLES["sample"], strict=False):
        (study.parent / f"{run}.bam").write_bytes(contents(run))
        digest = md5(contents(run)).hexdigest()
        file = f"{{format: BAM, file: {run}.bam, md5: {digest}, size: {len(contents(run))}}}"
        entries.append(f"  - {{id: {run}, name: Run {run}, samples: [{sample}], files: [{file}]}}\n")
    (study.parent / "both.bam").write_bytes(b"both")
    entries.append("  - {id: lane/1, samples: [SRS0000001, SRS0000003], files: [{format: BAM, file: both.bam}]}\n")
    study.write_text(f"{text}\nreads:\n{''.join(entries)}")
    return data


@pytest.fixture(scope="session")
def client(archive: Path) -> Iterator[TestClient]:
    yield from client_of(archive, rate_limit="")
