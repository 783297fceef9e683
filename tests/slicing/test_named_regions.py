"""Regions as people write them."""

from __future__ import annotations

import pytest

from rnaget_server.errors import InvalidQuery, UnknownId
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.slicing.named_regions import NamedRegion, find_region, parse_region, sequence_names
from tests.importers.sequences.annotated import store_of
from tests.pages.tracked import GENES, LETTERS

SIZES = {"chr1": 10_000, "chrM": 16_569, "HLA-A*01:01": 3_000, "short": 40}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> SequenceStore:
    return store_of(tmp_path_factory.mktemp("genome") / "data", {"chr1": LETTERS}, GENES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr1:1001-2000", NamedRegion("chr1", 1000, 2000)),
        ("chr1:1,001-2,000", NamedRegion("chr1", 1000, 2000)),
        ("1:1001-2000", NamedRegion("chr1", 1000, 2000)),
        ("MT:1-16569", NamedRegion("chrM", 0, 16_569)),
        ("chr1:9001-99999", NamedRegion("chr1", 9000, 10_000)),
        ("chr1", NamedRegion("chr1", 0, 10_000)),
        ("HLA-A*01:01", NamedRegion("HLA-A*01:01", 0, 3_000)),
        ("HLA-A*01:01:101-300", NamedRegion("HLA-A*01:01", 100, 300)),
        ("chr1:5000", NamedRegion("chr1", 4949, 5049)),
        ("chr1:1-2", NamedRegion("chr1", 0, 100)),
        ("chr1:10000", NamedRegion("chr1", 9900, 10_000)),
        ("short:7", NamedRegion("short", 0, 40)),
        ("BRCA1", None),
    ],
)
def test_regions_are_counted_from_one_with_both_ends(text: str, expected: NamedRegion | None) -> None:
    assert parse_region(text, SIZES) == expected
    if expected is not None:
        assert parse_region(str(expected), SIZES) == expected


@pytest.mark.parametrize(
    "text", ["chr1:0-10", "chr1:20-10", "chr1:10001-10002", "chr1:a-b", "chr1:", "chr1:-5", "chr1:,"]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery, match=r"region|beyond"):
        parse_region(text, SIZES)


def test_an_unknown_chromosome_is_refused_with_one_that_is_like_it() -> None:
    with pytest.raises(UnknownId, match="chr1"):
        parse_region("chr11:1-10", SIZES)


def test_genes_are_found_by_any_name_with_their_surroundings(genome: SequenceStore) -> None:
    sizes = {"1": len(LETTERS), "2": 500}
    names = sequence_names(genome, sizes, True)
    assert names == {"1": "chr1"}
    for text in ("ABC1", "abc1", "G1", "T1", "P1"):
        assert find_region(text, sizes, genome, names) == NamedRegion("1", 800, 3200, "ABC1")
    assert find_region("ABC2", sizes, genome, names) == NamedRegion("1", 4900, 5500, "ABC2")
    assert find_region("chr2", sizes, genome, names) == NamedRegion("2", 0, 500)
    with pytest.raises(UnknownId, match="did you mean ABC1"):
        find_region("ABC11", sizes, genome, names)
    with pytest.raises(UnknownId, match="genes are not known here"):
        find_region("ABC1", sizes, None, {})
    with pytest.raises(UnknownId, match="on no chromosome that has data"):
        find_region("ABC1", sizes, genome, {})


def test_chromosomes_of_another_length_are_of_another_genome(genome: SequenceStore) -> None:
    assert sequence_names(genome, {"chr1": len(LETTERS) - 1}, True) == {}
    assert sequence_names(genome, {"chr1": len(LETTERS) - 1}, False) == {"chr1": "chr1"}
    assert sequence_names(genome, {"chr1": len(LETTERS) + 1}, False) == {}
