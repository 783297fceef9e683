"""The import of one matrix: plan its data file, write it, enter it in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.atomic_files import unused
from rnaget_server.importers.base import Progress, ServedFile, SourceMatrix, check_options, importer_for
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.job import CopyPart, Outcome, Plan, importing, open_catalog
from rnaget_server.importers.matrices.catalog_entry import AxisNames, WrittenMatrix, make_entry
from rnaget_server.importers.matrices.doubts import doubts_about
from rnaget_server.importers.matrices.layers import MergedMatrix, merge
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.importers.matrices.sparse_layers import MergedSparseMatrix, merge_sparse, sparse_layer
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.importers.text.columns import with_id_name
from rnaget_server.stores.failures import reason
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.stores.native.write_sparse import write_sparse

_READING = 0.5


def run_import(request: MatrixRequest, progress: Progress) -> Outcome:
    """Import a matrix; the catalogue then serves it.

    Parameters
    ----------
    request
        The matrix, and its place in a catalogue.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    ImportFailure
        If anything is wrong. The catalogue is then as it was.
    """
    with importing(request.data, request.source):
        edit, existing = open_catalog(request, CatalogEdit.matrix, "a matrix is added")
        least_free = request.options.limits.min_free_bytes
        if request.shard is not None:
            # Written in a dry run, too: only a file can be looked at together with others.
            part = plan_part(replace(request, dry_run=False), edit, None)
            # Not at the top: it opens stores, which no other import does.
            from rnaget_server.importers.matrices.shard_job import plan_shard

            return plan_shard(request, edit, existing, part, request.shard).run(least_free, progress)
        plan = MatrixPlan(edit, (plan_part(request, edit, existing),), request, existing)
        return plan.run(least_free, progress)


@dataclass(frozen=True)
class StorePart:
    """A native store to write: the source, joined with its tables and with the units of the matrix it extends."""

    request: MatrixRequest
    target: Path
    extended: Matrix | None

    def to(self, target: Path) -> StorePart:
        """Return the same part with another target."""
        return replace(self, target=target)

    def write(self, progress: Progress) -> WrittenMatrix:
        """Read the source and write the store."""
        source = self.read(lambda share: progress(share * _READING))
        with ExitStack() as spools:
            for cells in (source.cells, *(cells for _, cells in source.further)):
                spools.enter_context(closing(cells))
            self._check_labels(source.features, source.samples)
            source, remarks = self._join_tables(source)
            remarks += doubts_about(source, self.request.units)
            matrix = self._merge(source)
            with closing(matrix.cells):
                if not self.request.dry_run:
                    self._write(matrix, lambda share: progress(_READING + share * (1 - _READING)))
        return WrittenMatrix(
            units=matrix.layers[0].units,
            names=AxisNames.of_axes(matrix.features, matrix.samples),
            tsv=source.tsv if self.extended is None else None,
            remarks=(self._summary(matrix), *remarks, *matrix.remarks),
            first_feature=str(matrix.features.columns[matrix.features.id][0]),
        )

    def read(self, progress: Progress) -> SourceMatrix:
        """Return what is in the source."""
        importer = importer_for(self.request.source, read_head(self.request.source))
        options = replace(self.request.options, units=self.request.units, check_labels=self._check_labels)
        source = importer.read(self.request.source, options, self.target.parent, progress)
        if isinstance(source, ServedFile):
            raise ImportFailure(
                f"{type(importer).__name__} serves this file as it is and does not say so by `always_as_is`",
                self.request.source,
            )
        return source

    def _check_labels(self, features: AxisTable, samples: AxisTable) -> None:
        """Refuse an option that names a column where there is none to be named."""
        for axis, given, table, labels in (
            ("sample", self.request.options.sample_id, self.request.samples, samples),
            ("feature", self.request.options.feature_id, self.request.features, features),
        ):
            id, columns = labels.id, labels.columns
            if given is not None and not table and given != id:
                place = f"the column {id}" if id else "the header"
                others = ", ".join(name for name in columns if name != id)
                raise ImportFailure(
                    f"--{axis}-id names a column of the table given by --{axis}s, and there is none: the {axis} ids "
                    f"of the matrix are in {place}" + (f", and it has {others} as well" if others else ""),
                    self.request.source,
                )
        if self.request.features is None:
            self._check_feature_name(features)

    def _check_feature_name(self, features: AxisTable) -> None:
        given = self.request.options.feature_name
        if given is not None and features.name != given:
            raise ImportFailure(
                f"--feature-name: there is no column {given!r}; the features have "
                f"{', '.join(name for name in features.columns if name)}",
                self.request.source,
            )

    def _join_tables(self, source: SourceMatrix) -> tuple[SourceMatrix, tuple[str, ...]]:
        """Return the source with the attributes of both tables, every axis named, and remarks."""
        request, samples, features, remarks = self.request, source.samples, source.features, source.remarks
        options = request.options
        if request.samples or request.features is not None:
            from rnaget_server.importers.attribute_tables import with_features, with_samples
        if request.samples:
            joined = with_samples(samples, request.samples, options.sample_id, source.unnamed_samples, options.limits)
            samples, remarks = joined.axis, remarks + joined.remarks
        if request.features is not None:
            joined = with_features(
                features, request.features, options.feature_id, options.feature_name, request.genome, options.limits
            )
            features, remarks = joined.axis, remarks + joined.remarks
        self._check_feature_name(features)
        samples, features = with_id_name(samples, "Sample"), with_id_name(features, "feature_id")
        return replace(source, samples=samples, features=features), remarks

    def _merge(self, source: SourceMatrix) -> MergedMatrix | MergedSparseMatrix:
        """Return the source alone, or with the units that are stored.

        Raises
        ------
        ImportFailure
            If the two do not fit.
        """
        units, extended, cells = self.request.units, self.extended, source.cells
        stored = None if extended is None else _open_native(extended)
        if isinstance(cells, SpooledSparse):
            if extended is None:
                return MergedSparseMatrix(source.features, source.samples, (sparse_layer(units, cells),), cells, ())
            if isinstance(stored, NativeSparseStore):
                return merge_sparse(extended, stored, source, cells, units)
        else:
            if extended is None:
                named = ((units, cells), *source.further)
                layers = tuple(LayerSource(name, values, values.dtype, values.whole) for name, values in named)
                return MergedMatrix(source.features, source.samples, layers, cells, ())
            if isinstance(stored, NativeStore):
                return merge(extended, stored, source, cells, units, self.target.parent)
        forms = ("sparse", "dense") if isinstance(cells, SpooledSparse) else ("dense", "sparse")
        raise ImportFailure(
            f"this file is {forms[0]} and the matrix {extended.id} is stored {forms[1]}, so it cannot become a "
            "further unit of it: import it under an id of its own",
            self.request.source,
        )

    def _write(self, matrix: MergedMatrix | MergedSparseMatrix, progress: Progress) -> None:
        if isinstance(matrix, MergedSparseMatrix):
            write_sparse(self.target, matrix.features, matrix.samples, matrix.layers, progress)
        else:
            compute = self.request.options.compute
            write_native(self.target, matrix.features, matrix.samples, matrix.layers, progress, compute)

    def _summary(self, matrix: MergedMatrix | MergedSparseMatrix) -> str:
        """Return the remark on the size and the cells of the matrix."""
        features, samples = matrix.layers[0].values.shape
        summary = f"{features} features × {samples} samples, in {', '.join(layer.units for layer in matrix.layers)}"
        if isinstance(matrix, MergedSparseMatrix):
            summary += f"; {matrix.cells.count} cells of {self.request.units} are stored, the others are 0"
        if matrix.cells.whole:
            summary += f"; {self.request.units} are whole numbers"
        return summary


@dataclass(frozen=True)
class MatrixPlan(Plan[WrittenMatrix]):
    """The plan of one data file, for the entry of a matrix that may exist."""

    request: MatrixRequest
    existing: Matrix | None

    def commit(self, written: Sequence[WrittenMatrix]) -> Outcome:
        """Enter the matrix in the catalogue."""
        request, (matrix,), file = self.request, written, self.parts[0].target
        entry, new_filters = make_entry(request.id, file.name, matrix, request.texts, self.existing)
        with self.editing() as edit:
            edit.put("expressions", entry, request.genome)
        feature = quote(matrix.first_feature, safe="")
        query = f"/rnaget/expressions/{request.id}/bytes?format=tsv&featureIDList={feature}"
        return Outcome(file, edit.study_file, (*matrix.remarks, *matrix.names.remarks()), new_filters, query)

    def clean_up(self) -> tuple[str, ...]:
        """Remove the store that the matrix had, if an import made it and no other record uses it."""
        old = self.existing
        if old is None or old.path == self.parts[0].target:
            return ()
        if old.shards:
            used = {*self.edit.files(but=old.id), self.parts[0].target}
            left = [path for path in old.shards if path not in used]
            if not left:
                return ()
            return (f"{len(left)} files of the matrix are no longer used, such as {left[0]}; remove them",)
        in_place = old.path.parent == self.edit.study_directory
        if in_place and _is_native(old.path) and old.path not in self.edit.files(but=old.id):
            old.path.unlink(missing_ok=True)
            return ()
        return (f"{old.path} is no longer used; remove it if nothing else needs it",)


def plan_part(
    request: MatrixRequest, edit: CatalogEdit, existing: Matrix | None
) -> StorePart | CopyPart[WrittenMatrix]:
    """Return the data file to write: a native store, or a copy of the source; refuse options that do not apply."""
    importer = importer_for(request.source, read_head(request.source))
    check_options(importer, request.options, request.source)
    extended = extended_matrix(request, existing)
    if request.options.as_is or getattr(importer, "always_as_is", False):
        file = importer.read(request.source, request.options, edit.study_directory, lambda _: None)
        if not isinstance(file, ServedFile):
            file.cells.close()
            attribute = "takes" if request.options.as_is else "always_as_is"
            raise ImportFailure(
                f"{type(importer).__name__} reads the cells of this file, which by `{attribute}` stays as it is",
                request.source,
            )
        return _plan_copy(request, edit, existing, file)
    request = replace(request, genome=edit.check_genome(request.genome))
    return StorePart(request, unused(edit.study_directory / f"{request.id}.h5", edit.files()), extended)


def _plan_copy(
    request: MatrixRequest, edit: CatalogEdit, existing: Matrix | None, file: ServedFile
) -> CopyPart[WrittenMatrix]:
    """Return the part for a file that is served as it is."""
    if request.samples or request.features is not None:
        raise ImportFailure("--samples and --features do not apply to a file that is served as it is", request.source)
    if existing is not None and not request.replace:
        raise ImportFailure(f"the matrix {existing.id} is there already: add --replace to put this file in its place")
    path = edit.study_directory / f"{request.id}{file.suffix}"
    used = edit.files() - ({path} if path.exists() and path.samefile(request.source) else set())
    remark = f"{file.shape[0]} features × {file.shape[1]} samples, in {request.units}; served as it is"
    remarks = (remark, *file.remarks)
    matrix = WrittenMatrix(request.units, AxisNames.of_file(file), file.tsv, remarks, file.first_feature)
    return CopyPart(request.source, unused(path, used), False, matrix)


def extended_matrix(request: MatrixRequest, existing: Matrix | None) -> Matrix | None:
    """Return the existing matrix, if its store keeps units other than those of the request.

    Raises
    ------
    ImportFailure
        If it has these units already and is not to be replaced, or cannot take any.
    """
    if existing is None or (existing.shards and request.replace):
        return None
    if existing.shards:
        raise ImportFailure(
            f"the matrix {existing.id} is of {len(existing.shards)} files and takes no further units: choose another "
            "--id, add further samples by --shard, or add --replace to put this file in their place"
        )
    try:
        store = _open_native(existing)
    except Exception as error:
        if not request.replace:
            why = reason(error, existing.path)
            raise ImportFailure(f"the matrix {existing.id} cannot be read: {why}", existing.path) from None
        return None
    if request.replace:
        return None if store is None or store.units == (request.units,) else existing
    if store is None:
        raise ImportFailure(
            f"the matrix {existing.id} is {existing.path.name}, which is served as it is and takes no further "
            "units: choose another --id, or add --replace to put this file in its place"
        )
    if request.units in store.units:
        raise ImportFailure(
            f"the matrix {existing.id} has the units {request.units} already: add --replace to take these "
            "values instead, or name other --units"
        )
    return existing


def _open_native(matrix: Matrix) -> NativeStore | NativeSparseStore | None:
    """Return the native store of a matrix; None if its file is served as it is."""
    for kind in (NativeStore, NativeSparseStore):
        if kind.recognises(matrix.path):
            return kind(matrix.path)
    return None


def _is_native(path: Path) -> bool:
    try:
        return NativeStore.recognises(path) or NativeSparseStore.recognises(path)
    except Exception:  # a damaged file stays, and a remark says so
        return False
