"""The check of a whole store of sequences: every letter is read, and every digest made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from rnaget_server.sequences.digests import SequenceHash, StoredSequence
from rnaget_server.sequences.parts import INDEX
from rnaget_server.sequences.store import MEMBERS, SequenceStore, digest_of_members
from rnaget_server.storage.places import local_path

_MOST_NAMED = 3


def verify(directory: Path) -> list[str]:
    """Return what is wrong with the store in a directory; empty if all of it is as it was written.

    Raises
    ------
    OSError
        If the directory holds no such store, or its files cannot be read.
    """
    with closing(SequenceStore(directory)) as store:
        path = local_path(directory / INDEX).absolute().as_uri()
        try:
            with closing(sqlite3.connect(f"{path}?mode=ro&immutable=1", uri=True)) as index:
                found = [row[0] for row in index.execute("PRAGMA quick_check(1)")]
                if found != ["ok"]:
                    return [f"the index is damaged ({found[0]}): import the genome again"]
                digest = digest_of_members(index.execute(MEMBERS))
        except sqlite3.Error as error:
            raise OSError(f"the store of sequences is damaged: {error}") from None
        problems = []
        if digest != store.digest():
            problems.append("the digest of the collection is not that of its sequences: import the genome again")
        if any(store.find(id) != sequence for sequence in store.sequences() for id in sequence.digests):
            problems.append("the table of digests is not that of the index: import the genome again")
        damaged = [
            sequence.digests.ga4gh for sequence, letters in store.read_each() if not _is_whole(sequence, letters)
        ]
    if damaged:
        named = ", ".join(damaged[:_MOST_NAMED])
        more = f" and {len(damaged) - _MOST_NAMED:,} more" if len(damaged) > _MOST_NAMED else ""
        problems.append(f"the letters of {named}{more} are not those of their digests: import the genome again")
    return problems


def _is_whole(sequence: StoredSequence, letters: Iterable[bytes]) -> bool:
    hashed = SequenceHash()
    for piece in letters:
        hashed.update(piece)
    return hashed.digests() == sequence.digests
