"""The table of digests finds what the index finds, and one that is damaged is an error, or named by the check."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from rnaget_server.sequences.digests import StoredSequence
from rnaget_server.sequences.store import Alias, SequenceStore
from rnaget_server.sequences.verify import verify
from rnaget_server.sequences.write import SequenceWriter

MANY = 300


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of so many sequences that digests are in several groups, with an alias each, and one that two have."""
    directory = tmp_path_factory.mktemp("store")
    with SequenceWriter(directory) as writer:
        for number in range(MANY):
            letters = f"{number:b}".replace("0", "A").replace("1", "C")
            writer.add([letters.encode()], circular=number % 7 == 0)
            writer.add_alias(Alias("lab", f"name{number}"), number)
            writer.add_alias(Alias(f"lab{number % 2}", "both"), number % 2)
    return directory


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    return shutil.copytree(directory, tmp_path / "copied")


def sequences_of(directory: Path) -> list[StoredSequence]:
    with sqlite3.connect(directory / "index") as index:
        index.execute("DELETE FROM facts WHERE name = 'digests'")
    index.close()
    return list(SequenceStore(directory).sequences())


def test_every_id_finds_what_the_index_finds(directory: Path, copied: Path) -> None:
    """As in stores that were written before there was a table."""
    expected = sequences_of(copied)
    old, new = SequenceStore(copied), SequenceStore(directory)
    assert len(expected) == MANY and any(sequence.circular for sequence in expected)
    for number, sequence in enumerate(expected):
        for id in (*sequence.digests, f"name{number}", f"lab:name{number}"):
            assert new.find(id) == old.find(id) == sequence
    digests = expected[5].digests
    ga4gh, md5 = digests.ga4gh, digests.md5
    # The first begin as one that is there.
    almost = (ga4gh[:-1] + "!", f"{ga4gh[:-2]}__", f"{md5[:-1]}{'0' if md5[-1] != '0' else '1'}", digests.sha1[:32])
    for unknown in (*almost, md5.upper(), "SQ.", "", "0" * 32, "f" * 48, "both", "é" * 32, "SQ." + "é" * 32):
        assert new.find(unknown) is old.find(unknown) is None, unknown
    assert new.is_ambiguous("both")


@pytest.mark.parametrize("size", [0, 10, 100, 5_000])
def test_a_table_that_is_cut_off_is_refused(copied: Path, size: int) -> None:
    store = SequenceStore(copied)
    md5 = next(store.sequences()).digests.md5
    with (copied / "digests").open("r+b") as file:
        file.truncate(size)
    with pytest.raises(OSError, match="shorter"):
        [store.find(md5), store.find("0" * 32)]
        store.find(list(store.sequences())[-1].digests.md5)
    with pytest.raises(OSError, match=r"cut off|damaged|not that of the index"):
        SequenceStore(copied)


def test_a_table_with_a_changed_byte_is_named_by_the_check(copied: Path) -> None:
    assert verify(copied) == []
    data = bytearray((copied / "digests").read_bytes())
    data[-1] ^= 1
    (copied / "digests").write_bytes(data)
    assert verify(copied) == ["the table of digests is not that of the index: import the genome again"]


def test_a_table_whose_groups_are_in_disorder_is_refused(copied: Path) -> None:
    data = bytearray((copied / "digests").read_bytes())
    data[19] = 255
    (copied / "digests").write_bytes(data)
    with pytest.raises(OSError, match="damaged"):
        SequenceStore(copied)
