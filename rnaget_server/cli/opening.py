"""The sources of an import as the command line names them, opened, and what fails of them as messages."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaget_server.errors import ImportFailure

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address
    from rnaget_server.importers.job import Outcome
    from rnaget_server.importers.sources import Sources
    from rnaget_server.storage.access import FileLimits


def file(value: str) -> Path | Address:
    """Return what a text names: a path, or an address as it is written, since a path would lose one of its slashes."""
    from rnaget_server.importers.addresses import named_source

    return named_source(str(value))


def md5(value: str) -> str:
    """Return the digits of an MD5 sum in lower case; refuse what is none."""
    text = value.strip().lower()
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise click.BadParameter("an MD5 sum has 32 hexadecimal digits, as `md5sum FILE` writes it")
    return text


@contextlib.contextmanager
def opened_for(
    sources: tuple[Path | Address, ...], special: dict[str, Any], limits: FileLimits, files: tuple[str, ...]
) -> Iterator[Sources]:
    """Give the sources to read, and put the files of the options to read into `special`; say what fails of them."""
    from rnaget_server.importers.job import broken_off
    from rnaget_server.importers.sources import SourceOptions, Sources, opened_sources
    from rnaget_server.importers.unpacking import Room

    # An option that may be repeated has a tuple of files.
    options = {key: _as_tuple(special[key]) for key in files}
    stdin = getattr(sys.stdin, "buffer", None)  # None: it is closed
    reading = SourceOptions(Room(limits.min_free_bytes, limits.expansion), special["member"], special["md5"])
    opened = Sources(())
    try:
        with opened_sources(sources, options, reading, stdin) as opened:
            for key, paths in opened.tables.items():
                special[key] = paths if isinstance(special[key], tuple) else next(iter(paths), None)
            yield opened
    except Exception as error:
        raise click.ClickException(opened.in_words(str(broken_off(error, *opened.paths)))) from None


def _as_tuple(value: Path | Address | tuple[Path | Address, ...] | None) -> tuple[Path | Address, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


@contextlib.contextmanager
def outcome_of_dry_run() -> Iterator[list[Outcome]]:
    """Give a list, and put the outcome into it that ends a dry run."""
    from rnaget_server.importers.job import DryRunEnded

    outcomes: list[Outcome] = []
    try:
        yield outcomes
    except DryRunEnded as end:
        outcomes.append(end.outcome)


@contextlib.contextmanager
def as_messages(sources: tuple[Path | Address, ...]) -> Iterator[None]:
    """Say what fails."""
    from rnaget_server.importers.job import broken_off

    try:
        yield
    except Exception as error:
        paths = [path for path in sources if isinstance(path, Path)]
        raise click.ClickException(str(broken_off(error, *paths))) from None


def refuse_options(special: dict[str, Any], names: tuple[str, ...], what: str, source: Path | Address) -> None:
    """Refuse options that do not apply to what the source is."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in names
        if special[name] or (name == "header" and special[name] is not None)
    ]
    if given:
        raise ImportFailure(f"{', '.join(given)} cannot be given for {what}, which this is", str(source))
