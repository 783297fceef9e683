"""The command ``rnaget``, for people who use data of any RNAget server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnaget import Client, ClientError, __version__


class _Group(click.Group):
    """Commands that report a failed request as one line."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ClientError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--server",
    envvar="RNAGET_SERVER",
    default="http://127.0.0.1:8080/rnaget",
    show_default=True,
    help="Address of the RNAget API; also the variable RNAGET_SERVER.",
)
@click.pass_context
def main(context: click.Context, server: str) -> None:
    """Read RNA expression data from a server that speaks GA4GH RNAget."""
    context.obj = Client(server)


@main.command()
@click.pass_obj
def projects(client: Client) -> None:
    """List the projects."""
    _print_table(client.json("projects"), ("id", "version", "name"))


@main.command()
@click.pass_obj
def studies(client: Client) -> None:
    """List the studies."""
    _print_table(client.json("studies"), ("id", "parentProjectID", "version", "genome", "name"))


@main.command()
@click.pass_obj
def expressions(client: Client) -> None:
    """Show by what expression matrices can be sliced: formats, units, filters."""
    click.echo(f"formats  {', '.join(client.json('expressions/formats'))}")
    click.echo(f"units    {', '.join(client.json('expressions/units'))}")
    click.echo("filters")
    _print_table(client.json("expressions/filters"), ("filter", "fieldType", "description"))


@main.command()
@click.argument("matrix", required=False)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--genes", multiple=True, help="Feature ids, separated by commas or repeated.")
@click.option("--names", multiple=True, help="Feature names, separated by commas or repeated.")
@click.option("--samples", multiple=True, help="Sample ids, separated by commas or repeated.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Any other parameter of the server.")
@click.option("--units", help="Units of the values.")
@click.option("--format", "format_", help="Format of the file; without MATRIX it is needed.")
@click.pass_obj
def get(
    client: Client,
    matrix: str | None,
    output: Path,
    genes: tuple[str, ...],
    names: tuple[str, ...],
    samples: tuple[str, ...],
    filters: tuple[str, ...],
    units: str | None,
    format_: str | None,
) -> None:
    """Download a slice of MATRIX; without it, of all matrices that match, joined."""
    query: dict[str, list[str]] = {
        "featureIDList": [*genes],
        "featureNameList": [*names],
        "sampleIDList": [*samples],
        "units": [units] if units else [],
        "format": [format_] if format_ else [],
    }
    for filter in filters:
        name, equals, value = filter.partition("=")
        if not equals:
            raise click.BadParameter(f"{filter!r} is not NAME=VALUE", param_hint="--filter")
        query.setdefault(name, []).append(value)
    try:
        headers = {name.lower(): value for name, value in client.download(matrix, query, output).items()}
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    for header, summary in (("rnaget-missing", "not found"), ("rnaget-omitted", "left out")):
        if header in headers:
            click.echo(f"{summary}: {headers[header]}", err=True)
    click.echo(f"{output}: {output.stat().st_size:,} bytes", err=True)


def _print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max((len(row[number]) for row in cells), default=0) for number in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
