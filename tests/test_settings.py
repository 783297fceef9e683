from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from rnaget_server.catalog.configuration import file_limits
from rnaget_server.cli.server import main
from rnaget_server.settings import Settings, load_settings
from rnaget_server.shared_settings import Environment
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable, chunk_shape
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse
from rnaget_server.testing.matrices import InMemorySparse


def test_environment_goes_over_file_and_options_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    in_file = {"port": "1000", "workers": "3", "switched_off": ["projects"]}
    monkeypatch.setenv("RNAGET_PORT", "2000")
    settings = load_settings(in_file)
    assert (settings.port, settings.workers, settings.switched_off) == (2000, 3, ("projects",))
    assert load_settings(in_file, port=3000).port == 3000
    assert load_settings(in_file, port=None).port == 2000
    monkeypatch.setenv("RNAGET_SWITCHED_OFF", "studies, continuous")
    assert load_settings(in_file).switched_off == ("studies", "continuous")


def test_the_environment_is_what_pydantic_finds_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(Settings.model_fields):
        monkeypatch.setenv(f"{('RNAGET_', 'Rnaget_')[number % 2]}{name.upper()}", ("", "1", '["a", "b"]')[number % 3])
    monkeypatch.setenv("RNAGET_OTHER", "1")
    found = Environment(Settings)()
    assert found == EnvSettingsSource(Settings)()
    assert found.keys() == Settings.model_fields.keys()


def test_addresses_lose_their_last_slash() -> None:
    assert load_settings({"public_url": "https://x.example/"}).public_url == "https://x.example"


def test_keys_of_tickets_are_long_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_TICKET_KEYS", "the first long key, the second long key")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.ticket_keys] == ["the first long key", "the second long key"]
    assert "long key" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    monkeypatch.setenv("RNAGET_TICKET_KEYS", "the first long key,short secret")
    with pytest.raises(ValidationError, match="at least 16 characters") as error:
        load_settings()
    assert "secret" not in str(error.value)


def test_a_key_that_is_too_short_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_TICKET_KEYS", "short secret")
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 1
    assert "ticket_keys" in result.output and "secret" not in result.output


def test_the_cache_is_each_users_own_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNAGET_CACHE_DIRECTORY")
    assert load_settings().cache_directory == Path(tempfile.gettempdir()) / f"rnaget-{os.getuid()}"
    assert load_settings({"cache_directory": "cache"}).cache_directory == Path.cwd() / "cache"


def test_chunks_of_an_import_have_as_many_bytes_as_the_docs_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNAGET_MAX_CHUNK_BYTES", str(512 << 10))
    limits = file_limits(load_settings())
    values = np.arange(1 << 17, dtype=np.float64) + (1 << 25)
    ids = {"gene": ["a"], "sample": [f"s{number}" for number in range(len(values))]}
    axes = [AxisTable(name, {name: np.array(texts, object)}) for name, texts in ids.items()]
    stored = InMemorySparse(values[np.newaxis])
    write_sparse(tmp_path / "m.h5", *axes, [SparseLayerSource("counts", stored, values.dtype, True)])
    store = NativeSparseStore(tmp_path / "m.h5", access=FileAccess(limits))
    assert np.array_equal(np.concatenate([*store.blocks("counts")]), values[np.newaxis])
    with pytest.raises(OSError, match="chunks of 524,288 bytes"):
        NativeSparseStore(tmp_path / "m.h5", access=FileAccess(replace(limits, chunk_bytes=limits.chunk_bytes - 1)))
    widest = (chunk_shape(1_000_000, columns, 8) for columns in (1, 50, 20_000, 100_000, 1_000_000))
    assert max(rows * columns * 8 for rows, columns in widest) < limits.chunk_bytes
