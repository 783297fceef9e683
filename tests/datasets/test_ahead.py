"""Checksums before anybody asks: by one process for all, also of what comes later."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from rnaget_server.datasets import ahead
from rnaget_server.datasets.checksums import Checksums
from rnaget_server.datasets.files import OfferedFiles
from rnaget_server.datasets.repository import open_repository
from rnaget_server.settings import Settings
from tests.apis.files.offered import make_study


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_first_report_has_the_checksums_of_large_files(serve: Callable[..., str], tmp_path: Path) -> None:
    make_study(tmp_path / "data")
    large, size = tmp_path / "data" / "p" / "s" / "m.h5ad", (256 << 20) + 1
    with large.open("wb") as file:
        file.truncate(size)
    root = serve(tmp_path / "data", workers=2, RNAGET_CACHE_DIRECTORY=str(tmp_path / "cache"))
    kept = Checksums(tmp_path / "cache" / "checksums")
    wait_for(lambda: kept.known(large, large.stat()) is not None)
    report = requests.get(f"{root}/files?study=s&kind=matrix").json()
    assert report["pending"] == 0 and report["files"][0]["md5"] == hashlib.md5(bytes(size)).hexdigest()


def test_what_the_catalogue_has_later_and_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_LOOKS_EVERY", 0.02)
    content = make_study(tmp_path / "data")
    studies = tmp_path / "data" / "p" / "s"
    (studies / "r.bam").unlink()
    repository = open_repository(Settings(data=tmp_path / "data", cache_directory=tmp_path / "cache"))
    files = OfferedFiles(repository.live.current, repository.offer)
    found: list[OfferedFiles] = [files]

    def current() -> OfferedFiles:
        if not found:
            raise SystemExit  # ends the thread
        return found[0]

    def known(name: str) -> bool:
        return files.offer.checksums.known(studies / name, (studies / name).stat()) is not None

    ahead.compute_ahead(current)
    try:
        wait_for(lambda: all(known(name) for name in content if name != "r.bam"))
        (studies / "r.bam").write_bytes(b"back again")
        found[0] = replace(files, catalog=replace(files.catalog))
        wait_for(lambda: known("r.bam"))
    finally:
        found.clear()


def test_one_process_does_it_until_it_ends(tmp_path: Path) -> None:
    first, second = Checksums(tmp_path / "kept"), Checksums(tmp_path / "kept")
    with first.ahead() as is_first, second.ahead() as is_second:
        assert (is_first, is_second) == (True, False)
    with second.ahead() as is_second:
        assert is_second
    # Each process would read all files for itself.
    (tmp_path / "damaged").mkdir(mode=0o700)
    (tmp_path / "damaged" / "sums.sqlite").write_bytes(b"no database" * 1000)
    for directory in (None, tmp_path / "damaged", tmp_path / "damaged" / "sums.sqlite" / "below"):
        with Checksums(directory).ahead() as is_alone:
            assert not is_alone
