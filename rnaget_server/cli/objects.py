"""Catalogues in object storage, for the commands: the directories that stand for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from rnaget_server.catalog.object_storage import changing, directory_of, is_object_url
from rnaget_server.settings import settings_problem
from rnaget_server.storage.places import shown
from rnaget_server.storage.urls import SCHEMES, is_web, url_of

if TYPE_CHECKING:
    from rnaget_server.storage.objects.publishing import Outcome


_LISTED = 3


def mirrored(data: Path) -> Path:
    """Return the directory that stands for a catalogue in object storage.

    Raises
    ------
    click.ClickException
        If it cannot be had.
    """
    with as_failures():
        return directory_of(str(data))


def changes_catalog(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose `data` may be in object storage, where what it changes is published."""

    @wraps(command)
    def run(*, data: Path, **given: Any) -> None:
        if not is_object_url(data):
            command(data=data, **given)
            return
        outcomes: list[Outcome] = []
        with as_failures():
            url = writable_url(str(data))
            with changing(url, outcomes.append) as directory, named_in_place(directory):
                command(data=directory, **given)
        for outcome in outcomes:
            click.echo(in_words(outcome, url))

    return run


def writable_url(text: str) -> str:
    """Return the URL of a place that can be written to.

    Raises
    ------
    click.ClickException
        If it cannot.
    ValueError
        If it names a user, or is no URL that `url_of` takes.
    """
    url = url_of(text)
    if is_web(url):
        raise click.ClickException(
            f"{url} can only be read: publish to {SCHEMES}, and let a web server serve that; or give --data that place"
        )
    return url


@contextlib.contextmanager
def named_in_place(directory: Path) -> Iterator[None]:
    """Name, in what fails, a directory that stands for another place by the URL of that."""
    try:
        yield
    except click.UsageError:
        raise
    except click.ClickException as failure:
        raise click.ClickException(in_place(failure.message, directory)) from None


def in_place(text: str, directory: Path) -> str:
    """Return a text in which a directory that stands for another place is named by the URL of that."""
    return text.replace(str(directory), shown(directory))


@contextlib.contextmanager
def as_failures() -> Iterator[None]:
    """Say in one message what keeps a catalogue in object storage from being used."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise click.ClickException(str(error)) from None
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def in_words(outcome: Outcome, url: str) -> str:
    """Return what a publication has done."""
    parts = [f"{len(outcome.copied):,} files copied ({outcome.bytes:,} bytes)", f"{outcome.unchanged:,} unchanged"]
    parts += [f"{len(outcome.removed):,} removed"] if outcome.removed else []
    if outcome.kept:
        more = ", …" if len(outcome.kept) > _LISTED else ""
        names = ", ".join(outcome.kept[:_LISTED]) + more
        parts.append(f"{len(outcome.kept):,} left there that somebody else has replaced ({names})")
    return f"{url_of(url)}: {', '.join(parts)}"
