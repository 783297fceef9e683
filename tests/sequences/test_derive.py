"""Proteins and opposite strands are those of Biopython, by every genetic code."""

from __future__ import annotations

from itertools import product

import pytest
from Bio.Data import CodonTable
from Bio.Data.IUPACData import ambiguous_dna_letters
from Bio.Seq import Seq

from rnaget_server.sequences.derive import CODES, begins_protein, reverse_complement, translate

CODONS = list(map("".join, product("ACGT", repeat=3)))


@pytest.mark.parametrize("code", CODES)
def test_genetic_codes(code: int) -> None:
    letters = "".join(CODONS)
    assert translate(letters.encode(), code) == str(Seq(letters).translate(table=code))
    starts = set(CodonTable.unambiguous_dna_by_id[code].start_codons)
    assert {codon for codon in CODONS if begins_protein(codon.encode(), code)} == starts


@pytest.mark.parametrize("code", [1, 2, 3])
def test_letters_that_stand_for_several_bases(code: int) -> None:
    for codon in map("".join, product(ambiguous_dna_letters, repeat=3)):
        try:
            expected = str(Seq(codon).translate(table=code))
        except CodonTable.TranslationError:
            expected = "X"
        assert translate(codon.encode(), code) == expected, codon


def test_rna_is_translated_as_dna() -> None:
    assert translate(b"AUGUGGUAA", 1) == "MW*"
    assert translate(b"ATGTG", 1) == "M"


def test_reverse_complement() -> None:
    letters = ambiguous_dna_letters
    assert reverse_complement(letters.encode()).decode() == str(Seq(letters).reverse_complement())
