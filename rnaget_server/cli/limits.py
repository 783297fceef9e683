"""The bounds within which commands read data files."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration, file_limits
from rnaget_server.errors import CatalogError
from rnaget_server.settings import Settings, load_settings, settings_problem
from rnaget_server.storage.access import FileLimits


def limits_for(data: Path) -> FileLimits:
    """Return the bounds that the settings of a catalogue say; those of the environment if there is none yet.

    Raises
    ------
    click.ClickException
        If a setting is wrong.
    """
    try:
        try:
            return file_limits(configuration(data=data))
        except CatalogError:  # reported by what reads the catalogue
            return file_limits(load_settings(data=data))
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
