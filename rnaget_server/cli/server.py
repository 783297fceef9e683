"""``rnaget-server``: the commands for providers."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from rnaget_server import __version__
from rnaget_server.catalog import load
from rnaget_server.catalog.access_check import wider_than_above
from rnaget_server.catalog.configuration import configuration
from rnaget_server.cli.doctor.command import doctor_command
from rnaget_server.cli.exporting import export_command
from rnaget_server.cli.genomes import missing_genomes, unfinished_genomes
from rnaget_server.cli.importing import import_command
from rnaget_server.cli.limits import limits_for
from rnaget_server.cli.listing import catalog_lines, counts_in_words
from rnaget_server.cli.managing import remove_command, rename_command
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.publishing import publish_command
from rnaget_server.cli.starting import (
    address_of,
    catalog_directory,
    check_address,
    check_audit_log,
    misspelt_settings,
    refuse_no_directory,
    say_at_start,
)
from rnaget_server.cli.tokens import token_command
from rnaget_server.cli.who import who_command
from rnaget_server.errors import CatalogError
from rnaget_server.model.principal import OPERATOR
from rnaget_server.operating import split_address
from rnaget_server.plugins import STORES, Registry
from rnaget_server.settings import settings_problem
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.files import leftovers
from rnaget_server.storage.places import is_mirror, url_of

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DATA = click.argument("data", required=False, type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="rnaget-server")
def main() -> None:
    """Publish RNA expression matrices and signal tracks by the GA4GH RNAget standard."""


for command in (
    import_command,
    export_command,
    remove_command,
    rename_command,
    token_command,
    who_command,
    doctor_command,
    publish_command,
):
    main.add_command(command)


@main.command()
@_DATA
@click.option("--host", help="Address to listen on (0.0.0.0: all). [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on. [default: 8080]")
@click.option("--workers", type=int, help="Worker processes. [default: one for each processor]")
@click.option("--reload", is_flag=True, help="Restart workers when the program's code changes.")
def serve(data: Path | None, host: str | None, port: int | None, workers: int | None, reload: bool) -> None:
    """Serve the catalogue in DATA; without DATA, the demo catalogue."""
    directory = catalog_directory(data, "serve")
    given = {"data": directory if is_mirror(directory) else data, "host": host, "port": port, "workers": workers}
    settings = _configuration(given)
    check_address(settings.host, settings.port)
    if settings.audit_log:
        check_audit_log(settings.audit_log)
    if settings.metrics_address:
        check_address(*split_address(settings.metrics_address))
    say = partial(say_at_start, settings.log_format)
    for line in misspelt_settings(os.environ):
        say(f"Warning: {line}")
    set_here = {f"RNAGET_{key.upper()}": str(value) for key, value in given.items() if value is not None}
    set_here["RNAGET_DATA"] = str(settings.data)
    say(f"Serving {_shown(settings.data, data)} at http://{address_of(settings.host, settings.port)}")
    if settings.host not in _LOOPBACK and not settings.public_url:
        say(
            "Warning: public_url is not set, so the URLs in tickets name any host that a request claims to be for; "
            "set it to the address that clients see"
        )
    command = [sys.executable, "-m", "gunicorn", "-c", str(files("rnaget_server") / "gunicorn.conf.py")]
    command += ["--reload"] if reload else []
    os.execve(sys.executable, [*command, "rnaget_server.asgi:app"], {**os.environ, **set_here})


@main.command()
@_DATA
def check(data: Path | None) -> None:
    """Check the catalogue in DATA and every file it names; exit with 1 if anything is wrong."""
    from rnaget_server.cli.checking import file_problems

    directory = catalog_directory(data, "check")
    catalog, problems = load(directory)
    problems += file_problems(catalog, FileAccess(limits_for(directory)), click.echo) if catalog else []
    for problem in problems:
        click.echo(str(problem).replace(str(directory), _shown(directory, data)), err=True)
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


@main.command(name="list")
@_DATA
def list_(data: Path | None) -> None:
    """List what the catalogue in DATA offers."""
    from rnaget_server.datasets.access import AccessPolicy
    from rnaget_server.datasets.opening import StoreCache

    directory = catalog_directory(data, "list")
    catalog, problems = load(directory)
    for problem in problems:
        click.echo(f"left out: {problem}".replace(str(directory), _shown(directory, data)), err=True)
    if catalog is None:
        sys.exit(1)
    stores = StoreCache(Registry(STORES), access=FileAccess(limits_for(directory)))
    for line in catalog_lines(AccessPolicy().visible(catalog, OPERATOR), stores):
        click.echo(line)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the service. [default: the directory's]")
def init(directory: Path, name: str | None) -> None:
    """Start an empty catalogue in DIRECTORY."""
    refuse_no_directory(directory, "init")
    try:
        write_new_catalog(directory, name)
    except FileExistsError:
        raise click.ClickException(f"{directory} already holds a catalogue; nothing was changed") from None
    click.echo(f"{directory / 'catalog.yaml'} is there. Import a matrix next:")
    click.echo(f"  rnaget-server import matrix.tsv --data {directory} --project P --study S --id ID --units TPM")


def _shown(directory: Path, data: Path | None) -> str:
    """Return how a catalogue is named for people: one in object storage by its URL."""
    return url_of(str(data or os.environ.get("RNAGET_DATA"))) if is_mirror(directory) else str(directory)


def _configuration(given: dict[str, Any]) -> Any:
    try:
        return configuration(**given)
    except CatalogError as error:
        raise click.ClickException(f"the catalogue cannot be served:\n{error}") from None
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None


if __name__ == "__main__":
    main()
