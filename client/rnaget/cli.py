"""The command ``rnaget``, for people who use data of any RNAget server."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from rnaget import __version__
from rnaget.api import NotOfferedError
from rnaget.context import Context, Group
from rnaget.errors import one_line
from rnaget.fetching import download, get, sequence
from rnaget.listing import Listing
from rnaget.shown import filled_columns, text_table
from rnaget.transport import TIMEOUT


def _complete_servers(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from rnaget.config import server_names

    return [CompletionItem(name) for name in server_names(incomplete)]


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--server",
    "-s",
    envvar="RNAGET_SERVER",
    shell_complete=_complete_servers,
    help="Address of the RNAget API, or the name of a server in the configuration file; also the variable "
    "RNAGET_SERVER. [default: the file's server, else http://127.0.0.1:8080/rnaget]",
)
@click.option("--token", envvar="RNAGET_TOKEN", help="Bearer token for the server; better the variable RNAGET_TOKEN.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    help=f"Seconds to wait for a reply to begin or to go on.  [default: {TIMEOUT:g}]",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0, max=1000),
    default=4,
    show_default=True,
    help="How often a request is tried again after failures in succession.",
)
@click.option("--cache/--no-cache", default=True, help="Whether replies are kept on disk.  [default: cache]")
@click.pass_context
def main(
    context: click.Context, server: str | None, token: str | None, timeout: float | None, retries: int, cache: bool
) -> None:
    """Read RNA expression data from a server that speaks GA4GH RNAget."""
    context.obj = Context(server, token, timeout, retries, cache)
    context.call_on_close(context.obj.close)


def _as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def _print_items(listing: Listing[Any], as_json: bool, rows: Callable[[Any], Mapping[str, Any]] | None = None) -> None:
    items = list(listing)
    if as_json:
        _print_json([item.data for item in items])
    else:
        _print_rows([(rows or type(item).row)(item) for item in items])


def _print_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a table, with names of columns for people alone: programs read rows."""
    known = [dict(row) for row in rows]
    if known and filled_columns(known):
        click.echo(text_table(known, header=sys.stdout.isatty(), widest=10_000))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


@main.command()
@_as_json
@click.pass_obj
def projects(context: Context, as_json: bool) -> None:
    """List the projects."""
    _print_items(context.server.projects, as_json)


@main.command()
@click.option("--project", help="The studies of this project only.")
@_as_json
@click.pass_obj
def studies(context: Context, project: str | None, as_json: bool) -> None:
    """List the studies."""
    listing = context.server.find_studies(**({"projectID": project} if project else {}))
    _print_items(listing, as_json)


@main.command()
@click.option("--study", help="The matrices of this study only.")
@_as_json
@click.pass_obj
def matrices(context: Context, study: str | None, as_json: bool) -> None:
    """List the matrices."""
    _print_items(context.server.find_matrices(**({"studyID": study} if study else {})), as_json)


@main.command()
@_as_json
@click.pass_obj
def tracks(context: Context, as_json: bool) -> None:
    """List the sets of signal tracks."""
    _print_items(context.server.tracks, as_json)


@main.command()
@_as_json
@click.pass_obj
def genomes(context: Context, as_json: bool) -> None:
    """List the genomes."""
    _print_items(context.server.genomes, as_json)


@main.command()
@_as_json
@click.pass_obj
def reads(context: Context, as_json: bool) -> None:
    """List the reads and variants."""
    _print_items(context.server.reads, as_json)


_GROUPS = {"matrices": "expressions", "tracks": "continuous", "projects": "projects", "studies": "studies"}


def _of(*names: str) -> Callable[..., Any]:
    kinds = click.Choice(names)
    return click.option("--of", "of", type=kinds, default=names[0], show_default=True, help="Of which data.")


@main.command()
@_of("matrices", "tracks")
@_as_json
@click.pass_obj
def formats(context: Context, of: str, as_json: bool) -> None:
    """List the formats of files."""
    found = context.server.formats(_GROUPS[of])
    _print_json(found) if as_json else _print_lines(found)


@main.command()
@_as_json
@click.pass_obj
def units(context: Context, as_json: bool) -> None:
    """List the units of matrices."""
    found = context.server.units()
    _print_json(found) if as_json else _print_lines(found)


@main.command()
@_of("matrices", "tracks", "projects", "studies")
@_as_json
@click.pass_obj
def filters(context: Context, of: str, as_json: bool) -> None:
    """List the filters, with the values that they know."""
    found = context.server.filters(_GROUPS[of])
    if as_json:
        _print_json(found)
    else:
        _print_rows({**_filter_row(row), "values": row.get("values")} for row in found)


@main.command()
@click.pass_obj
def expressions(context: Context) -> None:
    """Show by what expression matrices can be sliced: formats, units, filters."""
    api = context.server.api
    formats, units = (api.json(f"expressions/{name}") for name in ("formats", "units"))
    for name, found in (("formats", formats), ("units", units)):
        if not isinstance(found, list):
            raise NotOfferedError(f"{api.root}/expressions/{name} is no list: is this the address of an RNAget API?")
    found = context.server.filters()
    click.echo(f"formats  {', '.join(map(one_line, formats))}")
    click.echo(f"units    {', '.join(map(one_line, units))}")
    click.echo("filters")
    _print_rows(map(_filter_row, found))


def _filter_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in ("filter", "fieldType", "description")}


def _print_lines(values: Iterable[Any]) -> None:
    for value in values:
        click.echo(one_line(value))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete this command: eval "$(rnaget completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None
    name = os.environ.get("RNAGET_PROGRAM", "rnaget")
    click.echo(kind(main, {}, name, "_RNAGET_COMPLETE").source())


for _command in (get, sequence, download):
    main.add_command(_command)
