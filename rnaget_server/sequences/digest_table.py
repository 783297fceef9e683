"""The digests of the sequences of a store in a file of their own, for a look-up by two short reads.

It holds, all numbers with the least significant byte first but for the sorted ones:

- the number of sequences, and of the bits by which digests are in groups;
- where each group begins, and the end of the last;
- the first four bytes of each MD5, SHA-1 and SHA-512 with the number of its sequence, sorted;
- for each sequence its digests, where its letters begin, how many there are, and whether it is circular.

What is found is compared with the whole digest. The file is read, not mapped; see `storage.local`.
"""

from __future__ import annotations

import os
import struct
from array import array
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np

from rnaget_server.sequences.digests import Digests, StoredSequence
from rnaget_server.storage.places import open_file

_HEAD = struct.Struct("<QQ")
_BYTES = {"md5": 16, "sha1": 20, "sha512": 24}
_ENTRY = np.dtype([("start", ">u4"), ("number", ">u4")])
_RECORD = np.dtype([("digests", "u1", sum(_BYTES.values())), ("ga4gh", "S35"), ("circular", "u1"), ("place", "<u8", 2)])
_UNPACK = struct.Struct("<60s35s?QQ").unpack
_GA4GH = "SQ."
_PREFIX = 4
_GROUP = 64
_MOST_BITS = 16
_ROWS = 4096
_DAMAGED = "the table of digests is damaged: import the genome again"
_PLAIN = bytes.maketrans(b"-_", b"+/")


class DigestTable:
    """The table in a file.

    Raises
    ------
    OSError
        If the file is not there, or shorter than it says.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_file(path)
        self.size = self._file.size
        """Number of bytes."""
        sequences, bits = _HEAD.unpack(self._file.read_kept(0, _HEAD.size))
        if bits > _MOST_BITS:
            raise OSError(_DAMAGED)
        self._shift = 8 * _PREFIX - bits
        groups = (1 << bits) + 1
        begins = np.frombuffer(self._file.read_kept(_HEAD.size, 4 * groups), "<u4").astype(np.uint32)
        if begins[0] or begins[-1] != len(_BYTES) * sequences or (begins[1:] < begins[:-1]).any():
            raise OSError(_DAMAGED)
        # Faster than an array of numpy where one number is wanted, and smaller than a list.
        self._begins = array("I", begins.tobytes())
        self._entries = _HEAD.size + 4 * groups
        self._records = self._entries + len(_BYTES) * _ENTRY.itemsize * sequences

    def find(self, id: str) -> StoredSequence | None:
        """Return the sequence that has a digest, which is in the form of `Digests`.

        Raises
        ------
        OSError
            If the file is cut off.
        """
        if id[:3] == _GA4GH:
            prefix = a2b_base64(id[3:11].encode().translate(_PLAIN))[:_PREFIX]
        else:
            prefix = bytes.fromhex(id[: 2 * _PREFIX])
        group = int.from_bytes(prefix, "big") >> self._shift
        first, last = self._begins[group], self._begins[group + 1]
        entries = self._file.read_kept(self._entries + _ENTRY.itemsize * first, _ENTRY.itemsize * (last - first))
        at = entries.find(prefix)
        while at >= 0:
            if at % _ENTRY.itemsize == 0:
                sequence = self.read(int.from_bytes(entries[at + _PREFIX : at + _ENTRY.itemsize], "big"))
                if id in sequence.digests:
                    return sequence
            at = entries.find(prefix, at + 1)
        return None

    def read(self, number: int) -> StoredSequence:
        """Return a sequence by its number; for the errors see `find`."""
        data = self._file.read_kept(self._records + _RECORD.itemsize * number, _RECORD.itemsize)
        all_digests, ga4gh, circular, start, length = _UNPACK(data)
        text = all_digests.hex()
        digests = Digests(text[:32], text[32:72], text[72:], ga4gh.decode("latin-1"))
        return StoredSequence(number, digests, start, length, circular)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_digest_table(path: Path, sequences: int, rows: Iterable[tuple[Any, ...]]) -> int:
    """Write the table into a new file, and return its size.

    Parameters
    ----------
    path
        The file.
    sequences
        How many there are.
    rows
        The four digests, start, length and circularity of each, in the order of their numbers.
    """
    bits = min(_MOST_BITS, max(0, (len(_BYTES) * sequences // _GROUP).bit_length()))
    groups = (1 << bits) + 1
    entries = np.empty((sequences, len(_BYTES)), _ENTRY)
    entries["number"] = np.arange(sequences)[:, None]
    with path.open("wb") as file:
        file.seek(_HEAD.size + 4 * groups + entries.nbytes)
        done = 0
        for records in _records(rows):
            for column, begin in enumerate(accumulate([0, *_BYTES.values()][:-1])):
                prefix = np.ascontiguousarray(records["digests"][:, begin : begin + _PREFIX])
                entries["start"][done : done + len(records), column] = prefix.view(">u4")[:, 0]
            done += len(records)
            file.write(records.tobytes())
        ordered = entries.ravel()
        # Of the same digests of several sequences, which only an attack on MD5 can make, the first is found.
        ordered = ordered[np.argsort(ordered["start"].astype(np.uint32), kind="stable")]
        starts = np.arange(groups, dtype=np.uint64) << np.uint64(8 * _PREFIX - bits)
        begins = np.searchsorted(ordered["start"].astype(np.uint64), starts)
        size = file.tell()
        file.seek(0)
        file.write(_HEAD.pack(sequences, bits) + begins.astype("<u4").tobytes() + ordered.tobytes())
        file.flush()
        os.fsync(file.fileno())
    return size


def _records(rows: Iterable[tuple[Any, ...]]) -> Iterator[np.ndarray[Any, Any]]:
    left = iter(rows)
    while some := list(islice(left, _ROWS)):
        records = np.zeros(len(some), _RECORD)
        letters = bytes.fromhex("".join("".join(row[:3]) for row in some))
        records["digests"] = np.frombuffer(letters, np.uint8).reshape(len(some), -1)
        records["ga4gh"] = [row[3] for row in some]
        records["place"] = [row[4:6] for row in some]
        records["circular"] = [row[6] for row in some]
        yield records
