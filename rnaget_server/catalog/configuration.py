"""The settings of the catalogue that the environment names, for the processes of a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rnaget_server.catalog.auth_file import read_auth
from rnaget_server.catalog.load import settings_in
from rnaget_server.settings import Settings, load_settings
from rnaget_server.storage.access import FileLimits


def configuration(**given: Any) -> Settings:
    """Return the settings: `given` over the environment over ``settings:`` of the catalogue over the defaults.

    Raises
    ------
    CatalogError
        If the catalogue has no valid ``catalog.yaml``, or the file that ``auth`` names is wrong.
    pydantic.ValidationError
        If a value in the environment is wrong.
    """
    settings, base = _without_files(**given)
    return settings.model_copy(update={"auth": read_auth(settings.auth, base)})


def auth_file(data: Path) -> Path | None:
    """Return the file that ``auth`` names for the catalogue in `data`; None if the settings are not in a file.

    Raises
    ------
    CatalogError, pydantic.ValidationError
        As `configuration` does.
    """
    settings, base = _without_files(data=data)
    return None if settings.auth.file is None else (base / settings.auth.file).absolute()


def _without_files(**given: Any) -> tuple[Settings, Path]:
    """Return the settings with ``auth`` as it was given, and the directory from which paths in it are meant."""
    data = load_settings(data=given.get("data")).data
    settings = load_settings(settings_in(data), **given)
    return settings, Path.cwd() if "RNAGET_AUTH" in os.environ else data


def file_limits(settings: Settings) -> FileLimits:
    """Return the bounds within which data files are read."""
    return FileLimits(
        settings.max_chunk_bytes, settings.max_column_bytes, settings.max_expansion, settings.min_free_bytes
    )
