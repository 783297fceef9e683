"""``rnaget-server check`` and ``list``: a catalogue is looked at, and nothing of it changed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rnaget_server.catalog import load
from rnaget_server.catalog.access_check import wider_than_above
from rnaget_server.cli.genomes import missing_genomes, unfinished_genomes
from rnaget_server.cli.limits import limits_for
from rnaget_server.cli.listing import catalog_lines, counts_in_words
from rnaget_server.cli.objects import in_place
from rnaget_server.cli.starting import catalog_directory
from rnaget_server.model.principal import OPERATOR
from rnaget_server.plugins import STORES, Registry
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.files import leftovers

_DATA = click.argument("data", required=False, type=click.Path(path_type=Path))


@click.command(name="check")
@_DATA
def check_command(data: Path | None) -> None:
    """Check the catalogue in DATA and every file it names; exit with 1 if anything is wrong."""
    from rnaget_server.cli.checking import file_problems

    directory = catalog_directory(data, "check")

    def note(remark: str) -> None:
        click.echo(in_place(remark, directory))

    catalog, problems = load(directory)
    problems += file_problems(catalog, FileAccess(limits_for(directory)), note) if catalog else []
    for problem in problems:
        click.echo(in_place(str(problem), directory), err=True)
    for hint in (*missing_genomes(catalog), *wider_than_above(catalog)) if catalog else ():
        click.echo(str(hint))
    for path in leftovers(directory):
        size = f"{path.stat().st_size:,} bytes"
        click.echo(f"{path} ({size}) was left by an import that was killed; the next one into that study removes it")
    for line in unfinished_genomes(directory):
        click.echo(line)
    if problems or catalog is None:
        sys.exit(1)
    click.echo(f"ok: {counts_in_words(catalog)}")


@click.command(name="list")
@_DATA
def list_command(data: Path | None) -> None:
    """List what the catalogue in DATA offers."""
    from rnaget_server.datasets.access import AccessPolicy
    from rnaget_server.datasets.opening import StoreCache

    directory = catalog_directory(data, "list")
    catalog, problems = load(directory)
    for problem in problems:
        click.echo(in_place(f"left out: {problem}", directory), err=True)
    if catalog is None:
        sys.exit(1)
    stores = StoreCache(Registry(STORES), access=FileAccess(limits_for(directory)))
    for line in catalog_lines(AccessPolicy().visible(catalog, OPERATOR), stores):
        click.echo(line)
