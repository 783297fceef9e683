"""Sequence collections 1.0: which sequences a genome is made of, and what two genomes share."""

BASE_PATH = "/seqcol"
EXAMPLE_BODY = '{"names": ["chr1"], "lengths": [8], "sequences": ["SQ.iYtREV555dUFKg2_agSJW6suquUyPpMw"]}'
