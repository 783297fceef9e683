"""The first lines of a text table: headers behind ``#``, row numbers, counters, and tables without a header."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.headerless import has_header
from tests.importers.conftest import Workshop

Write = Callable[..., Path]

MARKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text behind": (
        "#OTU ID\ts1\ts2\ttaxonomy\nA\t1\t2\tk__B; p__\nB\t3\t4\tk__B; p__C\n",
        "m.tsv",
        {"s1": {"A": 1, "B": 3}, "s2": {"A": 2, "B": 4}},
    ),
    "one row": ("#OTU ID\ts1\ttaxonomy\nA\t1\tk__B; p__\n", "m.tsv", {"s1": {"A": 1}}),
    "symbol behind": ("#gene\ts1\ts2\tsymbol\nG1\t1.5\t2\tABC\nG2\t3\t4\tDEF\n", "m.tsv", {}),
    "blanks": ("#gene s1 s2\nG1 1.5 2\nG2 3 4\n", "m.txt", {}),
    "quoted": ('#gene,s1,s2\n"G1","1.5","2"\n"G2","3","4"\n', "m.csv", {}),
    "decimal commas": ("#gene;s1;s2\nG1;1,5;2\nG2;3;4\n", "m.csv", {}),
    "numbers": ("#gene\t1\t2\nA\t1.5\t2\n", "m.tsv", {"1": {"A": 1.5}, "2": {"A": 2}}),
    "of programs": ('# Program:x v2; Command:"x" "-a" "b"\ngene\ts1\ts2\nG1\t1.5\t2\nG2\t3\t4\n', "m.tsv", {}),
    "commented": ("# made 2020 by hand\n#gene\ts1\ts2\nG1\t1.5\t2\nG2\t3\t4\n", "m.tsv", {}),
    "a comment of numbers": ("#genes,2,3\ngene,7,8\nG1,1.5,2\n", "m.csv", {"7": {"G1": 1.5}, "8": {"G1": 2}}),
}


@pytest.mark.parametrize("name", MARKED)
def test_headers_behind_a_comment_mark(workshop: Workshop, write: Write, name: str) -> None:
    text, file, expected = MARKED[name]
    workshop.run(write(text, file))
    assert workshop.frame().to_dict() == (expected or {"s1": {"G1": 1.5, "G2": 3}, "s2": {"G1": 2, "G2": 4}})


OF_R = {
    "tabs": ("#s1\ts2\ts 3\nA\t1\t2\t3\nB\t4\t5\t6\n", "m.tsv", ["s1", "s2", "s 3"]),
    "commas": ("#s1,s2,s3\nA,1,2,3\nB,4,5,6\n", "m.csv", ["s1", "s2", "s3"]),
    "below comments": ("# made, by hand\n##x\n#s1\ts2\ts3\nA\t1\t2\t3\nB\t4\t5\t6\n", "m.tsv", ["s1", "s2", "s3"]),
    "an empty column behind": ("#s1\ts2\ts3\nA\t1\t2\t3\t\nB\t4\t5\t6\t\n", "m.tsv", ["s1", "s2", "s3"]),
    "text behind": ("#s1\ts2\tdescription\nA\t1\t2\tx\nB\t4\t5\ty\n", "m.tsv", ["s1", "s2"]),
}


@pytest.mark.parametrize("name", OF_R)
def test_a_header_behind_a_comment_mark_without_one_for_the_ids(workshop: Workshop, write: Write, name: str) -> None:
    text, file, samples = OF_R[name]
    workshop.run(write(text, file))
    values = [[1, 2, 3], [4, 5, 6]]
    expected = {sample: {"A": values[0][at], "B": values[1][at]} for at, sample in enumerate(samples)}
    assert workshop.frame().to_dict() == expected


@pytest.mark.parametrize("mark", ["#s1\ts2", "#version\tv2", "# by\tme"])
def test_a_comment_that_can_be_a_header_is_refused(workshop: Workshop, write: Write, mark: str) -> None:
    source = write(f"{mark}\nA\t1\t2\nB\t4\t5\n")
    with pytest.raises(
        ImportFailure, match=r":1: the line .* can be a comment or the names of all columns but the first"
    ):
        workshop.run(source)
    workshop.run(source, header=False)
    assert workshop.frame().to_numpy().tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize("mark", ["# counted by hand, at home", "#a,2", "#one", "#a,a", "#s1,s2,s3"])
def test_comments_that_are_no_header(workshop: Workshop, write: Write, mark: str) -> None:
    workshop.run(write(f"{mark}\ngene,s1,s2\nA,1,2\nB,4,5\n", "m.csv"))
    assert workshop.frame().to_dict() == {"s1": {"A": 1, "B": 4}, "s2": {"A": 2, "B": 5}}


@pytest.mark.parametrize(
    ("first", "rows", "expected"),
    [
        ("gene-dnaA 8", ["gene-dnaN 1", "__no_feature 3"], False),
        ("rna-A 8", ["rna-B 1", "__no_feature 3"], False),
        ("transcript:abcA 8", ["transcript:abcB 1", "__no_feature 3"], False),
        ("dnaA_gene 8", ["dnaN_gene 1", "__no_feature 3"], False),
        ("gene-dnaA 8", ["gene-dnaN 1", "gene-gyrB 2"], None),
        ("gene_id 8", ["gene_a 1", "gene_b 2", "__no_feature 3"], True),
        ("gene 8", ["gene1 1", "gene2 2"], True),
        ("Hugo_Symbol 8", ["A 1", "__no_feature 3"], True),
        ("YORF 0.5 2.5", ["YAL001C 1 2"], None),
        ("UCSC 0.5 2.5", ["uc001aaa.3 1 2"], None),
        ("OTUs 0.5 2.5", ["OTU_1 1 2"], None),
        ("gene_v2 0.5 2.5", ["A1 1 2"], None),
        ("YAL002W 0.5 2.5", ["YAL001W 1 2"], False),
        ("TP53 0.5 0.5", ["BRCA1 1 2"], False),
    ],
)
def test_headers_and_first_rows(first: str, rows: list[str], expected: bool | None) -> None:
    assert has_header(first.split(), [row.encode().split() for row in rows]) is expected


@pytest.mark.parametrize("ends", [("\t", "\t"), ("\t\t", "\t\t"), ("", ""), ("\t", "\t\t"), ("\t\t", "\t")])
def test_empty_columns_behind_make_no_header(workshop: Workshop, write: Write, ends: tuple[str, str]) -> None:
    source = write(f"A\t1\t2{ends[0]}\nB\t3\t4{ends[1]}\nC\t5\t6{ends[0]}\n")
    with pytest.raises(ImportFailure):
        workshop.run(source)
    assert not workshop.data.exists() or not list(workshop.data.rglob("*.h5"))


@pytest.mark.parametrize("id", ["gene", "Transcript", "ID_REF"])
def test_a_header_that_lacks_a_sample_is_not_one_of_r(workshop: Workshop, write: Write, id: str) -> None:
    source = write(f"{id}\ts1\nA\t1\t2\nB\t3\t4\n")
    with pytest.raises(ImportFailure, match=rf":1: the header has a field less than .* its first, '{id}', is no name"):
        workshop.run(source)
    workshop.run(source, header=True)
    assert workshop.frame().to_dict() == {id: {"A": 1, "B": 3}, "s1": {"A": 2, "B": 4}}


@pytest.mark.parametrize("id", ["gene_id", "GeneID", "gene_name", "ensembl_gene_id", "hgnc_symbol", "gene_short_name"])
def test_a_sample_is_not_taken_for_an_attribute_where_one_lacks_its_name(
    workshop: Workshop, write: Write, id: str
) -> None:
    with pytest.raises(ImportFailure, match=f"its first, '{id}', is no name of a sample"):
        workshop.run(write(f"{id}\ts1\ts2\nA\t1\t2\t3\nB\t3\t4\t5\n"))


def test_an_attribute_of_texts_in_a_header_of_r(workshop: Workshop, write: Write) -> None:
    workshop.run(write("gene_name\ts1\nA\tx\t2\nB\ty\t4\n"))
    assert workshop.frame().to_dict() == {"s1": {"A": 2, "B": 4}}
    assert workshop.store().features.column("gene_name").tolist() == ["x", "y"]


@pytest.mark.parametrize("header", ["x\ty", "s1\tgene", "sample\tcell"])
def test_headers_of_r(workshop: Workshop, write: Write, header: str) -> None:
    workshop.run(write(f"{header}\nA\t1\t2\nB\t3\t4\n"))
    assert workshop.frame().columns.tolist() == header.split("\t")
    assert workshop.frame().to_numpy().tolist() == [[1, 2], [3, 4]]


def test_fractions_ask_for_the_header(workshop: Workshop, write: Write) -> None:
    source = write("YORF\t0.5\t2.5\nYAL001C\t1\t2\n")
    with pytest.raises(ImportFailure, match="say --header if it names the samples, or --no-header"):
        workshop.run(source)
    workshop.run(source, header=True)
    assert workshop.frame().to_dict() == {"0.5": {"YAL001C": 1}, "2.5": {"YAL001C": 2}}


NUMBERED = {
    "gene": ",gene,s1,s2\n0,100,5,6\n1,200,7,8\n",
    "gene_id": ",gene_id,s1,s2\n0,100,5,6\n1,200,7,8\n",
    "R": '"","gene","s1","s2"\n"1",100,5,6\n"2",200,7,8\n',
    "GEO": "X,ID_REF,s1,s2\n1,100,5,6\n2,200,7,8\n",
    "entrez": ",entrez,s1,s2\n0,100,5,6\n1,200,7,8\n",
    "pandas, twice": "Unnamed: 0.1,Unnamed: 0,gene,s1,s2\n0,0,100,5,6\n1,1,200,7,8\n",
    "readr": "...1,gene,s1,s2\n1,100,5,6\n2,200,7,8\n",
    "two columns of them": ",Unnamed: 0,gene,s1,s2\n0,1,100,5,6\n1,2,200,7,8\n",
}


@pytest.mark.parametrize("name", NUMBERED)
def test_row_numbers_beside_ids_that_are_numbers(workshop: Workshop, write: Write, name: str) -> None:
    outcome = workshop.run(write(NUMBERED[name], "m.csv"))
    assert workshop.frame().to_dict() == {"s1": {"100": 5, "200": 7}, "s2": {"100": 6, "200": 8}}
    assert any("holds row numbers and was left out" in remark for remark in outcome.remarks)


def test_row_numbers_beside_samples(workshop: Workshop, write: Write) -> None:
    workshop.run(write(",sample,g1,g2\n0,1001,2,3\n1,1002,4,5\n", "m.csv"), transpose=True)
    assert workshop.frame().to_dict() == {"1001": {"g1": 2, "g2": 3}, "1002": {"g1": 4, "g2": 5}}


def test_row_numbers_of_a_table_of_one_sample(workshop: Workshop, write: Write) -> None:
    workshop.run(write(",gene_id,length,TPM,FPKM\n0,100,9,5,6\n1,200,9,7,8\n", "a.csv"))
    assert workshop.frame().to_dict() == {"a": {"100": 5, "200": 7}}


@pytest.mark.parametrize("header", ["x,s0,s1", "x,length,s1", "x,7,8", "entrez,gene_id,s1"])
def test_ids_that_count_rows_stay_ids(workshop: Workshop, write: Write, header: str) -> None:
    workshop.run(write(f"{header}\n1,5,6\n2,7,8\n", "m.csv"))
    assert workshop.frame().index.tolist() == ["1", "2"]


OLD = "no_feature\t7\nambiguous\t1\ntoo_low_aQual\t0\nnot_aligned\t9\nalignment_not_unique\t2\n"


@pytest.mark.parametrize(
    "counters",
    [
        OLD,
        "_ambiguous\t3\n_ambiguous_readpair_position\t0\n_empty\t5\n_lowaqual\t0\n_notaligned\t9\n",
    ],
)
def test_counters_of_older_programs_are_no_features(workshop: Workshop, write: Write, counters: str) -> None:
    outcome = workshop.run(write("dnaA\t8\ngyrB\t1\nrecF\t3\n" + counters, "a.txt"))
    assert workshop.frame().to_dict() == {"a": {"dnaA": 8, "gyrB": 1, "recF": 3}}
    left_out = ", ".join(line.split("\t")[0] for line in counters.splitlines())
    assert any(f"no features, were left out: {left_out}" in remark for remark in outcome.remarks)


def test_words_that_counters_were_once_called_stay_elsewhere(workshop: Workshop, write: Write) -> None:
    workshop.run(write("gene\ts1\ndnaA\t8\n" + OLD))
    assert workshop.frame().index.tolist() == ["dnaA", *(line.split("\t")[0] for line in OLD.splitlines())]
    workshop.run(write("ENSG1\t8\nambiguous\t1\nENSG2\t3\n", "b.txt"), id="b", header=False)
    assert workshop.frame(id="b").index.tolist() == ["ENSG1", "ambiguous", "ENSG2"]


def test_whole_numbers_that_would_be_changed_are_refused(workshop: Workshop, write: Write) -> None:
    with pytest.raises(ImportFailure, match=r":3: the cell '9007199254740993' in the column 's2' is a whole number"):
        workshop.run(write("gene\ts1\ts2\nA\t1\t2\nB\t3\t9007199254740993\n"))


def test_a_second_column_of_row_numbers_is_no_sample(workshop: Workshop, write: Write) -> None:
    workshop.run(write(",Unnamed: 0,s1,s2\n0,0,5,6\n1,1,7,8\n", "m.csv"))
    assert workshop.frame().to_dict() == {"s1": {"0": 5, "1": 7}, "s2": {"0": 6, "1": 8}}
