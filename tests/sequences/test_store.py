"""Sequences that were written are found by every id and read as they were, also over the end of a circular one."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.sequences.digests import digest_of
from rnaget_server.sequences.store import Alias, SequenceStore
from rnaget_server.sequences.write import SequenceWriter

LETTERS = st.text("ACGTN*", min_size=1, max_size=300)


def write(directory: Path, sequences: dict[str, str], circular: str = "") -> SequenceStore:
    with SequenceWriter(directory) as writer:
        for name, letters in sequences.items():
            number, _, length = writer.add([letters[:7].encode(), letters[7:].encode()], name == circular)
            assert length == len(letters)
            writer.add_member(name, number)
            writer.add_alias(Alias("lab", name), number)
    return SequenceStore(directory)


@given(sequences=st.dictionaries(st.text("abc123", min_size=1, max_size=8), LETTERS, min_size=1, max_size=5))
def test_every_id_finds_its_letters(sequences: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("store")
    store = write(directory, sequences)
    for name, letters in sequences.items():
        data = letters.encode()
        truncated = hashlib.sha512(data).digest()[:24]
        ids = (
            *(hashlib.md5(data).hexdigest(), hashlib.sha1(data).hexdigest(), truncated.hex()),
            *("SQ." + base64.urlsafe_b64encode(truncated).decode(), name, f"lab:{name}"),
        )
        for id in ids:
            found = store.find(id)
            assert found is not None
            assert b"".join(store.read(found, 0, found.length)) == data
        assert Alias("lab", name) in store.aliases(found)
    assert (directory / "letters").stat().st_size == sum(map(len, set(sequences.values())))


@given(letters=LETTERS, data=st.data())
def test_a_circular_sequence_goes_on_at_its_beginning(
    letters: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = write(tmp_path_factory.mktemp("store"), {"ring": letters}, "ring")
    ring = store.member("ring")
    assert ring is not None and ring.circular
    start = data.draw(st.integers(0, len(letters) - 1))
    stop = data.draw(st.integers(0, len(letters)))
    read = b"".join(store.read(ring, start, stop)).decode()
    assert read == (letters[start:stop] if start <= stop else letters[start:] + letters[:stop])


def test_the_collection_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    store = write(tmp_path, {"b": "ACGT", "a": "TT", "c": "ACGT"})
    attributes = store.collection().attributes
    assert attributes["names"] == ["b", "a", "c"]
    assert attributes["lengths"] == [4, 2, 4]
    assert attributes["sequences"][0] == attributes["sequences"][2] == "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
    assert store.collection().digests["lengths"] == digest_of([4, 2, 4])


@pytest.mark.parametrize("most, held", [(3, True), (2, False)])
def test_attributes_of_many_sequences_are_not_held(
    most: int, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnaget_server.sequences.store.MOST_KEPT", most)
    store = write(tmp_path, {"b": "ACGT", "a": "TT", "c": "ACGT"})
    first, second = store.collection(), store.collection()
    assert (first.attributes is second.attributes) is held
    assert first.attributes == second.attributes
    assert first == second


def test_what_is_said_of_a_genome_needs_no_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write(tmp_path, {"b": "ACGT", "a": "TT", "c": "ACGT"})
    digest = store.collection().digest
    store.close()
    monkeypatch.setattr("rnaget_server.sequences.store.attributes_of_members", None)
    store = SequenceStore(tmp_path)
    assert (store.digest(), store.number_of_sequences(), store.length()) == (digest, 3, 10)


def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    store = write(tmp_path, {"a": "ACGT" * 100})
    found = store.find("a")
    assert found is not None
    with (tmp_path / "letters").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(OSError, match="shorter"):
        list(store.read(found, 0, found.length))
    with pytest.raises(OSError, match="not that of the index"):
        SequenceStore(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_another_file_is_no_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "letters").write_bytes(b"A")
    (tmp_path / "index").write_bytes(content)
    with pytest.raises(OSError, match="store of sequences"):
        SequenceStore(tmp_path)


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a": "ACGT"}).close()
    with sqlite3.connect(tmp_path / "index") as index:
        index.execute("UPDATE facts SET value = '0' WHERE name = 'version'")
    with pytest.raises(OSError, match="another version"):
        SequenceStore(tmp_path)
