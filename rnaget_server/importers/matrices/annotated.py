"""Shared by the importers of AnnData and 10x files: labels by attribute name, and cells that may be sparse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, ServedFile, TsvStyle
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.attributes import id_attribute, name_attribute, style_of
from rnaget_server.importers.spool import Spool, SpooledCells, filling, kept_dtype
from rnaget_server.importers.text.columns import text_column
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts
from rnaget_server.stores.native.write_dense import AxisTable

_ROWS_BYTES = 8 << 20


@dataclass(frozen=True)
class UsualNames:
    """The attributes that hold ids and names unless options name others, best first."""

    feature_ids: tuple[str, ...]
    feature_names: tuple[str, ...]
    sample_ids: tuple[str, ...]


def refuse_text_options(options: ReadOptions, path: Path, what: str) -> None:
    """Refuse the options that say how text is to be read."""
    if options.transpose or options.label_columns is not None:
        raise ImportFailure(f"--transpose and --label-columns do not apply to {what}, which fixes its form", path)
    if options.header is not None or options.decimal is not None or options.value_column is not None:
        raise ImportFailure(
            f"--header, --no-header, --decimal and --value-column are for TSV and CSV: they do not apply to {what}",
            path,
        )


def served_file(
    path: Path, axes: tuple[Axis, Axis], usual: UsualNames, options: ReadOptions, suffix: str
) -> ServedFile:
    """Return the description of a file that is served as it is, with these features and samples.

    Raises
    ------
    ImportFailure
        If an attribute that an option names is not there, or ids are repeated or empty.
    """
    features, samples = axes
    feature_id = id_attribute(path, features, options.feature_id, usual.feature_ids, "feature")
    return ServedFile(
        suffix=suffix,
        shape=(features.size, samples.size),
        feature_id=feature_id,
        feature_name=name_attribute(path, features, options.feature_name, usual.feature_names, feature_id),
        sample_id=id_attribute(path, samples, options.sample_id, usual.sample_ids, "sample"),
        feature_attributes=features.attributes,
        sample_attributes=samples.attributes,
        first_feature=as_texts(features.column(feature_id, np.arange(1)))[0],
        tsv=style_of(path, options, samples.attributes),
    )


def labels(
    path: Path, axes: tuple[Axis, Axis], usual: UsualNames, options: ReadOptions
) -> tuple[AxisTable, AxisTable, TsvStyle]:
    """Return the labels of these features and samples, and how columns are labelled in TSV.

    An id or name that is no attribute may be one of the table that is joined later, so it is left to that.

    Raises
    ------
    ImportFailure
        If ids are repeated or empty, or an option names an attribute that is nowhere.
    """
    features, samples = axes
    feature_id = id_attribute(path, features, _if_present(features, options.feature_id), usual.feature_ids, "feature")
    sample_id = id_attribute(path, samples, _if_present(samples, options.sample_id), usual.sample_ids, "sample")
    feature_name = _if_present(features, options.feature_name)
    if options.feature_name is None:
        feature_name = name_attribute(path, features, None, usual.feature_names, feature_id)
    style = style_of(path, options, samples.attributes)
    tables = _table(features, feature_id, feature_name), _table(samples, sample_id, None)
    options.check_labels(*tables)
    return *tables, style


def spool_rows(path: Path, dataset: Any, directory: Path, progress: Progress) -> SpooledCells:
    """Return the cells of a dense dataset of samples × features, spooled.

    Raises
    ------
    ImportFailure
        If the cells are damaged, or a value is too large.
    """
    samples, features = dataset.shape
    kept = kept_dtype(dataset.dtype)
    tall = dataset.chunks[0] if dataset.chunks else 1
    step = max(tall, _ROWS_BYTES // max(1, features * kept.itemsize) // tall * tall)
    with filling(Spool(directory, features, transposed=True), path) as spool:
        for start in range(0, samples, step):
            with as_import_failures(path):
                rows: NDArray[Any] = dataset[start : start + step].astype(kept)
            spool.append(rows)
            progress(min(samples, start + step) / samples)
        return spool.finish()


def _if_present(axis: Axis, name: str | None) -> str | None:
    return name if name in axis.attributes else None


def _table(axis: Axis, id: str, name: str | None) -> AxisTable:
    columns = {attribute: axis.column(attribute) for attribute in axis.attributes}
    for attribute in filter(None, (id, name)):
        columns[attribute] = text_column(as_texts(columns[attribute]))
    return AxisTable(id, columns, name)
