"""The command ``rnaget``, for people who use data of any RNAget server."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import click

from rnaget import Client, ClientError, __version__
from rnaget.errors import one_line
from rnaget.formats import format_for
from rnaget.transport import TIMEOUT

_EXIT_INTERRUPTED = 130
_EXIT_CLOSED_PIPE = 141
_EXIT_SIGNAL = 128
_REMARKS = {
    "rnaget-missing": "not found",
    "rnaget-omitted": "left out",
    "rnaget-mixed-collections": "on different sequence collections",
}
"""Headers of a reply, and how the command names what is in them."""


class _Group(click.Group):
    """Commands that report a failure as one line, and end as programs do that a signal or a closed pipe stops."""

    def invoke(self, context: click.Context) -> Any:
        _end_by_exceptions(context)
        try:
            return super().invoke(context)
        except ClientError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            context.exit(_EXIT_INTERRUPTED)
        except BrokenPipeError:  # whoever read the output has enough
            _drop_output()
            context.exit(_EXIT_CLOSED_PIPE)
        except OSError as error:
            _drop_output()
            raise click.ClickException(f"standard output cannot be written: {error.strerror or error}") from None


def _end_by_exceptions(context: click.Context) -> None:
    """Let the signals that end a program raise SystemExit, so that no temporary file stays behind."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(_EXIT_SIGNAL + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has only the first
        try:
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                context.call_on_close(lambda number=number: signal.signal(number, signal.SIG_DFL))
        except ValueError:  # not in the main thread
            return


def _drop_output() -> None:
    """Lead what is still to be flushed nowhere, since Python would report that it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--server",
    envvar="RNAGET_SERVER",
    default="http://127.0.0.1:8080/rnaget",
    show_default=True,
    help="Address of the RNAget API; also the variable RNAGET_SERVER.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=TIMEOUT,
    show_default=True,
    help="Seconds to wait for a reply to begin or to go on.",
)
@click.pass_context
def main(context: click.Context, server: str, timeout: float) -> None:
    """Read RNA expression data from a server that speaks GA4GH RNAget."""
    context.obj = Client(server, timeout)


@main.command()
@click.pass_obj
def projects(client: Client) -> None:
    """List the projects."""
    _print_table(_records(client, "projects"), ("id", "version", "name"))


@main.command()
@click.pass_obj
def studies(client: Client) -> None:
    """List the studies."""
    _print_table(_records(client, "studies"), ("id", "parentProjectID", "version", "genome", "name"))


@main.command()
@click.pass_obj
def expressions(client: Client) -> None:
    """Show by what expression matrices can be sliced: formats, units, filters."""
    formats, units = (_list(client, f"expressions/{name}") for name in ("formats", "units"))
    filters = _records(client, "expressions/filters")
    click.echo(f"formats  {', '.join(map(one_line, formats))}")
    click.echo(f"units    {', '.join(map(one_line, units))}")
    click.echo("filters")
    _print_table(filters, ("filter", "fieldType", "description"))


@main.command()
@click.argument("matrix", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, allow_dash=True),
    required=True,
    help="File to write, in a directory that exists; - for standard output.",
)
@click.option("--genes", multiple=True, help="Feature ids, separated by commas or repeated.")
@click.option("--names", multiple=True, help="Feature names, separated by commas or repeated.")
@click.option("--samples", multiple=True, help="Sample ids, separated by commas or repeated.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Any other parameter of the server.")
@click.option("--units", help="Units of the values.")
@click.option("--format", "format_", help="Format of the file; by default, what its name says.")
@click.pass_obj
def get(
    client: Client,
    matrix: str | None,
    output: str,
    genes: tuple[str, ...],
    names: tuple[str, ...],
    samples: tuple[str, ...],
    filters: tuple[str, ...],
    units: str | None,
    format_: str | None,
) -> None:
    """Download a slice of MATRIX; without it, of all matrices that match, joined."""
    query = _query(filters, featureIDList=genes, featureNameList=names, sampleIDList=samples)
    for name, value in (("units", units), ("format", format_)):
        query.setdefault(name, [])[:0] = [value] if value else []
    if output != "-":
        _check_name(output, query["format"])
    headers = client.download(matrix, query, _standard_output() if output == "-" else Path(output))
    given = {name.lower(): value for name, value in headers.items()}
    for header, summary in _REMARKS.items():
        if header in given:
            click.echo(f"{summary}: {one_line(given[header])}", err=True)
    if output != "-":
        click.echo(f"{output}: {Path(output).stat().st_size:,} bytes", err=True)


def _query(filters: tuple[str, ...], **lists: tuple[str, ...]) -> dict[str, list[str]]:
    query = {name: [*values] for name, values in lists.items()}
    for filter in filters:
        name, equals, value = filter.partition("=")
        if not equals:
            raise click.BadParameter(f"{filter!r} is not NAME=VALUE", param_hint="--filter")
        query.setdefault(name, []).append(value)
    return query


def _check_name(output: str, formats: list[str]) -> None:
    try:
        format_for(output, formats[-1] if formats else None)
    except ClientError as error:
        raise click.BadParameter(str(error), param_hint="--output") from None


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise ClientError("standard output is closed")
    return sys.stdout.buffer


def _list(client: Client, path: str) -> list[Any]:
    rows = client.json(path)
    if not isinstance(rows, list):
        raise ClientError(f"{client.root}/{path} is no list: is this the address of an RNAget API?")
    return rows


def _records(client: Client, path: str) -> list[dict[str, Any]]:
    rows = _list(client, path)
    if not all(isinstance(row, dict) for row in rows):
        raise ClientError(f"{client.root}/{path} is no list of objects: is this the address of an RNAget API?")
    return rows


def _print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    cells = [[one_line("" if row.get(column) is None else row[column]) for column in columns] for row in rows]
    widths = [max((len(row[number]) for row in cells), default=0) for number in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
