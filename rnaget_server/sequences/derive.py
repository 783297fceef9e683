"""Sequences that follow from others: the opposite strand, and proteins by NCBI's genetic codes."""

from __future__ import annotations

from functools import cache
from itertools import product

_LETTERS = "TCAG"
_STANDARD = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
# Each code as far as it differs from the standard one, and the codons that begin a protein by it.
# https://www.ncbi.nlm.nih.gov/Taxonomy/Utils/wprintgc.cgi
_CODES = {
    1: ("", "TTG CTG ATG"),
    2: ("TGAW ATAM AGA* AGG*", "ATT ATC ATA ATG GTG"),
    3: ("TGAW CTTT CTCT CTAT CTGT ATAM", "ATA ATG GTG"),
    4: ("TGAW", "TTA TTG CTG ATT ATC ATA ATG GTG"),
    5: ("TGAW ATAM AGAS AGGS", "TTG ATT ATC ATA ATG GTG"),
    6: ("TAAQ TAGQ", "ATG"),
    9: ("TGAW AAAN AGAS AGGS", "ATG GTG"),
    10: ("TGAC", "ATG"),
    11: ("", "TTG CTG ATT ATC ATA ATG GTG"),
    12: ("CTGS", "CTG ATG"),
    13: ("TGAW ATAM AGAG AGGG", "TTG ATA ATG GTG"),
    14: ("TAAY TGAW AAAN AGAS AGGS", "ATG"),
    15: ("TAGQ", "ATG"),
    16: ("TAGL", "ATG"),
    21: ("TGAW ATAM AAAN AGAS AGGS", "ATG GTG"),
    22: ("TCA* TAGL", "ATG"),
    23: ("TTA*", "ATT ATG GTG"),
    24: ("TGAW AGAS AGGK", "TTG CTG ATG GTG"),
    25: ("TGAG", "TTG ATG GTG"),
    26: ("CTGA", "CTG ATG"),
    29: ("TAAY TAGY", "ATG"),
    30: ("TAAE TAGE", "ATG"),
    32: ("TAGW", "TTG CTG ATT ATC ATA ATG GTG"),
    33: ("TAAY TGAW AGAS AGGK", "TTG CTG ATG GTG"),
}
CODES = tuple(_CODES)
"""The numbers of the genetic codes. Those in which a codon both ends a protein and does not are left out."""

# Letters that stand for several, by IUPAC.
_BASES = {
    **{"A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT"},
    **{"M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT", "X": "ACGT"},
}
# The bits of each letter as the first, second and third of a codon, by its place in `_LETTERS`; the top bit of others.
_SEVERAL = 0x80
_EVERY_LETTER = "".join(map(chr, range(256))).replace("U", "T")
_BITS = tuple(
    bytes(_LETTERS.index(letter) << shift if letter in _LETTERS else _SEVERAL for letter in _EVERY_LETTER)
    for shift in (4, 2, 0)
)
NUCLEOTIDES = "".join(_BASES).encode()
_COMPLEMENT = bytes.maketrans(b"ACGTURYKMBVDH", b"TGCAAYRMKVBHD")
_EITHER = {frozenset("DN"): "B", frozenset("EQ"): "Z", frozenset("IL"): "J"}
_ANY = "X"


def reverse_complement(letters: bytes) -> bytes:
    """Return the opposite strand."""
    return letters.translate(_COMPLEMENT)[::-1]


def translate(letters: bytes, code: int) -> str:
    """Return the amino acids of a coding sequence, ``*`` where it stops; a codon that is cut off at the end is none."""
    whole = letters[: len(letters) - len(letters) % 3]
    first, second, third = (int.from_bytes(whole[at::3].translate(bits)) for at, bits in enumerate(_BITS))
    aminos = bytearray((first | second | third).to_bytes(len(whole) // 3).translate(_aminos(code)))
    at = aminos.find(_SEVERAL)
    while at >= 0:
        aminos[at] = ord(_ambiguous(whole[3 * at : 3 * at + 3].decode("ascii"), code))
        at = aminos.find(_SEVERAL, at + 1)
    return aminos.decode("ascii")


def begins_protein(codon: bytes, code: int) -> bool:
    """Return whether a codon can be the first of a protein, which then begins with methionine."""
    return codon.decode("ascii").replace("U", "T") in _CODES[code][1].split()


@cache
def _aminos(code: int) -> bytes:
    """Return for each number of a codon its amino acid, `_SEVERAL` for those of letters that stand for several."""
    return "".join(_table(code).values()).encode().ljust(256, bytes([_SEVERAL]))


@cache
def _table(code: int) -> dict[str, str]:
    table = {"".join(codon): amino for codon, amino in zip(product(_LETTERS, repeat=3), _STANDARD, strict=True)}
    table |= {change[:3]: change[3] for change in _CODES[code][0].split()}
    return table


@cache
def _ambiguous(codon: str, code: int) -> str:
    """Return the amino acid of a codon with letters that stand for several bases; X where it may be one of several."""
    table = _table(code)
    bases = [_BASES.get(letter, "ACGT") for letter in codon]
    aminos = frozenset(table["".join(exact)] for exact in product(*bases))
    return next(iter(aminos)) if len(aminos) == 1 else _EITHER.get(aminos, _ANY)
