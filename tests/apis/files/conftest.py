"""A catalogue of files, and a client of a server that offers them; DRS has the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.apis.files.offered import make_study
from tests.conftest import client_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def content(data: Path) -> dict[str, bytes]:
    return make_study(data)


@pytest.fixture
def client(content: dict[str, bytes], data: Path, tmp_path: Path) -> Iterator[TestClient]:
    yield from client_of(data, cache_directory=tmp_path / "cache", reload_seconds=0.05)
