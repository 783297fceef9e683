"""Text tables that are no plain matrix: imported as what they are, or refused by words that lose no data."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.headerless import has_header
from rnaget_server.importers.text.quantities import is_of_one_sample, sample_name
from rnaget_server.importers.text.spreadsheets import changed_names
from tests.conftest import examples
from tests.importers.conftest import Workshop

Write = Callable[..., Path]


def table(text: str) -> str:
    """A table whose fields are written with blanks between them."""
    return "".join("\t".join(line.split()) + "\n" for line in text.strip().splitlines())


def said(remarks: tuple[str, ...], words: str) -> bool:
    return any(words in remark for remark in remarks)


RSEM = "transcript_id gene_id length effective_length expected_count TPM FPKM IsoPct\nT1 G1 900 700 3 1.5 0.5 100\n"
GDC = """
gene_id gene_name gene_type unstranded stranded_first stranded_second tpm_unstranded fpkm_unstranded fpkm_uq_unstranded
N_unmapped NA NA 7 7 7 NA NA NA
ENSG00000000003.15 TSPAN6 protein_coding 5 3 2 1.5 0.5 0.75
ENSG00000000005.6 TNMD protein_coding 9 4 5 2.5 1.5 1.75
"""
ONE_SAMPLE = {
    "salmon, genes": (
        "Name Length EffectiveLength TPM NumReads\nG1 9.5 8 1 5\n",
        "quant.genes.sf",
        "count",
        "quant",
        5,
    ),
    "salmon, packed name": ("Name Length EffectiveLength TPM NumReads\nG1 9 8 1 5\n", "a.sf", "tpm", "a", 1),
    "sailfish": ("Name Length TPM NumReads\nG1 9 1 5\n", "liver.sf", "TPM", "liver", 1),
    "kallisto": (
        "target_id length eff_length est_counts tpm\nT1 9 8 5 1\n",
        "abundance.tsv",
        "est_counts",
        "abundance",
        5,
    ),
    "rsem": (RSEM, "s1.isoforms.results", "counts", "s1", 3),
    "rsem, percentage": (RSEM, "s1.isoforms.results", "IsoPct", "s1", 100),
    "stringtie, transcripts": (
        "t_id chr strand start end t_name num_exons length gene_id gene_name cov FPKM\n1 1 + 5 9 T1 2 5 G1 A 2 0.5\n",
        "t_data.ctab",
        "FPKM",
        "t_data",
        0.5,
    ),
    "express": (
        "bundle_id target_id length eff_length tot_counts fpkm tpm\n1 T1 9 8 5 2 1\n",
        "r.xprs",
        "FPKM",
        "r",
        2,
    ),
    "tpm alone": ("gene_id TPM\nG1 1.5\n", "liver.tsv", "TPM", "liver", 1.5),
    "gdc": (GDC, "x.augmented_star_gene_counts.tsv", "TPM", "x.augmented_star_gene_counts", 1.5),
}


@pytest.mark.parametrize("name", ONE_SAMPLE)
def test_tables_of_one_sample(workshop: Workshop, write: Write, name: str) -> None:
    text, file, units, sample, value = ONE_SAMPLE[name]
    outcome = workshop.run(write(table(text), file), units=units)
    found = workshop.frame(units)
    assert found.columns.tolist() == [sample]
    assert found.iloc[0, 0] == pytest.approx(value)
    assert not {"T1", "G1", "ENSG00000000003.15"}.isdisjoint(found.index)
    others = set(workshop.store().features.attributes)
    assert not {"TPM", "tpm", "FPKM", "NumReads", "expected_count", "unstranded", "cov"} & others
    assert {"Length", "EffectiveLength"} <= others or not name.startswith("salmon")
    assert said(outcome.remarks, f"a table of one sample, called {sample} after the file")


@pytest.mark.parametrize("units", ["log2(TPM+1)", "z-score", "Length"])
def test_units_that_do_not_tell_the_column(workshop: Workshop, write: Write, units: str) -> None:
    source = write(table("Name Length EffectiveLength TPM NumReads\nG1 9 8 1 5\n"), "quant.sf")
    with pytest.raises(ImportFailure, match="--units TPM for the column TPM, --units count for the column NumReads"):
        workshop.run(source, units=units)
    if units == "z-score":
        workshop.run(source, units=units, value_column="NumReads")
        assert workshop.frame(units).to_numpy().tolist() == [[5]]


def test_samples_that_are_called_by_words_of_quantifiers_stay_samples() -> None:
    assert not is_of_one_sample(["gene", "S1.TPM", "S2.TPM"])
    assert not is_of_one_sample(["gene", "count", "reads"])
    assert not is_of_one_sample(["gene", "Length", "S1", "S2"])
    assert is_of_one_sample(["gene", "Length", "FPKM"])


def test_names_of_samples_of_files() -> None:
    names = {"a.b.htseq.txt": "a.b.htseq", "s.genes.results.gz": "s", "xReadsPerGene.out.tab": "x", "noend": "noend"}
    assert {name: sample_name(Path(name)) for name in names} == names


def test_a_table_of_samples_names_what_the_source_does_not(workshop: Workshop, write: Write) -> None:
    samples = write("id\ttissue\nliver 1\tliver\nlung 2\tlung\n", "s.tsv")
    source = write("ENSG00000000003\t1\t2\nENSG00000000005\t3\t4\n__no_feature\t9\t9\n", "merged.txt")
    outcome = workshop.run(source, samples=samples)
    assert workshop.frame().columns.tolist() == ["liver 1", "lung 2"]
    assert workshop.frame().to_numpy().tolist() == [[1, 2], [3, 4]]
    assert said(outcome.remarks, "in their order: merged_1 is liver 1, merged_2 is lung 2")
    with pytest.raises(ImportFailure, match=r"2 of 2 samples have no row in this table: 'merged_1', 'merged_2'"):
        workshop.run(source, id="n", samples=write("id\ttissue\nliver 1\tliver\n", "t.tsv"))


STAR = "N_unmapped\t1\t1\t1\nN_multimapping\t2\t2\t2\nN_noFeature\t3\t3\t3\nN_ambiguous\t4\t4\t4\nG1\t9\t5\t4\n"


def test_counts_of_star(workshop: Workshop, write: Write) -> None:
    source = write(STAR, "liver.ReadsPerGene.out.tab")
    with pytest.raises(ImportFailure, match=r"--value-column .*unstranded \(the 2nd column\), forward"):
        workshop.run(source)
    outcome = workshop.run(source, value_column="reverse")
    assert workshop.frame().to_dict() == {"liver": {"G1": 4.0}}
    assert said(outcome.remarks, "left out: N_unmapped, N_multimapping, N_noFeature, N_ambiguous")


@pytest.mark.parametrize(
    ("first", "rows", "expected"),
    [
        ("ENSG00000000003 100", ["ENSG00000000005 0"], False),
        ("AT1G01010 5 6", ["AT1G01020 7 8", "AT1G01030 7 8"], False),
        ("TP53 1.5 2", ["BRCA1 7 8"], None),
        ("TP53 7 7", ["BRCA1 7 8"], False),
        ("TP53 7 9", ["BRCA1 7 8", "__no_feature 1 1"], False),
        ("TP53 7 9", ["BRCA1 7 8"], None),
        ("0 1 2", ["BRCA1 7 8"], None),
        ("gene 1 2", ["BRCA1 7 8"], True),
        ("Hugo_Symbol 1 2", ["BRCA1 7 8"], True),
        ("entrez 007 8", ["0012 7 8"], True),
        ("TP53 S1 S2", ["BRCA1 7 8"], True),
        ("1 2", ["BRCA1 7 8"], True),
    ],
)
def test_headers_and_rows(first: str, rows: list[str], expected: bool | None) -> None:
    assert has_header(first.split(), [row.encode().split() for row in rows]) is expected


def test_a_first_line_in_doubt_can_be_said_both_ways(workshop: Workshop, write: Write) -> None:
    source = write("TP53\t7\t9\nBRCA1\t7\t8\n", "counts.tsv")
    with pytest.raises(ImportFailure, match=r":1: .*say --header if it names the samples, or --no-header"):
        workshop.run(source)
    workshop.run(source, header=True)
    assert workshop.frame().to_dict() == {"7": {"BRCA1": 7}, "9": {"BRCA1": 8}}
    workshop.run(source, header=False, replace=True)
    assert workshop.frame().to_dict() == {"counts_1": {"TP53": 7, "BRCA1": 7}, "counts_2": {"TP53": 9, "BRCA1": 8}}


def test_counters_at_the_end_alone_say_that_there_is_no_header(workshop: Workshop, write: Write) -> None:
    genes = [f"GENE{chr(65 + n % 26)}{'X' * (n // 26)}" for n in range(300)]
    workshop.run(write("".join(f"{gene}\t{n}\n" for n, gene in enumerate(genes)) + "__ambiguous\t5\n", "a.txt"))
    assert workshop.frame().index.tolist() == genes


def test_the_command_has_the_options(tmp_path: Path, write: Write) -> None:
    source = write("TP53;1,5\nBRCA1;2,25\n", "counts.csv")
    options = ["--data", tmp_path / "data", "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    result = CliRunner().invoke(main, ["import", str(source), *map(str, options), "--no-header", "--decimal", ","])
    assert result.exit_code == 0, result.output
    assert "the numbers have decimal commas" in result.output
    track = write("chr1\t0\t5\t1\nchr1\t5\t9\t1\n", "x.bedGraph")
    result = CliRunner().invoke(main, ["import", str(track), *map(str, options), "--no-header"])
    assert "--header cannot be given for signal tracks" in result.output


ATTRIBUTES = {
    "leading": "gene_id Length entrez_id s1 s2\nG1 100 7 1 2\nG2 200 8 3 4\n",
    "behind": "gene_id s1 s2 Length entrez_id\nG1 1 2 100 7\nG2 3 4 200 8\n",
    "between": "gene_id s1 exon_count s2 width\nG1 1 100 2 7\nG2 3 200 4 8\n",
    "positions": "gene_id s1 s2 chr start end\nG1 1 2 X 5 9\nG2 3 4 Y 6 9\n",
    "text behind": "gene_id s1 s2 symbol\nG1 1 2 AA\nG2 3 4 BB\n",
    "statistics": "gene_id baseMean log2FoldChange padj s1 s2\nG1 5 0.5 0.01 1 2\nG2 5 0.5 NA 3 4\n",
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_columns_that_describe_are_no_samples(workshop: Workshop, write: Write, name: str) -> None:
    text = ATTRIBUTES[name]
    outcome = workshop.run(write(table(text)))
    assert workshop.frame().to_dict() == {"s1": {"G1": 1, "G2": 3}, "s2": {"G1": 2, "G2": 4}}
    names = text.splitlines()[0].split()
    store = workshop.store().features
    assert set(store.attributes) == set(names) - {"s1", "s2"}
    rows = pd.read_csv(io.StringIO(table(text)), sep="\t", index_col=0)
    for attribute in set(names) - {"gene_id", "s1", "s2"}:
        expected = rows[attribute].to_numpy()
        if expected.dtype == object:
            assert store.column(attribute).tolist() == expected.tolist()
        else:
            np.testing.assert_array_equal(store.column(attribute), expected)
    assert said(outcome.remarks, "taken for attributes by their names") == (name not in ("text behind",))
    assert said(outcome.remarks, "since they hold text: symbol") == (name == "text behind")


def test_a_table_of_statistics_alone_is_refused(workshop: Workshop, write: Write) -> None:
    with pytest.raises(ImportFailure, match="describe the rows or are statistics, and none is a sample"):
        workshop.run(write(table("gene logFC PValue FDR\nA 1 0.5 0.6\nB 2 0.5 0.6\n")))


@pytest.mark.parametrize("first", ["", "X", "Unnamed: 0", "index"])
@pytest.mark.parametrize("start", [0, 1])
def test_row_numbers_are_left_out(workshop: Workshop, write: Write, first: str, start: int) -> None:
    rows = "".join(f"{n + start},GENE{n}x,{n},{n + 1}\n" for n in range(150))
    outcome = workshop.run(write(f"{first},symbol,s1,s2\n{rows}", "m.csv"))
    assert workshop.frame().index.tolist() == [f"GENE{n}x" for n in range(150)]
    assert workshop.frame().columns.tolist() == ["s1", "s2"]
    assert workshop.store().features.attributes == ("symbol",)
    assert said(outcome.remarks, "holds row numbers and was left out")


def test_ids_that_are_numbers_stay_ids(workshop: Workshop, write: Write) -> None:
    workshop.run(write("entrez,symbol,s1\n1,A1BG,5\n2,A2M,7\n", "m.csv"))
    assert workshop.frame().index.tolist() == ["1", "2"]
    workshop.run(write(",symbol,s1\n1,A1BG,5\n9,NAT1,7\n", "n.csv"), id="n")
    assert workshop.frame(id="n").index.tolist() == ["1", "9"]


def test_the_column_of_the_ids_is_named(workshop: Workshop, write: Write) -> None:
    source = write(table("symbol s1 entrez s2 ensg\nA 1 7 2 E1\nA 3 8 4 E2\n"))
    for id, expected in (("ensg", ["E1", "E2"]), ("entrez", ["7", "8"])):
        workshop.run(source, id=id, feature_id=id)
        assert workshop.matrix(id).feature_id == id
        assert workshop.frame(id=id).index.tolist() == expected
        assert workshop.frame(id=id).to_numpy().tolist() == [[1, 2], [3, 4]]
        assert workshop.store(id).features.column("symbol").tolist() == ["A", "A"]
    source = write(table("plate sample g1 g2\np1 s1 1 2\np1 s2 3 4\n"), "t.tsv")
    workshop.run(source, id="t", transpose=True, sample_id="sample")
    assert workshop.frame(id="t").to_dict() == {"s1": {"g1": 1, "g2": 2}, "s2": {"g1": 3, "g2": 4}}
    assert workshop.store("t").samples.column("plate").tolist() == ["p1", "p1"]


SEPARATED = {
    "semicolons, commas": "gene;s1;s2\nA;1,5;-2\nB;0,25;3E-05\n",
    "semicolons, points": "gene;s1;s2\nA;1.5;-2\nB;0.25;3E-05\n",
    "quoted": '"gene";"s1";"s2"\n"A";"1,5";"-2"\n"B";"0,25";"3E-05"\n',
    "blanks of R": '"s1" "s2"\n"A" 1.5 -2\n"B" 0.25 3e-05\n',
    "aligned": "gene    s1    s2\nA      1.5    -2\nB     0.25 3e-05\n",
}


@pytest.mark.parametrize("name", SEPARATED)
def test_separators(workshop: Workshop, write: Write, name: str) -> None:
    workshop.run(write(SEPARATED[name], "m.csv"))
    expected = np.array([[1.5, -2], [0.25, 3e-05]], np.float32)
    assert workshop.frame().index.tolist() == ["A", "B"]
    assert workshop.frame().columns.tolist() == ["s1", "s2"]
    np.testing.assert_array_equal(workshop.frame().to_numpy(), expected)


def test_quotes_of_r(workshop: Workshop, write: Write) -> None:
    workshop.run(write('"s \\"1\\"" "s2"\n"5\' \\"x\\" UTR" 1 2\n', "m.txt"))
    assert workshop.frame().index.tolist() == ['5\' "x" UTR']
    assert workshop.frame().columns.tolist() == ['s "1"', "s2"]
    workshop.run(write('id\ts1\n"a \\"b\\" c"\t1\n', "n.txt"), id="n")
    assert workshop.frame(id="n").index.tolist() == ['a "b" c']


@pytest.mark.parametrize(
    ("text", "decimal", "message"),
    [
        ("gene;s1;s2\nA;1,5;1.5\n", None, r":2: the cell '1.5' in the column 's2' has a point in a table with decimal"),
        ("gene;s1;s2\nA;1.5;2\nB;1,5;3\n", None, r":3: the cell '1,5' in the column 's1' has a comma in a table with"),
        (
            "gene;s1;s2\nA;1,046;2\nB;2,000;3\n",
            None,
            ":2: the commas can be decimal marks as well as between thousands",
        ),
        ("gene;s1;s2\nA;1.046,5;2\n", ",", ":2: the cell '1.046,5' in the column 's1' has a point"),
        (
            "gene\ts1\ts2\nA\t1,5\t2\nB\t2\t1\n",
            None,
            "'1,5' in the column 's1' is not a number; commas .* --decimal ','",
        ),
        ("gene\ts1\nA\t1 046\nB\t2\n", None, "'1 046' in the column 's1' is not a number; marks between thousands"),
        ("gene\ts1\nA\t1.046.200\nB\t2\n", None, "is not a number; marks between thousands cannot be read"),
        ('gene,s1\nA,"1,046"\nB,2\n', None, "'1,046' is not a number; commas between thousands cannot be read"),
    ],
)
def test_marks_in_numbers_that_are_refused(
    workshop: Workshop, write: Write, text: str, decimal: str | None, message: str
) -> None:
    with pytest.raises(ImportFailure, match=message):
        workshop.run(write(text), decimal=decimal)


@pytest.mark.parametrize(
    "text", ["gene;s1;s2\nA;1,046;2\n", "gene\ts1\ts2\nA\t1,046\t2\n", 'gene,s1,s2\nA,"1,046",2\n']
)
def test_decimal_commas_that_are_said(workshop: Workshop, write: Write, text: str) -> None:
    workshop.run(write(text), decimal=",")
    np.testing.assert_array_equal(workshop.frame().to_numpy(), np.array([[1.046, 2]], np.float32))


def test_empty_columns_and_rows(workshop: Workshop, write: Write) -> None:
    outcome = workshop.run(write(",gene,s1,s2,,\n,A,1,2,,\n,,,,,\n,B,3,\n   \n,,,,,\n", "m.csv"))
    np.testing.assert_array_equal(workshop.frame().to_numpy(), [[1, 2], [3, np.nan]])
    assert workshop.frame().index.tolist() == ["A", "B"]
    assert said(outcome.remarks, "empty columns without a header were left out: 3")
    assert said(outcome.remarks, "empty rows were left out: 3")
    late = "".join(f"g{n}\t1\t\n" for n in range(200))
    with pytest.raises(ImportFailure, match=r":202: the field 'note' is in the 3. column, whose header is empty"):
        workshop.run(write("gene\ts1\t\n" + late + "x\t1\tnote\n"), id="n")
    with pytest.raises(ImportFailure, match=r"empty \(the 2. of 3\): name the column, or remove it from every line"):
        workshop.run(write("gene\ts1\t\ts3\nA\t1\t2\t3\n"), id="n")


@pytest.mark.parametrize("front", [1, 2, 5])
def test_empty_columns_in_front(workshop: Workshop, write: Write, front: int) -> None:
    text = "".join("\t" * front + row + "\n" for row in ("gene\ts1\ts2", "A\t1\t2", "B\t3\t"))
    outcome = workshop.run(write(text))
    assert workshop.frame().index.tolist() == ["A", "B"]
    np.testing.assert_array_equal(workshop.frame().to_numpy(), [[1, 2], [3, np.nan]])
    assert said(outcome.remarks, f"empty columns without a header were left out: {front}")


def test_a_note_below_the_table_is_named(workshop: Workshop, write: Write) -> None:
    """A spreadsheet program writes as many separators behind it as behind any row."""
    note, other = "warning: the last row, 'Source: a survey', has no value", "has no value"
    table = "gene\ts1\ts2\nA\t\t\nB\t3\t4\n"
    assert said(workshop.run(write(table + "\t\t\nSource: a survey\t\t\n\t\t\n")).remarks, note)
    assert not said(workshop.run(write(table), id="n").remarks, other)
    assert not said(workshop.run(write(table + "C\tNA\t0\n"), id="o").remarks, other)
    repeated = table + "A\tNA\tNA\n"
    assert not said(workshop.run(write(repeated), id="p", duplicates="first").remarks, other)


def test_names_that_a_spreadsheet_changed() -> None:
    changed = ["1-Mar", "2-Sep", "Sep-02", "01-Dec", "3. Mrz", "2021-03-01", "9/1/2021", "2.31E+13", "MARCH-2001"]
    assert changed_names([*changed, "TP53", "44621", "MARCH1", "SEP15", "1-Dx", "DEC1", "1060P11.3"]) == [
        *changed,
        "44621",
    ]
    assert changed_names(["44621", "44622", "7157"]) == []
    long = ["2021-03-01 00:00:00", "01-September-2021", "2.310009123456789E+13"]
    assert changed_names([*long, "ENSG00000000003.15", "2021-03-01 of a name", "ähnlich lang wie 2021"]) == long


def test_all_mistakes_at_once(workshop: Workshop, write: Write) -> None:
    source = write("gene\ts1\ts2\nA\t1\t2\nB\tx\t2\nA\t1\t3\nC\t1\n\t5\t6\nD\t1\ty,z\nA\t1\t2\nE\t1\t2\t3\nF\tu\tv\n")
    with pytest.raises(ImportFailure) as caught:
        workshop.run(source)
    assert str(caught.value).replace(f"{source}:", "").split("\n") == [
        "3: the cell 'x' in the column 's1' is not a number",
        "4: the feature id 'A' is here and in line 2 already: ids must be unique, so rename one",
        "5: this line has 2 fields, and the header 3",
        "6: the feature id (the first field) is empty",
        "7: the cell 'y,z' in the column 's2' is not a number",
        "8: the feature id 'A' is here and in line 2 already: the lines are the same, so leave one of the two out",
        "9: this line has 4 fields, and the header 3",
        "10: the cell 'u' in the column 's1' is not a number",
        "10: the cell 'v' in the column 's2' is not a number",
        "ways out: --duplicates first, sum or suffix",
    ]


def test_no_more_than_twenty_mistakes_are_named(workshop: Workshop, write: Write) -> None:
    with pytest.raises(ImportFailure) as caught:
        workshop.run(write("gene\ts1\ts1\n" + "g\t1\t2\n" + "".join(f"g{n}\t1\tx{n}\n" for n in range(30))))
    lines = str(caught.value).split("\n")
    assert len(lines) == 21
    assert "is in the header twice" in lines[0]
    assert lines[-1] == "and 11 more such mistakes"
    with pytest.raises(ImportFailure, match="and more than 980 more such mistakes"):
        workshop.run(write("gene\ts1\ts2\n" + "g\t1\t2\n" + "".join(f"g{n}\t1\tx{n}\n" for n in range(5000))))


def test_no_hint_leads_to_the_loss_of_a_sample(workshop: Workshop, write: Write) -> None:
    rows = "".join(f"g{n}\t{n}\t1\n" for n in range(9))
    with pytest.raises(ImportFailure) as caught:
        workshop.run(write(f"gene\ts1\ts2\n{rows}x\tbelow limit\t1\n"))
    assert "label-columns" not in str(caught.value)
    rows = "".join(f"g{n}\t{'ab'[n % 2] if n else 7}\t1\n" for n in range(9))
    with pytest.raises(ImportFailure, match="if that column describes the features, say so by --label-columns"):
        workshop.run(write(f"gene\tgroup\ts2\n{rows}"))
    for bad in ("1'000", "$1", "1%", "TRUE", "-nan", "#DIV/0!", "1.#IND", "<NA>", '"1"', "\u22121"):
        with pytest.raises(ImportFailure, match="is not a number") as caught:
            workshop.run(write(f"gene\ts1\ts2\nx\t {bad}\t1\n"))
        assert "label-columns" not in str(caught.value)


def test_regions_are_no_ids(workshop: Workshop, write: Write) -> None:
    with pytest.raises(ImportFailure, match=r":3: .*'chr1' is here .*unique; the rows are regions, of which") as caught:
        workshop.run(write("chr\tstart\tend\ts1\nchr1\t0\t10\t1\nchr1\t20\t30\t2\n"))
    assert "rename" not in str(caught.value)


def test_repeated_ids_of_a_quantifier_make_no_long_table(workshop: Workshop, write: Write) -> None:
    header = "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM\n"
    rows = "G1\tA\tchr1\t+\t1\t9\t1\t2\t3\nG1\tA\tchr1\t+\t20\t29\t1\t2\t3\n"
    with pytest.raises(ImportFailure, match=r":3: .* ids must be unique, so rename one; ways out: --duplicates"):
        workshop.run(write(header + rows, "gene_abund.tab"))
    with pytest.raises(ImportFailure, match=r":3: .* unique; if this is a long table, .* --sample-id 'who'"):
        workshop.run(write("gene\twho\tTPM\nG1\tann\t1\nG1\tbob\t2\n"))


def test_rows_that_may_be_samples_are_asked_about(workshop: Workshop, write: Write) -> None:
    text = "sample\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n"
    asked = "if the rows are samples, say so by --transpose"
    assert said(workshop.run(write(text)).remarks, asked)
    assert not said(workshop.run(write(text), id="n", transpose=True).remarks, asked)
    assert not said(workshop.run(write(text.replace("sample", "gene")), id="o").remarks, asked)


@pytest.mark.parametrize("first", ["start\tend", "\tgene"])
def test_endless_numbers_are_no_positions_and_no_row_numbers(workshop: Workshop, write: Write, first: str) -> None:
    with pytest.raises(ImportFailure, match=r":2: .*(is larger than a matrix|are whole numbers|is not a number)"):
        workshop.run(write(f"id\t{first}\ts1\ng\t{'1' * 5000}\t{'2' * 5000}\t3\n"))


ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), min_size=1, max_size=8)
NAMES = st.lists(
    ANY.filter(lambda text: text.strip() and not text.startswith(("#", "_", "N_"))), min_size=1, max_size=6, unique=True
)


@settings(max_examples=examples(60), deadline=None)
@given(NAMES, NAMES, st.sampled_from("\t,"), st.booleans())
def test_every_id_and_name_is_found_by_its_text(
    ids: list[str], samples: list[str], separator: str, transpose: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["gene_id", "symbol", *samples])
    writer.writerows([[id, f"n {id}", *map(str, range(len(samples)))] for id in ids])
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "m.txt"
        source.write_text(out.getvalue(), encoding="utf-8", newline="")
        workshop = Workshop(Path(directory) / "data")
        named: dict[str, Any] = {} if transpose else {"feature_name": "symbol"}
        workshop.run(source, header=True, label_columns=2, transpose=transpose, **named)
        store, matrix = workshop.store(), workshop.matrix()
        rows, columns = (store.samples, store.features) if transpose else (store.features, store.samples)
        row_id, column_id = (matrix.sample_id, matrix.feature_id)[:: 1 if transpose else -1]
        for axis, attribute, texts in (
            (rows, row_id, ids),
            (rows, "symbol", [f"n {id}" for id in ids]),
            (columns, column_id, samples),
        ):
            assert axis.column(attribute).tolist() == texts
            for place, text in enumerate(texts):
                assert axis.find(attribute, [text])[0].tolist() == [place], text


def test_a_quoted_separator_is_an_id(workshop: Workshop, write: Callable[..., Path]) -> None:
    workshop.run(write('gene,s1,s2\n",",,\nA,1,2\n', "m.csv"))
    assert list(workshop.frame().index) == [",", "A"]


def test_commas_are_those_of_numbers_where_semicolons_would_do(workshop: Workshop, write: Callable[..., Path]) -> None:
    workshop.run(write('s1\n"G1";1,5\n"G2";2,25\n', "m.txt"))
    assert workshop.frame()["s1"].tolist() == [1.5, 2.25]


def test_semicolons_may_be_those_of_ids(workshop: Workshop, write: Callable[..., Path]) -> None:
    workshop.run(write("s1\nG1;,0.5\nG2;,2.25\n", "m.csv"))
    assert workshop.frame()["s1"].to_dict() == {"G1;": 0.5, "G2;": 2.25}


def test_a_decimal_comma_that_is_said_does_not_separate(workshop: Workshop, write: Callable[..., Path]) -> None:
    workshop.run(write("s1,/0\nG1;-808,596\n", "m.txt"), decimal=",")
    assert workshop.frame()["s1,/0"].to_dict() == {"G1": pytest.approx(-808.596, rel=1e-6)}
