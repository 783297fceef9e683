"""Lists of genes as people paste them: which features they mean, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.errors import ResultTooLarge
from rnaget_server.settings import Settings
from rnaget_server.slicing.cells import cells_of
from rnaget_server.slicing.gene_list import GeneList, find_genes, matrix_with_most
from rnaget_server.slicing.gene_lookup import find_gene
from tests.conftest import import_matrix, new_study
from tests.importers.sequences.annotated import run_import

GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=gene:ENSG00000000011;Name=AB1;version=5
chr1 x gene 22 36 . + . ID=gene-CD2;Name=CD2;gene=CD2;gene_synonym=OLD1,LFA-2
"""
VERSIONED = """id\tname\ts1\ts2
ENSG00000000011.4\tAB1\t1\t2
ENSG00000000012.7\tTWIN\t3\t4
ENSG00000000013.1\tTWIN\t5\t6
CD2\tCD2\t7\t8
HLA A\tHLA A\t9\t10
a,b\tC1orf7\t11\t12
"""
PLAIN = "id\ts1\nENSG00000000011\t1\nENSG00000000012\t3\nENSG00000000099\t1\n"


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    folder = tmp_path_factory.mktemp("list")
    data = folder / "data"
    new_study(data, "id: s\ngenome: g\n")
    run_import(data, {"chr1": "ACGT" * 10}, GENES)
    for name, text, *options in (("versioned", VERSIONED, "--feature-name", "name"), ("plain", PLAIN)):
        (folder / f"{name}.tsv").write_text(text)
        import_matrix(data, folder / f"{name}.tsv", "--id", name, "--units", "TPM", *options)
    return open_repository(Settings(data=data, reload_seconds=0)).visible_to()


def found(view: View, *lists: str, matrix: str = "versioned") -> GeneList:
    return find_genes(view, view.catalog.matrices[matrix], lists)


def ids(found: GeneList) -> list[str]:
    return [gene.id for gene in found.genes]


@pytest.mark.parametrize(
    "text", ["AB1,CD2", "AB1 CD2", "AB1\nCD2", "AB1\r\nCD2\r\n", " AB1\tCD2 ", ",,AB1;; CD2,AB1,", "ab1, Cd2"]
)
def test_any_separators_are_taken(view: View, text: str) -> None:
    assert ids(found(view, text)) == ["ENSG00000000011.4", "CD2"]
    assert not found(view, text).missing


def test_several_parameters_are_one_list_in_their_order(view: View) -> None:
    assert ids(found(view, "CD2", "AB1,CD2")) == ["CD2", "ENSG00000000011.4"]


@pytest.mark.parametrize(
    ("asked", "matrix", "id", "found_as"),
    [
        ("ENSG00000000011", "versioned", "ENSG00000000011.4", ""),
        ("ENSG00000000011.4", "versioned", "ENSG00000000011.4", ""),
        ("ENSG00000000011.9", "versioned", "ENSG00000000011.4", "ENSG00000000011.4"),
        ("ENSG00000000011.9", "plain", "ENSG00000000011", "ENSG00000000011"),
        ("ensg00000000011", "plain", "ENSG00000000011", ""),
        ("AB1", "plain", "ENSG00000000011", "ENSG00000000011"),
        ("LFA-2", "versioned", "CD2", "CD2"),
        ("old1", "versioned", "CD2", "CD2"),
    ],
)
def test_ids_with_and_without_version_and_names_of_the_genome(
    view: View, asked: str, matrix: str, id: str, found_as: str
) -> None:
    gene = found(view, asked, matrix=matrix).genes[0]
    assert (gene.asked, gene.id, gene.found_as) == (asked, id, found_as)


def test_a_name_with_a_blank_or_a_comma_is_taken_whole(view: View) -> None:
    assert ids(found(view, "AB1,HLA A,CD2")) == ["ENSG00000000011.4", "HLA A", "CD2"]
    assert ids(found(view, "a,b")) == ["a,b"]


def test_a_name_of_several_genes_shows_all_and_says_so(view: View) -> None:
    listed = found(view, "TWIN")
    assert ids(listed) == ["ENSG00000000012.7", "ENSG00000000013.1"]
    assert listed.ambiguous == {"TWIN": ["ENSG00000000012.7", "ENSG00000000013.1"]}


def test_what_is_not_found_is_named_with_what_is_like_it(view: View) -> None:
    listed = found(view, "CD2 c1orf8 <script>alert(1)</script>")
    assert ids(listed) == ["CD2"]
    assert listed.missing["c1orf8"] == ["C1orf7"]
    assert list(listed.missing) == ["c1orf8", "<script>alert(1)</script>"]


def test_the_matrix_with_most_of_the_genes(view: View) -> None:
    def best(text: str) -> str:
        matrix = matrix_with_most(view, [text])
        assert matrix is not None
        return matrix.id

    assert best("ENSG00000000011 ENSG00000000099") == "plain"
    assert best("ENSG00000000011 CD2") == "versioned"
    assert best("ENSG00000000011") == "versioned"
    assert best("nothing like it") == "versioned"


def test_too_many_are_refused(view: View) -> None:
    with pytest.raises(ResultTooLarge, match="501 genes are more than the 500 of one heat map"):
        found(view, "\n".join(f"g{number}" for number in range(501)))


def test_very_many_are_refused_before_they_are_looked_for(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.slicing.gene_list.NamedFeatures", None)
    with pytest.raises(ResultTooLarge, match="200,000 genes are more than the 500"):
        found(view, " ".join(["g"] * 200_000))


def test_a_matrix_whose_file_is_gone_is_passed_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    new_study(data)
    for name in ("gone", "here"):
        (tmp_path / "m.tsv").write_text("id\ts\nA\t1\n")
        import_matrix(data, tmp_path / "m.tsv", "--id", name, "--units", "TPM")
    (data / "p" / "s" / "gone.h5").unlink()
    view = open_repository(Settings(data=data, reload_seconds=0)).visible_to()
    matrix = matrix_with_most(view, ["A"])
    assert matrix is not None and matrix.id == "here"


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("AB1", "ENSG00000000011.4"),
        ("ab1", "ENSG00000000011.4"),
        ("ENSG00000000011", "ENSG00000000011.4"),
        ("ENSG00000000011.9", "ENSG00000000011.4"),
        ("ensg00000000011", "ENSG00000000011.4"),
        ("OLD1", "CD2"),
        ("c1ORF7", "a,b"),
    ],
)
def test_each_page_finds_the_same_feature(view: View, name: str, id: str) -> None:
    assert ids(found(view, name)) == [id]
    with cells_of(view, view.catalog.matrices["versioned"]) as cells:
        assert cells.gene(name, None).id == id
    gene = find_gene(view, name)
    assert gene is not None
    assert [row.feature for row in gene.occurrences if row.matrix.id == "versioned"] == [id]
