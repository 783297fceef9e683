"""A checked file gives what was written to it, or says that it does not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter, DamagedFileError


def write(path: Path, parts: list[bytes], piece: int) -> bytes:
    with path.open("wb") as file:
        writer = CheckedWriter(file, piece)
        for part in parts:
            writer.write(part)
        writer.finish()
    return b"".join(parts)


def read(path: Path, piece: int, start: int = 0, stop: int | None = None) -> bytes:
    file = CheckedFile(path.open("rb"), piece)
    try:
        return b"".join(file.read(start, stop))
    finally:
        file.close()


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30), st.data())
def test_any_part_is_what_was_written(tmp_path_factory, parts: list[bytes], piece: int, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "checked"
    whole = write(path, parts, piece)
    assert read(path, piece) == whole
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert read(path, piece, start, stop) == whole[start:stop]


@given(st.binary(min_size=1, max_size=100), st.integers(1, 30), st.data())
def test_any_flipped_bit_is_found(tmp_path_factory, content: bytes, piece: int, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped"
    write(path, [content], piece)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    with pytest.raises(DamagedFileError):
        read(path, piece)


@pytest.mark.parametrize("change", [lambda raw: b"", lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: raw[1:]])
def test_another_length_is_found_at_opening(tmp_path: Path, change) -> None:
    path = tmp_path / "cut"
    write(path, [b"0123456789"], 4)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFileError):
        CheckedFile(path.open("rb"), 4)


def test_a_part_is_read_though_another_piece_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "partly"
    write(path, [b"0123456789"], 4)
    raw = bytearray(path.read_bytes())
    raw[9] ^= 1
    path.write_bytes(raw)
    assert read(path, 4, 1, 7) == b"123456"
    with pytest.raises(DamagedFileError):
        read(path, 4, 1, 9)


def test_what_is_written_is_plain_first(tmp_path: Path) -> None:
    file = io.BytesIO()
    CheckedWriter(file).write(b"data")
    assert file.getvalue() == b"data"
