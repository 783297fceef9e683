"""Words and the bar by which ``rnaget-server import`` says what it does and has done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnaget_server.cli.objects import in_place

if TYPE_CHECKING:
    from rnaget_server.importers.job import Outcome

_STEPS = 1000
_SHOWN_FILTERS = 12


def say_what_was_imported(id: str, outcome: Outcome, data: Path, dry_run: bool) -> None:
    """Say where a record is now, or would be after a dry run, and what was found; `data` is the catalogue."""
    if dry_run:
        click.echo("Dry run: nothing was written. Without --dry-run:")
    line = f"{id} {'would be' if dry_run else 'is now'} in {outcome.study_file} (data: {outcome.file})"
    click.echo(in_place(line, data))
    for remark in outcome.remarks:
        click.echo(in_place(f"  {remark}", data))


def filters_in_words(names: tuple[str, ...]) -> str:
    """Return the first few names of filters for a message."""
    more = f" and {len(names) - _SHOWN_FILTERS} more" if len(names) > _SHOWN_FILTERS else ""
    return (", ".join(names[:_SHOWN_FILTERS]) + more) or "(no new ones)"


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[float], None]]:
    """Show a bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=_STEPS, label="Importing", file=sys.stderr) as bar:
        yield lambda share: bar.update(max(0, int(share * _STEPS) - bar.pos))
