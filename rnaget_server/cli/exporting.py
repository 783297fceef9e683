"""``rnaget-server export``: a stored matrix or set of tracks, or a slice of it, as a file of any format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from rnaget_server.catalog import Matrix, TrackSet
from rnaget_server.catalog.configuration import configuration
from rnaget_server.catalog.located import RecordKind, located
from rnaget_server.cli.limits import settings_problem
from rnaget_server.cli.managing import as_click_failures, check_data, data_option
from rnaget_server.cli.output_files import STDOUT, copy_file, write_attributes, write_body
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.errors import InvalidQuery, RnagetError, UnknownParameter, listed, unknown_choice
from rnaget_server.model.limits import Limits
from rnaget_server.model.slice import ResolvedSlice, Slice
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import parse_matrix_query
from rnaget_server.slicing.advice import region_query_of, unknown_of_matrix
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.slicing.regions import region_by_id
from rnaget_server.writers.base import Writer

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SUFFIXES = {"bw": "bigwig", "bdg": "bedgraph", "txt": "tsv"}
_GROUPS: dict[RecordKind, str] = {"matrix": "expressions", "tracks": "continuous"}
# Formats of tracks that do not grow with the bases of a chromosome; in all others the limits of the server hold.
_COMPACT = ("bigwig", "bedgraph")


def _lists(name: str, help: str) -> Callable[[_Command], _Command]:
    return click.option(name, multiple=True, help=f"{help}, separated by commas or repeated.")


@click.command("export")
@click.argument("id")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@data_option
@click.option("--format", "format_", metavar="FORMAT", help="Format of the file; by default, what its name says.")
@_lists("--genes", "Feature ids")
@_lists("--names", "Feature names")
@_lists("--samples", "Sample ids")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Any other parameter of a query.")
@click.option("--units", help="Units of the values; by default, all in formats that hold several.")
@click.option("--region", metavar="CHR[:START-END]", help="Of tracks: the region, counted from 1 as browsers do.")
@click.option("--sample-table", type=click.Path(path_type=Path, dir_okay=False), help="Sample attributes, as TSV.")
@click.option("--feature-table", type=click.Path(path_type=Path, dir_okay=False), help="Feature attributes, as TSV.")
@click.option("--kind", type=click.Choice(list(_GROUPS)), help="What the id is of, if both kinds have it.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def export_command(id: str, output: Path, data: Path, kind: RecordKind | None, force: bool, **given: Any) -> None:
    """Write the matrix or set of tracks ID, or a slice of it, to OUTPUT (- for the standard output).

    Whole matrices go with all their attributes, so that an import of the file gives the same matrix; a file that is
    served as it is, such as a loom, is copied byte by byte.
    """
    check_data(data, "export ID OUTPUT --data")
    tables = {"sample": given["sample_table"], "feature": given["feature_table"]}
    for path in (output, *filter(None, tables.values())):
        if str(path) != STDOUT and path.exists() and not force:
            raise click.ClickException(f"{path} exists: --force replaces it, or choose another name")
    try:
        with as_click_failures("nothing was exported"):
            _export(_view(data), id, kind, output, given, tables)
    except RnagetError as error:
        raise click.ClickException(str(error)) from None


def _export(
    view: View,
    id: str,
    kind: RecordKind | None,
    output: Path,
    given: Mapping[str, Any],
    tables: Mapping[str, Path | None],
) -> None:
    what = located(view.catalog, id, kind)
    group = _GROUPS.get(what.kind)
    record = what.record
    if group is None or not isinstance(record, Matrix | TrackSet):
        raise ValueError(f"{what.name} has no values to export: its files are in {what.file.parent}")
    name, writer = _writer(group, given["format_"], output)
    if isinstance(record, Matrix) or name in _COMPACT:
        view = replace(view, limits=Limits())
    resolved = _resolved(view, record, _pairs(given))
    if resolved.missing:
        click.echo(f"not found, and left out: {listed(resolved.missing)}", err=True)
    if any(tables.values()) and isinstance(record, TrackSet):
        raise ValueError("--sample-table and --feature-table are for matrices")
    stored = _stored_file(record, resolved, writer, _pairs(given))
    if stored is not None:
        size = copy_file(stored, output)
    else:
        slice = _with_attributes(resolved.slice, writer) if isinstance(record, Matrix) else resolved.slice
        writer.check(slice)
        size = write_body(writer.write(slice), output)
    features, others = resolved.slice.shape
    click.echo(f"{output}: {features:,} × {others:,} as {name}, {size:,} bytes", err=True)
    for axis, path in tables.items():
        if path is not None:
            write_attributes(resolved.slice.samples if axis == "sample" else resolved.slice.features, path)
    if stored is None and isinstance(record, Matrix):
        for remark in _remarks(resolved.slice, name, tables):
            click.echo(f"  {remark}", err=True)


def _view(data: Path) -> View:
    try:
        return open_repository(configuration(data=data, reload_seconds=0)).visible_to()
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None


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


def _writer(group: str, format: str | None, output: Path) -> tuple[str, Writer]:
    """Return the format that is named, or else that of the file's name, and its writer."""
    formats = Formats(Registry(WRITERS))
    if format is None:
        parts = output.name.lower().split(".")[1:]
        candidates = [".".join(parts[-2:]), *parts[-1:]]
        known = formats.of(group)
        format = next((name for end in candidates if (name := _SUFFIXES.get(end, end)) in known), None)
        if format is None and not parts:
            raise click.UsageError(f"Missing option '--format': one of {', '.join(known)}.")
        format = format or candidates[-1]
    try:
        name = formats.resolve(group, format.lower())
        return name, formats.writer(group, name)
    except InvalidQuery:
        choice = unknown_choice(f"there is no format {format!r}", format, formats.of(group))
        raise click.BadParameter(choice, param_hint="--format") from None


def _resolved(view: View, record: Matrix | TrackSet, pairs: list[tuple[str, str]]) -> ResolvedSlice:
    if isinstance(record, TrackSet):
        return region_by_id(view, record.id, region_query_of(view, record.id, pairs))
    try:
        query = parse_matrix_query(pairs, view.catalog.filter_names)
    except UnknownParameter as error:
        raise unknown_of_matrix(view, record.id, error) from None
    return slice_by_id(view, record.id, query)


def _stored_file(
    record: Matrix | TrackSet, resolved: ResolvedSlice, writer: Writer, pairs: list[tuple[str, str]]
) -> Path | None:
    """Return the provider's own file, if that is what is asked for."""
    if isinstance(record, TrackSet):
        return resolved.stored_file(writer.media_types[0])
    return record.path if not pairs and record.path.suffix == f".{writer.extension}" else None


def _with_attributes(slice: Slice, writer: Writer) -> Slice:
    """Return the slice with all attributes of features in front of the values, where the format is a table of text."""
    if not writer.extension.startswith("tsv"):
        return slice
    features = slice.features
    first = [features.id, *([features.name] if features.name else [])]
    return replace(slice, tsv_labels=tuple(dict.fromkeys((*slice.tsv_labels, *first, *features.attributes))))


def _remarks(slice: Slice, format: str, tables: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield what a table of text does not say, or what says how it is read."""
    if not format.startswith("tsv"):
        return
    labels = _with_attributes(slice, Registry(WRITERS)[format]()).tsv_labels
    if len(labels) > 1:
        yield f"label columns: {', '.join(labels)} (import --label-columns {len(labels)})"
    attributes = [name for name in slice.samples.attributes if name != slice.samples.id]
    if attributes and tables["sample"] is None:
        yield f"attributes of samples are not in it: add --sample-table FILE ({', '.join(attributes)})"
    if len(slice.layers) > 1:
        others = ", ".join(layer.units for layer in slice.layers[1:])
        yield f"only {slice.layers[0].units} are in it: name others by --units ({others})"
