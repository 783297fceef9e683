"""Catalogues in object storage, for the commands: the directories that stand for them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from rnaget_server.catalog.object_storage import changing, directory_of
from rnaget_server.settings import settings_problem
from rnaget_server.storage.places import is_mirror, is_url, url_of

if TYPE_CHECKING:
    from rnaget_server.storage.objects.publishing import Outcome


_NAMED = "rnaget_server.catalogue"


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


def changes_catalog(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose `data` may be in object storage, where what it changes is published."""

    @wraps(command)
    def run(*, data: Path, **given: Any) -> None:
        if not is_object_url(data) or os.path.lexists(data):
            command(data=data, **given)
            return
        outcomes: list[Outcome] = []
        with as_failures(), changing(str(data), outcomes.append) as directory:
            click.get_current_context().meta[_NAMED] = url_of(str(data))
            command(data=directory, **given)
        click.echo(in_words(outcomes[0], str(data)))

    return run


def named(data: Path) -> str:
    """Return how a catalogue that a command changes is named: one in object storage by its URL."""
    return str(click.get_current_context().meta.get(_NAMED, data))


def shown(directory: Path, data: Path | None) -> str:
    """Return how a catalogue is named for people: one in object storage by its URL."""
    return url_of(str(data or os.environ.get("RNAGET_DATA"))) if is_mirror(directory) else str(directory)


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
