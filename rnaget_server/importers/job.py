"""One import from end to end: read the source, join the tables, write the data file, enter it in the YAML."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import CatalogError, ImportFailure
from rnaget_server.importers.base import (
    Progress,
    ReadOptions,
    ServedFile,
    SourceMatrix,
    check_options,
    importer_for,
)
from rnaget_server.importers.columns import with_id_name
from rnaget_server.importers.layers import Merged, merge
from rnaget_server.importers.places import (
    copy_beside,
    directory_for,
    restored_on_failure,
    unused,
    with_room,
)
from rnaget_server.importers.record import Entry, Labels, make_entry
from rnaget_server.importers.sniff import read_head
from rnaget_server.importers.sparse_layers import MergedSparse, merge_sparse, sparse_layer
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.importers.tables import Table, join_features, join_samples, read_table
from rnaget_server.stores.failures import is_full, is_of_file, reason
from rnaget_server.stores.native import NativeStore
from rnaget_server.stores.native_sparse import NativeSparseStore
from rnaget_server.stores.native_sparse_writer import write_sparse
from rnaget_server.stores.native_writer import LayerSource, write_native
from rnaget_server.unfinished import alone_in

_READING = 0.5

Stored = NativeStore | NativeSparseStore


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
    with importing(request.data, request.source):
        return _import(request, progress)


def _import(request: ImportRequest, progress: Progress) -> Outcome:
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
    return _Job(request, edit, there, progress).run()


@contextlib.contextmanager
def importing(data: Path, *sources: Path) -> Iterator[None]:
    """Have a catalogue for oneself; whatever the files bring about in it is an `ImportFailure` that says so."""
    try:
        with alone_in(data):
            yield
    except BaseException as error:
        raise broken_off(error, *sources) from None


def broken_off(error: BaseException, *sources: Path) -> BaseException:
    """Return the failure to raise for an error that ended an import; the error itself, if it is none of the files."""
    if isinstance(error, ImportFailure) or not is_of_file(error):
        return error
    if is_full(error):
        return ImportFailure("the import broke off, for the disk is full: make room there, and import again")
    return ImportFailure(f"the import broke off: {reason(error, *sources)}")


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
        check_options(importer, request.options, request.source)
        stored = self._stored()
        with directory_for(directory):
            self._progress = with_room(directory, request.options.limits.min_free_bytes, self._progress)
            source = importer.read(
                request.source, request.options, directory, lambda share: self._progress(share * _READING)
            )
            if isinstance(source, ServedFile):
                return self._serve(source)
            try:
                return self._store(source, stored)
            finally:
                source.cells.close()

    def _stored(self) -> Stored | None:
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
            store = _opened(there)
        except Exception as error:
            if not request.replace:
                why = reason(error, there.path)
                raise ImportFailure(f"the matrix {there.id} cannot be read: {why}", there.path) from None
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

    def _store(self, source: SourceMatrix, stored: Stored | None) -> Outcome:
        """Write the native store of the source, joined with its tables and with the units that are there."""
        request, there = self._request, self._there
        _check_options(request, source)
        source, remarks = _with_tables(request, source)
        path = unused(self._edit.study_directory / f"{request.id}.h5", self._edit.files())
        further = there is not None and stored is not None and stored.units != (request.units,)
        with restored_on_failure(path):
            made = self._merged(source, stored if further else None, path.parent)
            try:
                _write(path, made, lambda share: self._progress(_READING + share * (1 - _READING)))
            finally:
                made.cells.close()
            labels = Labels.of_axes(made.features, made.samples)
            tsv = None if further else source.tsv
            entry = make_entry(request.id, made.layers[0].units, labels, request.texts, there, path.name, tsv)
            self._enter(entry)
        first_feature = str(made.features.columns[made.features.id][0])
        return self._outcome(path, (_size(request, made), *remarks, *made.remarks), labels, entry, first_feature)

    def _merged(self, source: SourceMatrix, stored: Stored | None, directory: Path) -> Merged | MergedSparse:
        """Return the source alone, or with the units that are stored.

        Raises
        ------
        ImportFailure
            If the two do not fit.
        """
        units, there, cells = self._request.units, self._there, source.cells
        if isinstance(cells, SpooledSparse):
            if stored is None or there is None:
                return MergedSparse(source.features, source.samples, (sparse_layer(units, cells),), cells, ())
            if isinstance(stored, NativeSparseStore):
                return merge_sparse(there, stored, source, cells, units)
        else:
            if stored is None or there is None:
                layer = LayerSource(units, cells, cells.dtype, cells.whole)
                return Merged(source.features, source.samples, (layer,), cells, ())
            if isinstance(stored, NativeStore):
                return merge(there, stored, source, cells, units, directory)
        forms = ("sparse", "dense") if isinstance(cells, SpooledSparse) else ("dense", "sparse")
        raise ImportFailure(
            f"this file is {forms[0]} and the matrix {there.id} is stored {forms[1]}, so it cannot become a further "
            "unit of it: import it under an id of its own",
            self._request.source,
        )

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
        used = self._edit.files() - ({path} if path.exists() and path.samefile(request.source) else set())
        path = unused(path, used)
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
        if there is not None and there.path != path and not self._removed(there):
            remarks = (*remarks, f"{there.path} is no longer used; remove it if nothing else needs it")
        query = f"/rnaget/expressions/{self._request.id}/bytes?format=tsv&featureIDList={quote(feature, safe='')}"
        return Outcome(path, self._edit.study_file, (*remarks, *labels.remarks()), entry.new_filters, query)

    def _removed(self, there: Matrix) -> bool:
        """Remove the store that the matrix had, if an import made it and no other record uses it; say whether."""
        in_place = there.path.parent == self._edit.study_directory
        if not (in_place and _is_native(there.path)) or there.path in self._edit.files(but=there.id):
            return False
        there.path.unlink(missing_ok=True)
        return True


def _is_native(path: Path) -> bool:
    try:
        return NativeStore.recognises(path) or NativeSparseStore.recognises(path)
    except Exception:  # a damaged file stays, and a remark says so
        return False


def _opened(there: Matrix) -> Stored | None:
    """Return the native store of a matrix; None if its file is served as it is."""
    if NativeStore.recognises(there.path):
        return NativeStore(there.path, there.feature_id, there.feature_name, there.sample_id)
    if NativeSparseStore.recognises(there.path):
        return NativeSparseStore(there.path, there.feature_id, there.feature_name, there.sample_id)
    return None


def _write(path: Path, made: Merged | MergedSparse, progress: Progress) -> None:
    if isinstance(made, MergedSparse):
        write_sparse(path, made.features, made.samples, made.layers, progress)
    else:
        write_native(path, made.features, made.samples, made.layers, progress)


def _size(request: ImportRequest, made: Merged | MergedSparse) -> str:
    """Return the line of the summary that tells what is stored."""
    features, samples = made.layers[0].values.shape
    told = f"{features} features × {samples} samples, in {', '.join(layer.units for layer in made.layers)}"
    if isinstance(made, MergedSparse):
        told += f"; {made.cells.count} cells of {request.units} are stored, the others are 0"
    if made.cells.whole:
        told += f"; {request.units} are whole numbers"
    return told


def _with_tables(request: ImportRequest, source: SourceMatrix) -> tuple[SourceMatrix, tuple[str, ...]]:
    """Return the source with the attributes of both tables, every axis named, and what was done."""
    samples, features, options = source.samples, source.features, request.options
    remarks = source.remarks
    if request.samples is not None:
        table = read_table(request.samples, options.limits)
        joined = join_samples(samples, table, _table_id(table, options.sample_id, samples.id))
        samples, remarks = joined.axis, remarks + joined.remarks
    if request.features is not None:
        table = read_table(request.features, options.limits)
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
    for axis, given, table, labels in (
        ("sample", request.options.sample_id, request.samples, source.samples),
        ("feature", request.options.feature_id, request.features, source.features),
    ):
        id, columns = labels.id, labels.columns
        if given is not None and table is None and given != id:
            place = f"the column {id}" if id else "the header"
            others = ", ".join(name for name in columns if name != id)
            raise ImportFailure(
                f"--{axis}-id names a column of the table given by --{axis}s, and there is none: "
                f"the {axis} ids of the matrix are in {place}" + (f", and it has {others} as well" if others else ""),
                request.source,
            )
