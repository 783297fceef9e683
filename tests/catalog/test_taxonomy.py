"""The table of species of a catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import LiveCatalog, load

LINE = "tax_id\tscientific_name\tparent_tax_id\n9606\tHomo sapiens\t9605\n"


def catalog_with(data: Path, text: str) -> Path:
    (data / "catalog.yaml").write_text("id: x\nname: X\n")
    (data / "taxonomy.tsv").write_text(text)
    return data


def test_taxa(tmp_path: Path) -> None:
    text = "scientific_name\ttax_id\tother_names\r\nHomo sapiens\t9606\tman; H. sapiens\r\n\r\nHomo\t9605\r\n"
    catalog, problems = load(catalog_with(tmp_path, text))
    assert catalog is not None and not problems
    assert catalog.taxa["9606"].names == ("Homo sapiens", "man", "H. sapiens")
    assert list(catalog.taxa) == ["9606", "9605"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "taxonomy.tsv:1: the column 'tax_id' is missing"),
        ("tax_id\tscientific_nam\n", "taxonomy.tsv:1: the column 'scientific_nam' is not known here: did you mean"),
        (LINE + "human\tHomo\t1\n", "taxonomy.tsv:3: tax_id 'human' is no number"),
        (LINE + "\tHomo\t1\n", "taxonomy.tsv:3: tax_id '' is no number"),
        (LINE + "5\tHomo\tx\n", "taxonomy.tsv:3: parent_tax_id 'x' is no number"),
        (LINE + "5\t\t1\n", "taxonomy.tsv:3: scientific_name is empty"),
        (LINE + "9606\tHomo\t1\n", "taxonomy.tsv:3: tax_id 9606 is there twice"),
        (LINE + "5\tHomo\t1\tmore\n", "taxonomy.tsv:3: the line has 4 values for 3 columns"),
        ("tax_id\ttax_id\tscientific_name\n", "taxonomy.tsv:1: the column 'tax_id' is there twice"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    _, problems = load(catalog_with(tmp_path, text))
    assert message in "\n".join(str(problem) for problem in problems)


def test_a_changed_table_is_taken_over(tmp_path: Path) -> None:
    live = LiveCatalog(catalog_with(tmp_path, LINE), 0.000001)
    assert set(live.current.taxa) == {"9606"}
    catalog_with(tmp_path, LINE + "9605\tHomo\t\n")
    assert set(live.current.taxa) == {"9606", "9605"}
