"""Text tables as programs and people write them: what is right is beside each, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnaget_server.errors import ImportFailure

IMPORTED = {
    "02-htseq-no-header/sample1.htseq.txt": "count",
    "04-salmon-quant-sf/quant.sf": "TPM",
    "07-row-number-first-column/counts.csv": "count",
    "13-european-csv/eu.csv": "TPM",
    "13-european-csv/semicolon.csv": "TPM",
    "19-featurecounts/counts.txt": "count",
    "20-recount3-large-sums/sra.gene_sums.SRP1.G026.gz": "sum",
}
REFUSED = {
    "13-european-csv/thousands.csv": "'1,046' is not a number; commas between thousands cannot be read",
    "19-featurecounts/repeated.txt": "the feature id 'ENSG01' is here and in line 3 already",
    "23-excel-dates/twice.tsv": "a spreadsheet program turns gene names",
}


@pytest.fixture
def cases(shared_data: Path) -> Path:
    directory = shared_data / "cases" / "matrix"
    if not directory.is_dir():
        pytest.skip("the cases are absent")
    return directory


@pytest.mark.parametrize("name", IMPORTED)
def test_imported(workshop: Any, cases: Path, name: str) -> None:
    workshop.run(cases / name, units=IMPORTED[name])
    expected = pd.read_csv((cases / name).parent / "expected.tsv", sep="\t", index_col=0)
    found = workshop.frame(IMPORTED[name])
    assert found.index.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    assert (found.to_numpy() == expected.to_numpy()).all()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(workshop: Any, cases: Path, name: str) -> None:
    with pytest.raises(ImportFailure, match=REFUSED[name]):
        workshop.run(cases / name)


@pytest.mark.parametrize(
    ("name", "units", "sample", "values"),
    [
        ("abundance.tsv", "TPM", "abundance", [10.5, 0]),
        ("abundance.tsv", "count", "abundance", [100, 0]),
        ("s1.genes.results", "FPKM", "s1", [9.1, 0]),
        ("s1.genes.results", "expected counts", "s1", [100, 0]),
        ("gene_abund.tab", "TPM", "gene_abund", [4.5, 0]),
        ("gene_abund.tab", "coverage", "gene_abund", [12.5, 0]),
    ],
)
def test_quantifiers(workshop: Any, cases: Path, name: str, units: str, sample: str, values: list[float]) -> None:
    workshop.run(cases / "04-salmon-quant-sf" / name, units=units)
    found = workshop.frame(units)
    assert found.columns.tolist() == [sample]
    assert found[sample].tolist() == pytest.approx(values)


@pytest.mark.parametrize("name", ["trailing.tsv", "trailing_row.tsv"])
def test_empty_cells_of_a_spreadsheet(workshop: Any, cases: Path, name: str) -> None:
    workshop.run(cases / "15-excel-trailing-cells" / name, units="count")
    found = workshop.frame("count")
    assert (found.index.tolist(), found.columns.tolist()) == (["A", "B"], ["s1", "s2"])
    assert found.to_numpy().tolist() == [[1, 2], [3, 4]]


def test_names_that_became_dates(workshop: Any, cases: Path) -> None:
    outcome = workshop.run(cases / "23-excel-dates" / "once.tsv", units="count")
    (remark,) = [remark for remark in outcome.remarks if "spreadsheet" in remark]
    assert "'2-Sep', '1-Mar', '2.31E+13', '44621' look like dates or numbers" in remark
