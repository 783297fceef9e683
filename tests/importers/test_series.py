"""Series matrix files of GEO: their table and samples, and what is said of one without a table."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from rnaget_server.stores.native.dense import NativeStore

TABLE = """"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"
"1007_s_at"\t8.5\tnull\t-0.25
"AFFX;it""s"\t"7.125"\t\t3
"0012"\t0\t1e-3\tNA
"""
HEAD = """!Series_title\t"Liver and lung"
!Series_geo_accession\t"GSE1"
!Series_supplementary_file\t"ftp://ftp.ncbi.nlm.nih.gov/geo/series/GSE1nnn/GSE1/suppl/GSE1_RAW.tar"

!Sample_title\t"liver, rep1"\t"lung, rep1"\t"liver, rep2"
!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"
!Sample_characteristics_ch1\t"tissue: liver"\t"tissue: lung"\t"tissue: liver"
!Sample_characteristics_ch1\t"age: 61"\t"Sex: f"\t"age: 5.5"
!Sample_supplementary_file\t"ftp://elsewhere.org/GSM1.txt.gz"\t"NONE"\t"ftp://ftp.ncbi.nlm.nih.gov/geo/GSM3.txt.gz"
!series_matrix_table_begin
"""
END = "!series_matrix_table_end\n"


def imported(directory: Path, text: str, *options: str, packed: bool = False) -> Result:
    path = directory / ("GSE1_series_matrix.txt" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    place = ("--data", str(directory / "data"), "--project", "p", "--study", "s", "--id", "m")
    return CliRunner().invoke(main, ["import", str(path), *place, "--units", "log2 intensity", *options])


@pytest.mark.parametrize("packed", [False, True])
def test_the_table_with_its_samples(tmp_path: Path, packed: bool) -> None:
    result = imported(tmp_path, HEAD + TABLE + END, packed=packed)
    assert result.exit_code == 0, result.output
    assert "series matrix of GEO, with 5 attributes of its samples" in result.output
    catalog, problems = load(tmp_path / "data")
    assert catalog is not None and not problems
    expected = pd.read_csv(io.StringIO(TABLE), sep="\t", index_col=0, dtype={"ID_REF": str})
    store = NativeStore(next((tmp_path / "data").rglob("m.h5")))
    features, samples = store.features, store.samples
    assert features.column("ID_REF").tolist() == expected.index.tolist()
    assert samples.column("geo_accession").tolist() == expected.columns.tolist()
    assert samples.column("title").tolist() == ["liver, rep1", "lung, rep1", "liver, rep2"]
    assert samples.column("tissue").tolist() == ["liver", "lung", "liver"]
    assert samples.column("Sex").tolist() == ["", "f", ""]
    np.testing.assert_array_equal(samples.column("age"), [61, np.nan, 5.5])
    data = str(tmp_path / "data")
    shown = CliRunner().invoke(main, ["export", "m", "-", "--data", data, "--format", "tsv"]).stdout
    found = pd.read_csv(io.StringIO(shown), sep="\t", index_col=0, dtype={"ID_REF": str})
    np.testing.assert_array_equal(found.to_numpy(np.float32), expected.to_numpy(np.float32))


def test_an_empty_table_is_refused_with_the_files_to_import(tmp_path: Path) -> None:
    for text in (HEAD + END, HEAD + TABLE.splitlines(keepends=True)[0] + END, HEAD):
        result = imported(tmp_path, text)
        assert result.exit_code == 1
        assert "is empty, as that of sequencing data is" in result.output and "--samples" in result.output
        assert result.output.strip().endswith(
            "https://ftp.ncbi.nlm.nih.gov/geo/series/GSE1nnn/GSE1/suppl/GSE1_RAW.tar, ftp://elsewhere.org/GSM1.txt.gz, "
            "https://ftp.ncbi.nlm.nih.gov/geo/GSM3.txt.gz"
        )
    assert not (tmp_path / "data").exists()
    bare = "".join(line for line in HEAD.splitlines(keepends=True) if "supplementary" not in line)
    assert "but none is named here" in imported(tmp_path, bare + END).output


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        (HEAD + TABLE, (), "the file ends without the line !series_matrix_table_end"),
        (HEAD + TABLE.replace("GSM3", "GSM4") + END, (), "the table has the sample 'GSM4', and !Sample_geo_accession"),
        (HEAD + TABLE.replace("8.5", "high") + END, (), "_series_matrix.txt:12: the cell 'high'"),
        (HEAD + TABLE.replace("0012", "1007_s_at") + END, (), "'1007_s_at' is here and in line 12 already"),
        (HEAD + TABLE.replace('"0012"\t0', '"0012"') + END, (), "_series_matrix.txt:14: "),
        (HEAD.replace("!Sample_geo", "!Sample_other") + TABLE + END, (), "there is no line !Sample_geo_accession"),
        (HEAD + TABLE + END, ("--transpose",), "do not apply to a series matrix of GEO"),
    ],
)
def test_refusals(tmp_path: Path, text: str, options: tuple[str, ...], why: str) -> None:
    result = imported(tmp_path, text, *options)
    assert result.exit_code == 1 and why in result.output, result.output
    assert not (tmp_path / "data").exists()
