"""Tables with one row for each feature and sample, and those with samples as rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text import lines
from tests.importers.conftest import Workshop

Write = Callable[..., Path]

LONG = {
    "numbers of cells": "gene\tcell\tcount\nA\t1\t5\nA\t2\t6\nB\t1\t7\nB\t2\t8\n",
    "cells first": "cell\tgene\tcount\n1\tA\t5\n2\tA\t6\n1\tB\t7\n2\tB\t8\n",
    "melted": "Var1\tVar2\tvalue\nA\ts1\t5\nA\ts2\t6\nB\ts1\t7\nB\ts2\t8\n",
    "melted, one gene": "Var1\tVar2\tvalue\nA\t1\t5\nB\t1\t7\n",
    "nothing repeated": "gene\tsample\tTPM\nA\ts1\t5\nB\ts1\t7\n",
    "one row": "gene\tsample\tTPM\nA\ts1\t5\n",
    "gene first": "gene\tsample\tvalue\nA\ts1\t1.5\nA\ts2\t2\nB\ts1\t3\nB\ts2\t4\n",
    "another order": "gene\tsample\tvalue\nB\ts2\t1.5\nA\ts2\t2\nA\ts1\t3\nB\ts1\tNA\n",
    "some have no row": "gene\tsample\tvalue\nA\ts1\t1.5\nB\ts2\t4\n",
    "commas": 'gene,sample,value\nA,s1,1.5\n"B, b",s2,4\n',
    "a number besides": "gene\tsample\tvalue\tage\nA\ts1\t1.5\t30\nA\ts2\t4\t31\nB\ts1\t5\t30\n",
}


@pytest.mark.parametrize("name", LONG)
def test_long_tables_are_known_by_their_headers(workshop: Workshop, write: Write, name: str) -> None:
    source = write(LONG[name])
    workshop.run(source)
    table = pd.read_csv(source, sep=None, engine="python", dtype={"cell": str, "Var2": str})
    (gene,) = {"gene", "Var1"} & set(table)
    (sample,) = {"sample", "cell", "Var2"} & set(table)
    (value,) = {"count", "value", "TPM"} & set(table)
    expected = table.pivot(index=gene, columns=sample, values=value)
    found = workshop.frame()
    assert (found.index.tolist(), found.columns.tolist()) == (
        table[gene].drop_duplicates().tolist(),
        table[sample].drop_duplicates().tolist(),
    )
    np.testing.assert_array_equal(found.loc[expected.index, expected.columns], expected.to_numpy(np.float32))
    assert (workshop.matrix().feature_id, workshop.matrix().sample_id) == (gene, sample)


def test_gtex(shared_data: Path, workshop: Workshop) -> None:
    for number, source in enumerate(sorted((shared_data / "gtex_v7").glob("*.csv"))):
        id = f"m{number}"
        workshop.run(source, id=id)
        table = pd.read_csv(source, sep="\t", float_precision="round_trip")
        expected = table.pivot(index="gencodeId", columns="tissueId", values="medianTPM").astype(np.float32)
        pd.testing.assert_frame_equal(
            workshop.frame(id=id).loc[expected.index, expected.columns], expected, check_names=False
        )
        store, symbols = workshop.store(id), table.drop_duplicates("gencodeId").set_index("gencodeId")["geneSymbol"]
        assert store.features.column("geneSymbol").tolist() == symbols[workshop.frame(id=id).index].tolist()
        assert set(store.samples.column("release")) == {"v7"}


def test_columns_besides(workshop: Workshop, write: Write) -> None:
    text = (
        "gene\tsymbol\tlength\tsample\ttissue\tage\tunit\tnote\tTPM\n"
        "A\ta\t10\ts1\tliver\t30\tTPM\tx\t1\n"
        "A\ta\t10\ts2\tlung\t\tTPM\ty\t2\n"
        "B\tb\t20\ts1\tliver\t30\tTPM\tz\t3\n"
    )
    outcome = workshop.run(write(text))
    store = workshop.store()
    assert store.features.attributes == ("gene", "symbol", "length")
    assert store.features.column("length").tolist() == [10, 20]
    assert set(store.samples.attributes) == {"sample", "tissue", "age", "unit"}
    assert store.samples.column("tissue").tolist() == ["liver", "lung"]
    np.testing.assert_array_equal(store.samples.column("age"), [30, np.nan])
    remarks = "\n".join(outcome.remarks)
    assert "differ within features and within samples: note" in remarks and "have no value: 1 cells" in remarks


def test_columns_that_options_name(workshop: Workshop, write: Write) -> None:
    source = write("gene\torigin\tvalue\tother\nA\tliver\t1\t5\nA\tlung\t2\t6\nB\tliver\t3\t7\nB\tlung\t4\t8\n")
    with pytest.raises(ImportFailure, match="ids must be unique"):
        workshop.run(source)
    workshop.run(source, sample_id="origin", value_column="value")
    assert workshop.frame().to_dict() == {"liver": {"A": 1, "B": 3}, "lung": {"A": 2, "B": 4}}
    workshop.run(source, id="n", sample_id="gene", feature_id="origin", value_column="other")
    assert workshop.frame(id="n").to_dict() == {"A": {"liver": 5, "lung": 6}, "B": {"liver": 7, "lung": 8}}


MISTAKES = {
    "gene\tsample\tTPM\nA\ts1\t1\nB\ts1\t2\nA\ts1\t3\n": ":4: the feature 'A' has a value for the sample 's1' here "
    "and in line 2 already",
    "gene\tsample\tTPM\nA\ts1\tx\nB\ts1\t2\n": ":2: the cell 'x' in the column 'TPM' is not a number",
    "gene\tsample\tTPM\nA\ts1\t1\n\ts1\t2\n": r":3: the feature id \(in the column 'gene'\) is empty",
    "gene\tsample\tTPM\nA\ts1\t1\nA\t\t2\n": r":3: the sample id \(in the column 'sample'\) is empty",
    "gene\tsample\tTPM\nA\ts1\t1\nB\ts1\n": ":3: this line has 2 fields, and the header 3",
    "gene\tsample\tTPM\nA\ts1\t1e39\n": ":2: the cell '1e39' in the column 'TPM' is larger than a matrix can hold",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_named_with_their_lines(workshop: Workshop, write: Write, text: str) -> None:
    with pytest.raises(ImportFailure, match=MISTAKES[text]):
        workshop.run(write(text))
    assert not list(workshop.data.rglob("*")) or not list(workshop.data.rglob("*.h5"))


def test_all_mistakes_are_named(workshop: Workshop, write: Write) -> None:
    rows = "".join(f"g{number}\ts1\tx{number}\n" for number in range(30))
    with pytest.raises(ImportFailure) as caught:
        workshop.run(write("gene\tsample\tTPM\n" + rows))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[19].startswith(str(caught.value).split(":")[0]) and "10 more" in lines[20]


def test_a_matrix_with_hardly_a_value_is_refused(workshop: Workshop, write: Write) -> None:
    rows = "".join(f"g{number}\ts{number}\t1\n" for number in range(9000))
    with pytest.raises(ImportFailure, match="most cells of the matrix have no value"):
        workshop.run(write("gene\tsample\tTPM\n" + rows))


def test_many_rows_in_any_order(workshop: Workshop, write: Write) -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        np.round(random.lognormal(1, 2, (3000, 90)), 3),
        pd.Index([f"ENSG{number:011d}" for number in range(3000)], name="gene_id"),
        [f"s{number}" for number in range(90)],
    )
    table = frame.reset_index().melt("gene_id", var_name="sample", value_name="TPM").sample(frac=1, random_state=1)
    workshop.run(write(table.to_csv(index=False), "long.csv"))
    found = workshop.frame()
    np.testing.assert_array_equal(found.loc[frame.index, frame.columns], frame.to_numpy(np.float32))


@pytest.mark.parametrize(
    "header", ["gene\tsample\tcontrol", "gene\tcell\ttissue", "gene\tcount\ttpm2", "Tissue\ta\tvalue"]
)
def test_two_samples_are_no_long_table(workshop: Workshop, write: Write, header: str) -> None:
    source = write(header + "\nA\t5\t6\nB\t7\t8\n")
    workshop.run(source)
    assert workshop.frame().to_dict() == pd.read_csv(source, sep="\t", index_col=0).to_dict()


@pytest.mark.parametrize("first", ["Tissue", "cell"])
def test_samples_as_rows_are_transposed(workshop: Workshop, write: Write, first: str) -> None:
    source = write(f"{first}\tgene1\nliver\t5\nlung\t7\n")
    with pytest.raises(ImportFailure, match=r"the rows are samples .*--transpose"):
        workshop.run(source)
    workshop.run(source, transpose=True)
    assert workshop.frame().to_dict() == {"liver": {"gene1": 5}, "lung": {"gene1": 7}}
    workshop.run(source, id="n", label_columns=1)
    assert workshop.frame(id="n").to_dict() == {"gene1": {"liver": 5, "lung": 7}}


ROW = "g{}\ts{}\t{}\tn{}"


@pytest.mark.parametrize(
    "line",
    ["", "\t\t\t", '"g9"\ts9\t7\tn9', "g9 \ts9\t 7\tn9", "g9\ts9\tNA\tn9", "gé\ts9\t1e3\tn9", "g9\ts9\t+7\tn9"],
)
def test_blocks_read_at_once_and_by_row_agree(
    workshop: Workshop, write: Write, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 256)
    rows = [ROW.format(gene, sample, gene * sample / 4, gene) for gene in range(20) for sample in range(3)]
    rows.insert(30, line)
    source = write("\n".join(["gene\tsample\tvalue\tname", *rows, ""]))
    workshop.run(source)
    found = workshop.frame()
    table = pd.read_csv(source, sep="\t").dropna(how="all")
    expected = table.pivot(index="gene", columns="sample", values="value").astype(np.float32)
    pd.testing.assert_frame_equal(found.loc[expected.index, expected.columns], expected, check_names=False)
    names = table.drop_duplicates("gene").set_index("gene")["name"]
    assert workshop.store().features.column("name").tolist() == names[found.index].tolist()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("g9\ts9\t7", "this line has 3 fields"),
        ("g9\ts9\t7\tn9\t", "this line has 5 fields"),
        ("g9\ts9\tx\tn9", "'x' in the column 'value' is not a number"),
        ("\ts9\t7\tn9", "the feature id"),
        ("g9\t \t7\tn9", "the sample id"),
        ("g9\ts9\t9007199254740993\tn9", "beyond 2"),
        ("g1\ts1\t7\tn9", "in line 6 already"),
    ],
)
def test_mistakes_among_many_rows_are_named_by_their_line(
    workshop: Workshop, write: Write, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 256)
    rows = [ROW.format(gene, sample, gene, gene) for gene in range(20) for sample in range(3)]
    rows.insert(40, line)
    with pytest.raises(ImportFailure, match=f":42: .*{message}"):
        workshop.run(write("\n".join(["gene\tsample\tvalue\tname", *rows, ""])))
