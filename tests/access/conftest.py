"""The marked catalogue, and a client of its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.access.marked import Client, write_catalogue


@pytest.fixture(scope="package")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the catalogue; not to be changed."""
    data = tmp_path_factory.mktemp("access") / "data"
    write_catalogue(data)
    return data


@pytest.fixture(scope="package")
def client(marked: Path) -> Iterator[Client]:
    """A client of a server that sends nothing within tickets."""
    with Client(create_app(Settings(data=marked, reload_seconds=60, max_inline_bytes=0))) as client:
        yield client
