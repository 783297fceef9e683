"""``rnaget-server remove`` and ``rename``: records of a catalogue that go, or get another id."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnaget_server.catalog.located import KINDS, RecordKind
from rnaget_server.cli.objects import changes_catalog, in_place
from rnaget_server.cli.starting import check_catalog_directory, refuse_no_directory
from rnaget_server.errors import CatalogError

if TYPE_CHECKING:
    from rnaget_server.catalog.removal import Removal

_SHOWN = 10
data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the catalogue, or its URL in object storage.",
)
_kind_option = click.option(
    "--kind", type=click.Choice(KINDS), help="What the id is of, if several kinds of records have it."
)


@click.command("remove")
@click.argument("id")
@data_option
@_kind_option
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@changes_catalog
def remove_command(id: str, data: Path, kind: RecordKind | None, yes: bool) -> None:
    """Remove a matrix, tracks, reads, variants, a genome, a study or an empty project, with its files.

    A study goes with all that is in it. Files that another record uses, or that are outside the catalogue, stay.
    """
    from rnaget_server.catalog.removal import plan_removal

    check_data(data, "remove ID --data")
    with as_click_failures("nothing was removed"):
        removal = plan_removal(data, id, kind)
        for line in _plan(removal):
            click.echo(in_place(line, data))
        if not yes:
            _confirm(removal)
        remarks = removal.run()
    click.echo(f"{removal.what.name} is removed")
    for remark in remarks:
        click.echo(in_place(f"  {remark}", data))


@click.command("rename")
@click.argument("old")
@click.argument("new")
@data_option
@_kind_option
@changes_catalog
def rename_command(old: str, new: str, data: Path, kind: RecordKind | None) -> None:
    """Give the matrix, tracks, reads, variants, genome, study or project OLD the id NEW.

    Data files keep their names; the directory of a study, project or genome gets the new id.
    """
    from rnaget_server.catalog.renaming import rename

    check_data(data, "rename OLD NEW --data")
    with as_click_failures("nothing was renamed"):
        renaming = rename(data, old, new, kind)
    click.echo(in_place(f"the {renaming.kind} {old} is now {new}, in {renaming.file}", data))
    for remark in renaming.remarks:
        click.echo(in_place(f"  {remark}", data))


def check_data(data: Path, command: str) -> None:
    """Refuse what is no directory of a catalogue."""
    refuse_no_directory(data, command)
    check_catalog_directory(data, command)


@contextlib.contextmanager
def as_click_failures(result: str) -> Iterator[None]:
    """Raise what is wrong with a catalogue or its files in one message; `result` says what came of the command."""
    try:
        yield
    except CatalogError as error:
        raise click.ClickException(f"the catalogue would not check, so {result}:\n{error}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from None


def _plan(removal: Removal) -> Iterator[str]:
    files = removal.files
    yield f"{removal.what.name} (in {removal.what.file}):"
    if removal.directory is not None:
        yield f"  the directory {removal.directory} ({removal.size:,} bytes) goes with it"
    for path in files[:_SHOWN]:
        yield f"  {path} ({path.lstat().st_size:,} bytes) goes with it"
    if len(files) > _SHOWN:
        yield f"  and {len(files) - _SHOWN:,} more files, together {removal.size:,} bytes"
    yield from (f"  {remark}" for remark in removal.remarks)


def _confirm(removal: Removal) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Missing option '--yes': it says that {removal.what.name} is to be removed.")
    click.confirm(f"Remove {removal.what.name}?", abort=True, err=True)
