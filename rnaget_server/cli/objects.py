"""Catalogues in object storage, for the commands: the directories that stand for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from rnaget_server.catalog.object_storage import changing, directory_of
from rnaget_server.settings import settings_problem
from rnaget_server.storage.places import is_url, url_of

if TYPE_CHECKING:
    from rnaget_server.storage.objects.publishing import Outcome


def is_object_url(data: Path | str) -> bool:
    """Return whether what was given is a catalogue in object storage; one in a directory is given by its path."""
    text = str(data)
    return is_url(text) and not text.lower().startswith("file:")


def mirrored(data: Path) -> Path:
    """Return the directory that stands for a catalogue in object storage.

    Raises
    ------
    click.ClickException
        If it cannot be had.
    """
    with as_failures():
        directory = directory_of(str(data))
        if not (directory / "catalog.yaml").exists():
            raise click.ClickException(
                f"there is no catalog.yaml in {url_of(str(data))}: copy a catalogue there by `rnaget-server publish "
                "DIRECTORY URL`; if that was broken off, give it again"
            )
    return directory


@contextlib.contextmanager
def to_change(data: Path) -> Iterator[Path]:
    """Give the directory of a catalogue that a command changes; if it is in object storage, publish the changes."""
    if not is_object_url(data):
        yield data
        return
    with as_failures(), changing(str(data), lambda outcome: click.echo(in_words(outcome, str(data)))) as directory:
        yield directory


@contextlib.contextmanager
def as_failures() -> Iterator[None]:
    """Say in one message what keeps a catalogue in object storage from being used."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise click.ClickException("this needs a package: pip install 'rnaget-server[cloud]'") from None
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def in_words(outcome: Outcome, url: str) -> str:
    """Return what a publication has done."""
    parts = [f"{len(outcome.copied):,} files copied ({outcome.bytes:,} bytes)", f"{outcome.unchanged:,} unchanged"]
    parts += [f"{len(outcome.removed):,} removed"] if outcome.removed else []
    return f"{url_of(url)}: {', '.join(parts)}"
