"""``rnaget-server export``: a stored matrix or set of tracks, or a slice of it, as a file of any format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rnaget_server.catalog.located import RecordKind
from rnaget_server.cli.managing import as_click_failures, data_option
from rnaget_server.cli.objects import in_place, named_in_place
from rnaget_server.cli.starting import catalog_directory
from rnaget_server.errors import RnagetError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STDOUT = "-"
_KINDS: tuple[RecordKind, ...] = ("matrix", "tracks")
_TABLE = click.Path(path_type=Path, dir_okay=False)


def _lists(name: str, help: str) -> Callable[[_Command], _Command]:
    return click.option(name, multiple=True, help=f"{help}, separated by commas or repeated.")


@click.command("export")
@click.argument("id")
@click.argument("output", type=click.Path(path_type=Path, allow_dash=True))
@data_option
@click.option("--format", "format_", metavar="FORMAT", help="Format of the file; by default, what its name says.")
@_lists("--genes", "Feature ids")
@_lists("--names", "Feature names")
@_lists("--samples", "Sample ids")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Any other parameter of a query.")
@click.option("--units", help="Units of the values; by default, all in formats that hold several.")
@click.option("--region", metavar="CHR[:START-END]", help="Of tracks: the region, counted from 1 as browsers do.")
@click.option("--sample-table", type=_TABLE, help="Sample attributes, as TSV.")
@click.option("--feature-table", type=_TABLE, help="Feature attributes, as TSV.")
@click.option("--kind", type=click.Choice(_KINDS), help="What the id is of, if both kinds have it.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def export_command(id: str, output: Path, data: Path, kind: RecordKind | None, force: bool, **given: Any) -> None:
    """Write the matrix or set of tracks ID, or a slice of it, to OUTPUT (- for the standard output).

    Whole matrices go with all their attributes, so that an import of the file gives the same matrix; a file that is
    served as it is, such as a loom, is copied byte by byte. MatrixMarket (--format mtx) is a directory, or a zip
    archive if OUTPUT ends in .zip.
    """
    from rnaget_server.cli.export_job import Export, run_export

    directory = catalog_directory(data, "export ID OUTPUT --data")
    tables = {name: given[name] for name in ("sample_table", "feature_table")}
    for path in (output, *filter(None, tables.values())):
        if str(path) != _STDOUT and path.exists() and not force and not _is_empty(path):
            raise click.ClickException(f"{path} exists: --force replaces it, or choose another name")
    export = Export(
        data=directory, id=id, kind=kind, output=output, format=given["format_"], pairs=_pairs(given), **tables
    )
    try:
        with named_in_place(directory), as_click_failures("nothing was exported"):
            run_export(export)
    except RnagetError as error:
        raise click.ClickException(in_place(str(error), directory)) from None


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _pairs(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the parameters of the query that the options are."""
    lists = {"featureIDList": "genes", "featureNameList": "names", "sampleIDList": "samples"}
    pairs = [(name, value) for name, option in lists.items() for value in given[option]]
    for filter in given["filters"]:
        name, equals, value = filter.partition("=")
        if not equals:
            raise click.BadParameter(f"{filter!r} is not NAME=VALUE", param_hint="--filter")
        if name == "format":
            raise click.BadParameter("the format is an option of its own: --format", param_hint="--filter")
        pairs.append((name, value))
    pairs += [("units", given["units"])] if given["units"] else []
    return pairs + (_region(given["region"]) if given["region"] else [])


def _region(text: str) -> list[tuple[str, str]]:
    """Return the parameters of a region such as ``chr1:1,001-2,000``, whose start they count from 0."""
    name, colon, places = text.rpartition(":")
    start, _, end = places.replace(",", "").partition("-")
    if not colon or not start.isdecimal():
        return [("chr", text)]
    if not end.isdecimal() or int(start) < 1:
        raise click.BadParameter(f"{text!r} is no region: write chr1 or chr1:1001-2000", param_hint="--region")
    return [("chr", name), ("start", str(int(start) - 1)), ("end", end)]
