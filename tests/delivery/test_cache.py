"""The slice cache costs a reply nothing where no disk can be written to."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from rnaget_server.delivery.cache import SliceCache


def test_what_cannot_be_kept_is_sent_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "cache"
    cache = SliceCache(directory, 1 << 20)
    shutil.rmtree(directory)
    directory.write_bytes(b"")
    # Nor is there a place for temporary files.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    chunks = iter([b"one", b"two", b"three"])
    sent = b"".join(cache.tee("0" * 64, chunks, keep=True, add=True, is_current=lambda: True))
    assert sent == b"onetwothree"
    assert not cache.on
