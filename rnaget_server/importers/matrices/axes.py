"""The label columns of a source as an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.text.columns import ColumnValues, find_name, free_name, text_column, typed_column
from rnaget_server.importers.text.table_body import check_ids
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.stores.native.write_dense import AxisTable


def label_axis(
    labels: Sequence[str],
    columns: Sequence[Sequence[str]],
    name: str | None = None,
    typed: Callable[[Sequence[str]], ColumnValues] = typed_column,
) -> AxisTable:
    """Return the axis of label columns: the first holds the ids, `name` the names, the rest attributes."""
    table = {
        label: typed(values) if place and label != name else text_column(values)
        for place, (label, values) in enumerate(zip(labels, columns, strict=True))
    }
    return AxisTable(labels[0], table, name)


def feature_axis(
    labels: Sequence[str],
    columns: Sequence[Sequence[str]],
    options: ReadOptions,
    typed: Callable[[Sequence[str]], ColumnValues] = typed_column,
) -> AxisTable:
    """Return the axis of features; the names are in the column that the options or a known header say."""
    others = labels[1:]
    if options.feature_name is None:
        name = find_name(others)
    else:
        name = options.feature_name if options.feature_name in others else None
    return label_axis(labels, columns, name, typed)


def split_samples(
    samples: AxisTable, template: LabelTemplate, options: ReadOptions, path: Path, line: int
) -> AxisTable:
    """Return the samples with their labels split into attributes (text, to print again as they were).

    Raises
    ------
    ImportFailure
        If a label does not fit the template, or the ids among the parts are empty or repeated.
    """
    parts = template.split(list(samples.columns[samples.id]), path, line)
    id = options.sample_id if options.sample_id in parts else template.fields[0]
    check_ids(parts[id], "sample", path, line)
    columns = {name: text_column(values) for name, values in parts.items()}
    for name, column in samples.columns.items():
        if name != samples.id:
            columns[free_name(name, columns)] = column
    return AxisTable(id, columns)
