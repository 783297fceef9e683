"""The bounds within which commands read data files."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration, file_limits
from rnaget_server.errors import CatalogError
from rnaget_server.settings import load_settings, settings_problem
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
