"""Attributes of samples and features from tables of any kind, joined to the axes of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnaget_server.importers.builds import assembly_of_genes, assembly_of_header, remarks_on_builds
from rnaget_server.importers.detect import read_head, refuse_no_file
from rnaget_server.importers.foreign_text import is_annotation, refuse_foreign_table
from rnaget_server.importers.sequences.feature_tables import read_feature_tables
from rnaget_server.importers.text.columns import find_name
from rnaget_server.importers.text.excel import is_workbook
from rnaget_server.importers.text.joins import JoinedAxis, join_features, join_samples, name_samples
from rnaget_server.importers.text.tables import Table, read_table
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.native.write_dense import AxisTable


def with_samples(
    axis: AxisTable, paths: Sequence[Path], id: str | None, unnamed: bool, limits: FileLimits
) -> JoinedAxis:
    """Return the samples with the attributes of tables; `unnamed` ones get the ids of the first, in its order.

    Raises
    ------
    ImportFailure
        If a table is not well formed or does not fit the samples.
    """
    tables = [_table(path, limits) for path in paths]
    given = _table_id(tables, id, axis.id)
    named: tuple[str, ...] = ()
    if unnamed:
        axis, named = name_samples(axis, tables[0], given if given in tables[0].headers else None)
    joined = join_samples(axis, tables, given)
    return JoinedAxis(joined.axis, (*named, *joined.remarks))


def with_features(
    axis: AxisTable, path: Path, id: str | None, name: str | None, genome: str | None, limits: FileLimits
) -> JoinedAxis:
    """Return the features with the attributes of a table or an annotation, and a warning of another genome.

    Raises
    ------
    ImportFailure
        If the table is not well formed or fits no feature.
    """
    refuse_no_file(path)
    annotated = not is_workbook(path) and is_annotation(read_head(path))
    tables = read_feature_tables(path, limits) if annotated else (_table(path, limits),)
    joined = join_features(axis, tables, _table_id(tables, id, axis.id), name)
    said = [
        (f"the header of {path.name} says", assembly_of_header(path) if annotated else None),
        (f"the genes of {path.name} lie as in", _assembly_of_table(tables[0])),
        ("the genes of the matrix lie as in", assembly_of_genes(axis.columns, axis.id, axis.name)),
    ]
    return JoinedAxis(joined.axis, (*joined.remarks, *remarks_on_builds(genome, said)))


def _table(path: Path, limits: FileLimits) -> Table:
    refuse_no_file(path)
    if not is_workbook(path):
        refuse_foreign_table(path)
    return read_table(path, limits)


def _table_id(tables: Sequence[Table], given: str | None, of_axis: str) -> str | None:
    """Return the id column that is given for the tables; a name that only the matrix has is not meant for them."""
    return None if given == of_axis and not any(given in table.headers for table in tables) else given


def _assembly_of_table(table: Table) -> str | None:
    columns = {header: [row[at] for row in table.rows] for at, header in enumerate(table.headers)}
    return assembly_of_genes(columns, table.headers[0], find_name(table.headers[1:], description=False))
