"""The bytes of a file that is sent are those of one state of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rnaget_server.delivery.content import FileContent
from rnaget_server.storage.local import LocalFile

SIZE = 2 << 20


def test_bytes_of_two_states_are_never_mixed(tmp_path: Path) -> None:
    path = tmp_path / "track.bw"
    path.write_bytes(b"a" * SIZE)
    content = FileContent(LocalFile.open(path))
    pieces = content.read()
    assert set(next(pieces)) == {ord("a")}
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.write(b"b" * SIZE)
    with pytest.raises(OSError, match="written to"):
        list(pieces)
    content.close()


def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "track.bw"
    path.write_bytes(b"a" * SIZE)
    content = FileContent(LocalFile.open(path))
    pieces = content.read(5, SIZE - 5)
    first = next(pieces)
    path.with_suffix(".new").write_bytes(b"b" * SIZE)
    path.with_suffix(".new").replace(path)
    assert first + b"".join(pieces) == b"a" * (SIZE - 10)
    content.close()
