"""Tables of one sample, and matrices that only look like them."""

from __future__ import annotations

import re
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
    with pytest.raises(ImportFailure, match="do not say which of them to take: .*--value-column"):
        workshop.run(source, units="intensity")
    workshop.run(source, units="intensity", value_column=column)
    assert workshop.frame("intensity").to_numpy().ravel().tolist() == pd.read_csv(source, sep="\t")[column].tolist()
