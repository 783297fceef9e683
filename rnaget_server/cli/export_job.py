"""The file of an export: the record, its slice by the way of all queries, and the writer of its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
from pydantic import ValidationError

from rnaget_server.catalog import Catalog, Matrix, TrackSet
from rnaget_server.catalog.configuration import configuration
from rnaget_server.catalog.located import RecordKind, is_used, located
from rnaget_server.cli.output_files import STDOUT, copy_file, size_of, write_attributes, write_body, write_folder
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.errors import InvalidQuery, UnknownParameter, listed, unknown_choice
from rnaget_server.model.limits import Limits
from rnaget_server.model.principal import OPERATOR
from rnaget_server.model.slice import ResolvedSlice, Slice
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import parse_matrix_query
from rnaget_server.query.parameters import Parameters
from rnaget_server.query.table import COMPRESSIONS
from rnaget_server.settings import settings_problem
from rnaget_server.slicing.advice import region_query_of, unknown_of_matrix
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.slicing.regions import region_by_id
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.stores.tenx import FEATURE_TYPE, TenXStore
from rnaget_server.writers.base import FolderWriter, Writer
from rnaget_server.writers.gct import missing_words
from rnaget_server.writers.gctx import attributes_with_null

_SUFFIXES = {
    **{"bw": "bigwig", "bdg": "bedgraph", "txt": "tsv", "arrows": "arrow", "mtx.zip": "mtx", "zip": "mtx"},
    **{"h5": "10x", "zarr.zip": "zarr"},
    **{"long.tsv": "tsv.long", "long.tsv.gz": "tsv.long.gz", "long.csv": "csv.long", "long.parquet": "parquet.long"},
    **{"long.arrows": "arrow.long", "long.arrow": "arrow.long", "sparse.json": "json.sparse"},
}
_GROUPS: dict[RecordKind, str] = {"matrix": "exports", "tracks": "continuous"}
# Formats that have label columns and no attributes of samples, those that have both, and those that have all layers.
_TABLES = ("tsv", "csv", "xlsx")
_COLUMNAR = ("parquet", "arrow")
_ALL_LAYERS = ("h5ad", "h5mu", "zarr", "loom", "json")
# The extension of 10x, which our own store has as well.
_SHARED = "h5"
# Formats of tracks that do not grow with the bases of a chromosome; in all others the limits of the server hold.
_COMPACT = ("bigwig", "bedgraph")
# Most of what a server keeps is read once here.
_KEPT_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file to write: of which record, in which format (None: what the name says), and what of it, as a query."""

    data: Path
    id: str
    kind: RecordKind | None
    output: Path
    format: str | None
    pairs: list[tuple[str, str]]
    sample_table: Path | None = None
    feature_table: Path | None = None


def run_export(export: Export) -> None:
    """Write the file, and say what it holds.

    Raises
    ------
    RnagetError, CatalogError, ValueError, OSError
        If the record or what is asked of it is not there, the format cannot hold it, or a file cannot be written.
    """
    view = _view(export.data)
    what = located(view.catalog, export.id, export.kind or _kind_with_values(view.catalog, export.id))
    record, group = what.record, _GROUPS.get(what.kind)
    if group is None or not isinstance(record, Matrix | TrackSet):
        raise ValueError(f"{what.name} has no values to export: its files are in {what.file.parent}")
    if isinstance(record, TrackSet) and (export.sample_table or export.feature_table):
        raise ValueError("--sample-table and --feature-table are for matrices")
    format, writer = _writer(group, export)
    if isinstance(record, Matrix) or format in _COMPACT:
        view = replace(view, limits=Limits())
    resolved = _resolved(view, record, export.pairs)
    if resolved.missing:
        click.echo(f"not found, and left out: {listed(resolved.missing)}", err=True)
    _write(export, record, resolved, writer)
    features, others = resolved.slice.shape
    size = "" if str(export.output) == STDOUT else f", {size_of(export.output):,} bytes"
    click.echo(f"{export.output}: {features:,} × {others:,} as {format}{size}", err=True)
    for labels, path in (
        (resolved.slice.samples, export.sample_table),
        (resolved.slice.features, export.feature_table),
    ):
        if path is not None:
            write_attributes(labels, path)
    if isinstance(record, Matrix):
        for remark in _remarks(resolved.slice, export, format):
            click.echo(f"  {remark}", err=True)


def _kind_with_values(catalog: Catalog, id: str) -> RecordKind | None:
    """Return the kind that is meant if only one record of that id has values, as of a matrix called like its study."""
    kinds = [kind for kind in _GROUPS if is_used(catalog, kind, id)]
    return kinds[0] if len(kinds) == 1 else None


def _write(export: Export, record: Matrix | TrackSet, resolved: ResolvedSlice, writer: Writer) -> None:
    stored = _stored_file(record, resolved, writer, export.pairs)
    if stored is not None:
        copy_file(stored, export.output)
        return
    slice = resolved.slice
    if isinstance(record, Matrix):
        slice = replace(slice, tsv_labels=_label_columns(slice))
    writer.check(slice)
    if isinstance(writer, FolderWriter) and _is_folder(export.output):
        write_folder(writer.files(slice), export.output, writer.parts)
    elif export.output.is_dir():
        raise ValueError(f"{export.output} is a directory: name a file")
    else:
        write_body(writer.write(slice), export.output)


def _is_folder(output: Path) -> bool:
    if output.name.lower().endswith((".mtx", ".mtx.gz")):
        raise ValueError(
            "MatrixMarket has its labels in files of their own: name a directory, or a file that ends in .zip"
        )
    return str(output) != STDOUT and output.suffix.lower() != ".zip"


def _view(data: Path) -> View:
    try:
        return open_repository(configuration(data=data, reload_seconds=0), ArrayCache(_KEPT_BYTES)).visible_to(OPERATOR)
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None


def _writer(group: str, export: Export) -> tuple[str, Writer]:
    """Return the format that is named, or else that of the file's name, and its writer."""
    formats, format = Formats(Registry(WRITERS)), export.format
    if format is None:
        parts = export.output.name.lower().split(".")[1:]
        candidates = [*(".".join(parts[-count:]) for count in (3, 2)), *parts[-1:]]
        known = formats.of(group)
        format = next((name for end in candidates if (name := _SUFFIXES.get(end, end)) in known), None)
        if format is None and not parts:
            raise click.UsageError(f"Missing option '--format': one of {', '.join(known)}.")
        format = format or candidates[-1]
    try:
        name = formats.resolve(group, format.lower())
    except InvalidQuery:
        choice = unknown_choice(f"there is no format {format!r}", format, formats.of(group))
        raise click.BadParameter(choice, param_hint="--format") from None
    given = [pair for pair in export.pairs if pair[0] == "compression"]
    return name, formats.writer(group, name, Parameters(given, ("compression",)).choice("compression", COMPRESSIONS))


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
    if pairs or record.shards or record.path.suffix != f".{writer.extension}":
        return None
    return record.path if writer.extension != _SHARED or TenXStore.recognises(record.path) else None


def _label_columns(slice: Slice) -> tuple[str, ...]:
    """Return all attributes of features, those that TSV has in any case first."""
    features = slice.features
    first = [*slice.tsv_labels, features.id, *([features.name] if features.name else [])]
    return tuple(dict.fromkeys((*first, *features.attributes)))


def _remarks(slice: Slice, export: Export, format: str) -> Iterator[str]:
    """Yield what the format does not hold, and how a table of text is read."""
    base, _, form = format.partition(".")
    if form.startswith("long"):
        yield "cells that are 0 are not in it, and of attributes the ids alone"
        base = ""
    if base in (*_TABLES, *_COLUMNAR) and len(labels := _label_columns(slice)) > 1:
        yield f"label columns: {', '.join(labels)} (import --label-columns {len(labels)})"
    if base == "gct" and (words := missing_words(slice)):
        yield f"attributes with these values are missing ones to readers of GCT: {', '.join(words)}"
    if base == "gctx" and (names := attributes_with_null(slice)):
        yield f"-666 is a missing value to readers of GCTX, and these attributes have it: {', '.join(names)}"
    if base == "mtx":
        features = slice.features
        held = (features.id, features.name, FEATURE_TYPE)
        others = [name for name in features.attributes if name not in held]
        if others and export.feature_table is None:
            yield f"further attributes of features are not in it: add --feature-table FILE ({', '.join(others)})"
    attributes = [name for name in slice.samples.attributes if name != slice.samples.id]
    if base in (*_TABLES, "mtx", "10x") and attributes and export.sample_table is None:
        yield f"attributes of samples are not in it: add --sample-table FILE ({', '.join(attributes)})"
    if base in _COLUMNAR and attributes and export.sample_table is None:
        listed = ", ".join(attributes)
        yield f"attributes of samples are in its metadata; for an import add --sample-table FILE ({listed})"
    if base not in _ALL_LAYERS and len(slice.layers) > 1:
        others = [layer.units for layer in slice.layers[1:]]
        yield f"only {slice.layers[0].units} are in it: name others by --units ({', '.join(others)})"
