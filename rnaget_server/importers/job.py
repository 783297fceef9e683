"""One import from end to end: read the source, join the tables, write the data file, enter it in the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import CatalogError, ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, ServedFile, SourceMatrix, importer_for
from rnaget_server.importers.columns import with_id_name
from rnaget_server.importers.layers import merge
from rnaget_server.importers.places import copy_beside, directory_for, restored_on_failure
from rnaget_server.importers.record import Entry, Labels, make_entry
from rnaget_server.importers.sniff import read_head
from rnaget_server.importers.tables import Table, join_features, join_samples, read_table
from rnaget_server.stores.native import NativeStore
from rnaget_server.stores.native_writer import LayerSource, write_native

_READING = 0.5


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported, and as what. Ids are those of RNAget; `texts` are further keys of the entry."""

    source: Path
    data: Path
    project: str
    study: str
    id: str
    units: str
    samples: Path | None = None
    features: Path | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    texts: dict[str, str] = field(default_factory=dict)
    genome: str | None = None
    replace: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was written and where, lines to tell of it, the new filters, and a query to try."""

    file: Path
    study_file: Path
    remarks: tuple[str, ...]
    new_filters: tuple[str, ...]
    query: str


def run_import(request: ImportRequest, progress: Progress) -> Outcome:
    """Import a matrix; the catalogue then serves it.

    Parameters
    ----------
    request
        What and where to.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    ImportFailure
        If anything is wrong. The catalogue is then as it was.
    """
    try:
        edit = CatalogEdit(request.data, request.project, request.study)
        there = edit.matrix(request.id)
        if request.genome:
            edit.check_genome(request.genome)
    except CatalogError as error:
        raise ImportFailure(f"the catalogue must be in order before a matrix is added:\n{error}") from None
    except ValueError as error:
        raise ImportFailure(str(error)) from None
    if not request.units.strip():
        raise ImportFailure("--units must not be empty")
    try:
        return _Job(request, edit, there, progress).run()
    except OSError as error:
        raise ImportFailure(f"the import broke off: {error}") from error


class _Job:
    """The steps of one import, in a catalogue that has been checked."""

    def __init__(self, request: ImportRequest, edit: CatalogEdit, there: Matrix | None, progress: Progress) -> None:
        self._request = request
        self._edit = edit
        self._there = there
        self._progress = progress

    def run(self) -> Outcome:
        """Read, write and enter the matrix."""
        request, directory = self._request, self._edit.study_directory
        importer = importer_for(request.source, read_head(request.source))
        stored = self._stored()
        with directory_for(directory):
            source = importer.read(
                request.source, request.options, directory, lambda share: self._progress(share * _READING)
            )
            if isinstance(source, ServedFile):
                return self._serve(source)
            try:
                return self._store(source, stored)
            finally:
                source.cells.close()

    def _stored(self) -> NativeStore | None:
        """Return the store of the matrix that is there already, if it can take a further unit.

        Raises
        ------
        ImportFailure
            If it has these units already and is not to be replaced, or cannot take any.
        """
        request, there = self._request, self._there
        if there is None:
            return None
        try:
            native = NativeStore.recognises(there.path)
            store = NativeStore(there.path, there.feature_id, there.feature_name, there.sample_id) if native else None
        except OSError as error:
            if not request.replace:
                raise ImportFailure(f"the matrix {there.id} cannot be read: {error}", there.path) from None
            return None
        if request.replace:
            return store
        if store is None:
            raise ImportFailure(
                f"the matrix {there.id} is {there.path.name}, which is served as it is and takes no further "
                "units: choose another --id, or add --replace to put this file in its place"
            )
        if request.units in store.units:
            raise ImportFailure(
                f"the matrix {there.id} has the units {request.units} already: add --replace to take these "
                "values instead, or name other --units"
            )
        return store

    def _store(self, source: SourceMatrix, stored: NativeStore | None) -> Outcome:
        """Write the native store of the source, joined with its tables and with the units that are there."""
        request, there = self._request, self._there
        _check_options(request, source)
        source, remarks = _with_tables(request, source)
        cells, features, samples = source.cells, source.features, source.samples
        whole = cells.whole
        layers: tuple[LayerSource, ...] = (LayerSource(request.units, cells, cells.dtype, whole),)
        path = self._edit.study_directory / f"{request.id}.h5"
        file: str | None = path.name
        if stored is not None and there is not None:
            path, file = there.path, None
        further = there is not None and stored is not None and stored.units != (request.units,)
        with restored_on_failure(path):
            try:
                if there is not None and stored is not None and further:
                    merged = merge(there, stored, source, request.units, path.parent)
                    features, samples, layers, cells = merged.features, merged.samples, merged.layers, merged.cells
                    remarks += merged.remarks
                write_native(
                    path, features, samples, layers, lambda share: self._progress(_READING + share * (1 - _READING))
                )
            finally:
                cells.close()
            labels = Labels.of_axes(features, samples)
            tsv = None if further else source.tsv
            entry = make_entry(request.id, layers[0].units, labels, request.texts, there, file, tsv)
            self._enter(entry)
        size = f"{layers[0].values.shape[0]} features × {layers[0].values.shape[1]} samples"
        first = f"{size}, in {', '.join(layer.units for layer in layers)}"
        if whole:
            first += f"; {request.units} are whole numbers"
        return self._outcome(path, (first, *remarks), labels, entry, str(features.columns[features.id][0]))

    def _serve(self, source: ServedFile) -> Outcome:
        """Copy a file that is served as it is, and describe it."""
        request, there = self._request, self._there
        if request.samples is not None or request.features is not None:
            raise ImportFailure(
                "--samples and --features do not apply to a file that is served as it is", request.source
            )
        if there is not None and not request.replace:
            raise ImportFailure(f"the matrix {there.id} is there already: add --replace to put this file in its place")
        path = self._edit.study_directory / f"{request.id}{source.suffix}"
        labels = Labels.of_file(source)
        entry = make_entry(request.id, request.units, labels, request.texts, there, path.name, source.tsv)
        with restored_on_failure(path):
            copy_beside(request.source, path)
            self._enter(entry)
        first = f"{source.shape[0]} features × {source.shape[1]} samples, in {request.units}; served as it is"
        return self._outcome(path, (first,), labels, entry, source.first_feature)

    def _enter(self, entry: Entry) -> None:
        try:
            self._edit.put_expression(entry.values, self._request.genome)
            self._edit.commit()
        except (CatalogError, ValueError) as error:
            raise ImportFailure(f"the catalogue would not check, so nothing was changed: {error}") from None

    def _outcome(self, path: Path, remarks: tuple[str, ...], labels: Labels, entry: Entry, feature: str) -> Outcome:
        there = self._there
        if there is not None and there.path != path:
            remarks = (*remarks, f"{there.path} is no longer used; remove it if nothing else needs it")
        query = f"/rnaget/expressions/{self._request.id}/bytes?format=tsv&featureIDList={quote(feature, safe='')}"
        return Outcome(path, self._edit.study_file, (*remarks, *labels.remarks()), entry.new_filters, query)


def _with_tables(request: ImportRequest, source: SourceMatrix) -> tuple[SourceMatrix, tuple[str, ...]]:
    """Return the source with the attributes of both tables, every axis named, and what was done."""
    samples, features, options = source.samples, source.features, request.options
    remarks = source.remarks
    if request.samples is not None:
        table = read_table(request.samples)
        joined = join_samples(samples, table, _table_id(table, options.sample_id, samples.id))
        samples, remarks = joined.axis, remarks + joined.remarks
    if request.features is not None:
        table = read_table(request.features)
        id = _table_id(table, options.feature_id, features.id)
        joined = join_features(features, table, id, options.feature_name)
        features, remarks = joined.axis, remarks + joined.remarks
    if options.feature_name is not None and features.name != options.feature_name:
        raise ImportFailure(
            f"--feature-name: there is no column {options.feature_name!r}; the features have "
            f"{', '.join(name for name in features.columns if name)}",
            request.source,
        )
    samples, features = with_id_name(samples, "Sample"), with_id_name(features, "feature_id")
    return replace(source, samples=samples, features=features), remarks


def _table_id(table: Table, given: str | None, of_axis: str) -> str | None:
    """Return the id column that is given for the table; a name that only the matrix has is not meant for it."""
    return None if given == of_axis and given not in table.headers else given


def _check_options(request: ImportRequest, source: SourceMatrix) -> None:
    """Refuse an option that names a column where there is none to be named."""
    for axis, given, table, id in (
        ("sample", request.options.sample_id, request.samples, source.samples.id),
        ("feature", request.options.feature_id, request.features, source.features.id),
    ):
        if given is not None and table is None and given != id:
            place = f"the column {id}" if id else "the header"
            raise ImportFailure(
                f"--{axis}-id names a column of the table given by --{axis}s, and there is none: "
                f"the {axis} ids of the matrix are in {place}",
                request.source,
            )
