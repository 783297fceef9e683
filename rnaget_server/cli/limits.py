"""The bounds within which commands read data files, and the processes by which they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration, file_limits
from rnaget_server.compute import Compute, open_compute
from rnaget_server.errors import CatalogError
from rnaget_server.settings import Settings, load_settings, settings_problem
from rnaget_server.shared_settings import LOCAL
from rnaget_server.storage.access import FileLimits
from rnaget_server.storage.places import is_mirror, shown


@dataclass(frozen=True)
class FileReading:
    """The bounds for data files, and what works on large ones."""

    limits: FileLimits
    compute: Compute


def limits_for(data: Path) -> FileLimits:
    """Return the bounds that the settings of a catalogue say; those of the environment if there is none yet.

    Raises
    ------
    click.ClickException
        If a setting is wrong.
    """
    return file_limits(_settings(data))


@contextlib.contextmanager
def compute_for(data: Path, given: str | None) -> Iterator[Compute]:
    """Give what works on large matrices: as it is given, or as the settings of a catalogue or the environment say.

    Imports into object storage are done by this process, since workers do not see the directory that stands for it.

    Raises
    ------
    click.ClickException
        If that is wrong.
    """
    if is_mirror(data):
        if given not in (None, LOCAL):
            raise click.ClickException(
                f"workers of {given} cannot write to {shown(data)}: import into a directory that all of them see, and "
                "`rnaget-server publish` that; or leave out --compute"
            )
        given = LOCAL
    with contextlib.closing(open_compute(_settings(data, compute=given).compute)) as compute:
        yield compute


def _settings(data: Path, **given: Any) -> Settings:
    """Return the settings of a catalogue; those of the environment if there is none yet."""
    try:
        try:
            return configuration(data=data, **given)
        except CatalogError:  # reported by what reads the catalogue
            return load_settings(data=data, **given)
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None


def settings_for(data: Path) -> Settings:
    """Return the settings of a catalogue.

    Raises
    ------
    click.ClickException
        If the catalogue or a setting is wrong.
    """
    try:
        return configuration(data=data, reload_seconds=0)
    except CatalogError as error:
        raise click.ClickException(f"the catalogue cannot be read:\n{error}") from None
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None
