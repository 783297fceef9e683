"""Tables of one sample, and matrices that only look like them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from rnaget_server.errors import ImportFailure
from tests.importers.conftest import Workshop

Write = Callable[..., Path]
NAN = float("nan")


def table(text: str) -> str:
    """A table whose fields are written with blanks between them, and underscores for blanks within."""
    return "".join("\t".join(field.replace("~", " ") for field in line.split()) + "\n" for line in text.split("\n"))


KNOWN = {
    "miRNA": (
        "miRNA_ID read_count reads_per_million_miRNA_mapped cross-mapped\nm1 5 1.5 N\nm2 7 2.5 Y",
        {"count": [5, 7], "RPM": [1.5, 2.5]},
        "read_count",
    ),
    "RSEM": (
        "gene_id raw_count scaled_estimate transcript_id\nA|1 5 0.5 uc1,uc2\nB|2 7 0.25 uc3",
        {"count": [5, 7]},
        "raw_count",
    ),
    "older": ("gene raw_counts median_length_normalized RPKM\nA 5 0.5 1.5\nB 7 1 2.5", {"RPKM": [1.5, 2.5]}, "RPKM"),
    "CLC": (
        "Feature~ID Expression~values Gene~length Unique~gene~reads Total~gene~reads RPKM\nA 9 5 1 2 3\nB 8 6 3 4 5",
        {"RPKM": [3, 5]},
        "RPKM",
    ),
    "long reads": (
        "transcript_name raw est_count tpm transcript_length\nA 0.5 5 1 9\nB 0.25 7 2 8",
        {"count": [5, 7], "TPM": [1, 2]},
        "tpm",
    ),
    "five counts": (
        "GENEID COUNT COUNT_CDS COUNT_UTR COUNT_AMBIG_GENE\nA 5 1 2 3\nB 7 1 2 3",
        {"count": [5, 7]},
        "COUNT",
    ),
    "arrays": ("ID_REF VALUE DETECTION~P-VALUE\nA 5 0.1\nB 7 0.2", {}, "VALUE"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_tables(workshop: Workshop, write: Write, name: str) -> None:
    text, expected, column = KNOWN[name]
    source = write(table(text), "a.txt")
    for units, values in expected.items():
        workshop.run(source, units=units, id=units)
        assert workshop.frame(units, units).to_numpy().ravel().tolist() == values
        assert workshop.frame(units, units).columns.tolist() == ["a"]
    with pytest.raises(ImportFailure, match=r"do not say which of them to take: .*--value-column"):
        workshop.run(source, units="intensity")
    workshop.run(source, units="intensity", value_column=column)
    assert workshop.frame("intensity").to_numpy().ravel().tolist() == pd.read_csv(source, sep="\t")[column].tolist()


@pytest.mark.parametrize(
    "text", ["gene chr TPM\nA 7 1\nB 8 4\n", "gene TPM note\nA 1 x\nB 4 y\n", "id start end TPM\nA 7 8 1\nB 8 9 4\n"]
)
def test_one_quantity_beside_descriptions_is_that_of_the_file(workshop: Workshop, write: Write, text: str) -> None:
    source = write(table(text), "liver.tsv")
    workshop.run(source, units="TPM")
    assert workshop.frame("TPM").to_dict() == {"liver": {"A": 1, "B": 4}}


MATRICES = {
    "cells": "gene Naive GC Memory\nA 1 2 3\nB 4 5 6\n",
    "letters": "gene B T LR Stat\nA 1 2 3 4\nB 4 5 6 7\n",
    "reference": "gene Reference Treated\nA 1 2\nB 4 5\n",
    "times": "gene start mid end\nA 1 2 3\nB 4 5 6\n",
}


@pytest.mark.parametrize("name", MATRICES)
def test_samples_called_like_attributes_are_samples(workshop: Workshop, write: Write, name: str) -> None:
    source = write(table(MATRICES[name]))
    workshop.run(source)
    assert workshop.frame().to_dict() == pd.read_csv(source, sep="\t", index_col=0).to_dict()


ANNOTATED = {
    "positions": "gene Reference chr start end s1\nA NC1 1 5 9 1\nB NC1 2 5 9 4\n",
    "content": "gene length gc s1\nA 9 0.5 1\nB 8 0.25 4\n",
    "tests": "gene logFC LR PValue s1\nA 9 0.5 1 1\nB 8 0.25 1 4\n",
    "chromosomes behind": "gene s1 chr start end\nA 1 1 5 9\nB 4 2 5 9\n",
    "a chromosome in front": "gene chr s1\nA 7 1\nB 8 4\n",
    "a chromosome behind": "gene s1 Chromosome\nA 1 7\nB 4 8\n",
    "a chromosome between": "gene chrom s1 strand\nA 7 1 -1\nB 8 4 1\n",
    "positions of two kinds": "gene s1 seqnames pos tss\nA 1 7 70 8\nB 4 8 80 9\n",
    "a place and a length": "gene chrStart s1 len\nA 7 1 70\nB 8 4 80\n",
    "text behind a gap": "gene s1 symbol\nA 1 NA\nB 4 DEF\nC 9 ABC\n",
    "positions of text": "gene start s1\nA chr1:5 1\nB chr1:9 4\n",
}


@pytest.mark.parametrize("name", ANNOTATED)
def test_attributes_beside_one_sample(workshop: Workshop, write: Write, name: str) -> None:
    source = write(table(ANNOTATED[name]))
    workshop.run(source)
    rows = pd.read_csv(source, sep="\t", index_col=0)
    assert workshop.frame().to_dict() == rows[["s1"]].to_dict()
    assert set(workshop.store().features.attributes) - {"gene"} == set(rows.columns) - {"s1"}


DOUBTFUL = {
    "two quantities": ("gene TPM FPKM s3\nA 1 2 3\nB 4 5 6\n", 1, "s3 is unknown"),
    "one quantity": ("gene TPM s1\nA 1 2\nB 4 5\n", 1, "the column TPM is a quantity of one sample, and s1 is unknown"),
    "a quantity behind": ("gene s1 TPM\nA 1 2\nB 4 5\n", 1, "s1 is unknown"),
    "a length": ("gene length TPM s1 s2\nA 9 1 2 3\nB 8 4 5 6\n", 2, "s1, s2 are unknown"),
    "salmon": (
        "Name Length EffectiveLength TPM NumReads extra\nA 9 8 1 2 3\nB 9 8 4 5 6\n",
        3,
        "extra is unknown",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_quantities_among_other_numbers_are_settled(workshop: Workshop, write: Write, name: str) -> None:
    text, labels, words = DOUBTFUL[name]
    source = write(table(text), "a.txt")
    with pytest.raises(ImportFailure, match=rf"{words}: if this is a matrix, .*--label-columns.*--value-column"):
        workshop.run(source)
    workshop.run(source, label_columns=labels)
    rows = pd.read_csv(source, sep="\t", index_col=0)
    assert workshop.frame().to_dict() == rows[rows.columns[labels - 1 :]].to_dict()
    workshop.run(source, id="n", value_column="TPM")
    assert workshop.frame(id="n").to_dict() == {"a": rows["TPM"].to_dict()}


def test_positions_without_a_chromosome_are_settled(workshop: Workshop, write: Write) -> None:
    source = write(table("gene start end s1\nA 5000 6000 1\nB 8000 9000 2"))
    with pytest.raises(ImportFailure, match="the columns start and end can be positions or samples"):
        workshop.run(source)
    workshop.run(source, label_columns=3)
    assert workshop.frame().to_dict() == {"s1": {"A": 1, "B": 2}}
    with pytest.raises(ImportFailure, match="the columns start and end can be positions or samples"):
        workshop.run(write(table("gene s1 start end\nA 1 5 6\nB 2 8 8"), "p.tsv"), id="p")
    with pytest.raises(ImportFailure, match="the column TSS can be positions or samples"):
        workshop.run(write(table("gene TSS s1\nA 5000 1\nB 8000 2"), "q.tsv"), id="q")
    workshop.run(write(table("gene start end\nA 50 6000\nB 8000 900"), "n.tsv"), id="n")
    assert workshop.frame(id="n").to_dict() == {"start": {"A": 50, "B": 8000}, "end": {"A": 6000, "B": 900}}


@pytest.mark.parametrize("first", ["NA", ""])
def test_the_remark_on_text_behind_a_gap(workshop: Workshop, write: Write, first: str) -> None:
    outcome = workshop.run(write(f"gene\ts1\tnote\nA\t1\t{first}\nB\t2\tok\nC\t3\tbad\n"))
    assert "taken for attributes, since they hold text: note" in outcome.remarks
    assert workshop.frame().to_dict() == {"s1": {"A": 1, "B": 2, "C": 3}}
