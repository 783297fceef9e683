"""Digests that are made in threads, against hashlib's of all letters at once."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from rnaget_server.sequences.store import SequenceStore
from rnaget_server.sequences.write import SequenceWriter

SIZES = [1, 1 << 20, 5, 300 << 10, 1 << 18, 0, 3 << 20, 7]


@pytest.mark.parametrize("sizes", [SIZES, SIZES[::-1], [3], [2 << 20] * 9])
def test_digests_of_pieces_of_all_sizes(tmp_path: Path, sizes: list[int]) -> None:
    drawn = random.Random(len(sizes))
    pieces = [bytes(drawn.choices(b"ACGT", k=1000)) * (size // 1000) + b"N" * (size % 1000) for size in sizes]
    letters = b"".join(pieces)
    with SequenceWriter(tmp_path) as writer:
        writer.add([b"AC"])
        _, digests, length = writer.add(pieces)
    assert length == len(letters)
    assert digests.md5 == hashlib.md5(letters).hexdigest()
    assert digests.sha1 == hashlib.sha1(letters).hexdigest()
    assert digests.trunc512 == hashlib.sha512(letters).hexdigest()[:48]
    store = SequenceStore(tmp_path)
    found = store.find(digests.md5)
    assert found is not None and b"".join(store.read(found, 0, length)) == letters
    file, start = store.place(found)
    assert start == 2 and file.read_at_once(start + 1, 3) in (None, letters[1:4])
    assert file.read_at_once(start + length - 1, 2) is None
    store.close()


def test_threads_end_where_the_letters_cannot_be_read(tmp_path: Path) -> None:
    import threading

    def pieces():  # type: ignore[no-untyped-def]
        yield b"A" * (1 << 20)
        raise OSError("cut off")

    before = threading.active_count()
    with pytest.raises(OSError, match="cut off"), SequenceWriter(tmp_path) as writer:
        writer.add(pieces())
    assert threading.active_count() <= before
