"""The units, genome and licence that files state: kinds of files made by their programs' own layouts."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnaget_server.importers.stated import stated, units_of_name


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("gene_tpm.tsv.gz", "TPM"),
        ("GTEx_Analysis_v8_RNASeQCv1.1.9_gene_reads.gct.gz", "count"),
        ("rawCounts.csv", "count"),
        ("GSE1_FPKM_matrix.txt", "FPKM"),
        ("salmon.merged.gene_tpm.tsv", "TPM"),
        ("salmon.merged.gene_counts_length_scaled.tsv", "count"),
        ("kallisto.merged.gene_counts_scaled.tsv", "count"),
        ("counts_scaled.tsv", None),
        ("log2_tpm.tsv", None),
        ("normalized_counts.tsv", None),
        ("tpm_and_counts.tsv", None),
        ("accounts.tsv", None),
        ("matrix.tsv", None),
    ],
)
def test_names(name: str, units: str | None) -> None:
    assert units_of_name(name) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("# units: FPKM\n# genome: GRCh38\ngene\ts1\ng\t1\n", "FPKM"),
        ('# Program:featureCounts v2.0.1; Command:"x"\nGeneid\tChr\tStart\tEnd\tStrand\tLength\ta.bam\n', "count"),
        ("N_unmapped\t1\t2\t3\nN_multimapping\t1\t2\t3\n", "count"),
        ("%%MatrixMarket matrix coordinate integer general\n%\n1 1 1\n1 1 1\n", "count"),
        ("%%MatrixMarket matrix coordinate real general\n%\n1 1 1\n1 1 1\n", None),
        ("Name\tLength\tEffectiveLength\tTPM\tNumReads\nt\t1\t1\t1\t1\n", None),
        ("Name\tLength\tEffectiveLength\tTPM\nt\t1\t1\t1\n", "TPM"),
        ("gene\tTPM\tsample\ng\t1\t2\n", None),
        ("gene\ts1\ng\t1\n", None),
        ("", None),
        ("\x00\x01binary", None),
        (f"# units: {'x' * 1000}\ngene\ts1\n", None),
    ],
)
def test_texts(tmp_path: Path, text: str, units: str | None) -> None:
    plain, packed = tmp_path / "x.tsv", tmp_path / "y.tsv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        found = stated(path)
        assert (found["units"].value if "units" in found else None) == units
    assert ("genome" in stated(plain)) == ("genome" in text)


def test_attributes_that_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["units"] = np.arange(3)
        file.attrs["genome"] = np.bytes_("a\nb")
        file.attrs["license"] = "CC0-1.0"
        file.create_group("uns/origin").create_dataset("units", data=np.arange(1_000_000))
    assert {key: one.value for key, one in stated(path).items()} == {"license": "CC0-1.0"}


def test_a_cut_file_states_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["units"] = "TPM"
    path.write_bytes(path.read_bytes()[:600])
    assert stated(path) == {}
    assert stated(tmp_path / "none.tsv") == {}
