from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.settings import Settings
from tests.slicing.summaries.reference import write_example


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pd.DataFrame]]:
    """The directory of a catalogue and the cells in it."""
    data = tmp_path_factory.mktemp("example")
    return data, write_example(data)


@pytest.fixture(scope="module")
def frames(example: tuple[Path, dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    return example[1]


@pytest.fixture(scope="module")
def view(example: tuple[Path, dict[str, pd.DataFrame]]) -> View:
    """A server of it that keeps nothing on disk."""
    return open_repository(Settings(data=example[0], reload_seconds=0, cache_bytes=0)).visible_to()
