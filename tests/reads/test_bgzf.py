"""The blocks that are made hold the bytes they were made of."""

from __future__ import annotations

import gzip
import random

from rnaget_server.reads.bgzf import END_MARKER, compressed


def test_blocks_hold_the_bytes() -> None:
    draw = random.Random(3)
    for _ in range(20):
        part = bytes(draw.choices(b"ACGT\x00\x01\x10\xff", k=draw.randrange(90_000)))
        text = part + part[::2] + draw.randbytes(draw.randrange(100_000))
        assert gzip.decompress(compressed(text) + END_MARKER) == text
