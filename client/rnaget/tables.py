"""Files as tables of pandas, Arrow or AnnData."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import json
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnaget.errors import ClientError

if TYPE_CHECKING:
    import anndata
    import pandas
    import pyarrow

_ID_COLUMN = "gene id"
"""The name that the standard gives to the column of ids, in lower case."""

_EXTRAS = {"pandas": "pandas", "pyarrow": "arrow", "anndata": "anndata"}


def needed(name: str) -> Any:
    """Return a package that only some results need.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra that has it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = _EXTRAS[name]
        raise ImportError(f"this needs {name}: install rnaget with its extra, rnaget[{extra}] ({error})") from None


def is_installed(name: str) -> bool:
    """Return whether a package can be imported, without doing so."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def read_arrow(content: bytes, place: str) -> pyarrow.Table:
    """Return the table of an Arrow stream or file."""
    pyarrow = needed("pyarrow")
    ipc = importlib.import_module("pyarrow.ipc")
    try:
        is_file = content.startswith(b"ARROW1")
        return (ipc.open_file if is_file else ipc.open_stream)(pyarrow.BufferReader(content)).read_all()
    except (pyarrow.ArrowInvalid, OSError, ValueError) as error:
        raise ClientError(f"{place} sends no Arrow table: {error}") from None


def frame_of_arrow(table: pyarrow.Table, attributes: Collection[str] = ()) -> pandas.DataFrame:
    """Return values alone: features as rows by their ids, samples as columns by theirs.

    Where the table does not say which columns those are, they are all of numbers but the first, and but `attributes`.
    """
    pd = needed("pandas")
    metadata = arrow_metadata(table)
    features, samples = metadata.get("features") or {}, metadata.get("samples") or {}
    names = table.schema.names
    listed = list(samples.get("columns") or []) if isinstance(samples, dict) else []
    if missing := [name for name in listed if name not in names]:
        raise ClientError(f"the server sends an Arrow table without the column {missing[0]} that it names")
    is_value = [
        _is_value(kind) and name not in attributes for name, kind in zip(names, table.schema.types, strict=True)
    ]
    values = [names.index(name) for name in listed] or [number for number in range(1, len(names)) if is_value[number]]
    first = features.get("id") if isinstance(features, dict) else None
    index = names.index(first) if first in names and first not in listed else 0
    frame: pandas.DataFrame = table.select(values).to_pandas()
    frame.index = pd.Index(table.column(index).to_pandas(), name=names[index])
    ids = (samples.get("attributes") or {}).get(samples.get("id")) if isinstance(samples, dict) else None
    if isinstance(ids, list) and len(ids) == len(values):
        frame.columns = pd.Index(ids)
    frame.attrs.update({key: metadata[key] for key in ("origin", "units") if metadata.get(key)})
    return frame


def arrow_metadata(table: pyarrow.Table) -> dict[str, Any]:
    """Return the metadata of a table, of which each value is JSON."""
    found = {}
    for key, value in (table.schema.metadata or {}).items():
        try:
            found[key.decode()] = json.loads(value)
        except ValueError:
            continue
    return found


def _is_value(kind: Any) -> bool:
    return re.fullmatch(r"float|double|halffloat|u?int\d+", str(kind)) is not None


def frame_of_tsv(
    content: bytes, place: str, attributes: Collection[str] = (), id_column: str | None = None
) -> pandas.DataFrame:
    """Return the values of a table with tabs by ids; other columns of text before them go to ``attrs["labels"]``.

    Columns that have the names of attributes are labels as well, numbers or not. The ids are in `id_column`, else in
    the column that the standard calls ``Gene ID``, else in the first.
    """
    pd = needed("pandas")
    comments, text = split_comments(content, place)
    if not text.strip():
        raise ClientError(f"{place} sends an empty table")
    options = {"sep": "\t", "header": None, "skiprows": 1, "index_col": False}
    header = _header(text)
    try:
        # By numbers of columns: pandas renames repeated names. A gene called NA is no missing value.
        cells: pandas.DataFrame = pd.read_csv(
            io.StringIO(text), float_precision="round_trip", dtype={0: str}, low_memory=False, **options
        )
        if len(cells.columns) != len(header):
            raise ValueError(f"{len(header)} names of columns, {len(cells.columns)} columns")
        count = _label_count(cells, header, {*attributes, *filter(None, [id_column])}, place)
        texts = pd.read_csv(io.StringIO(text), usecols=range(count), dtype=str, keep_default_na=False, **options)
    except pd.errors.EmptyDataError:
        cells, count = pd.DataFrame(columns=range(len(header))), 1
        texts = cells
    except ValueError as error:
        raise ClientError(f"{place} sends no table: {error}") from None
    frame = cells.iloc[:, count:].copy()
    index = _id_place(header[:count], id_column)
    frame.columns, frame.index = pd.Index(header[count:]), pd.Index(texts.iloc[:, index], name=header[index])
    others = [number for number in range(count) if number != index]
    if others:
        frame.attrs["labels"] = {header[number]: texts.iloc[:, number].tolist() for number in others}
    if comments:
        frame.attrs["origin"] = comments
    return frame


def _header(text: str) -> list[str]:
    """Return the names of the columns; one that begins with a quote is quoted, as labels are."""
    line = text.partition("\n")[0].rstrip("\r")
    try:
        return next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error:  # of a server that does not quote
        return line.split("\t")


def _id_place(labels: list[str], id_column: str | None) -> int:
    """Return the place of the ids among the columns of labels."""
    if id_column in labels:
        return labels.index(id_column)
    return next((place for place, name in enumerate(labels) if name.lower() == _ID_COLUMN), 0)


def _label_count(cells: pandas.DataFrame, header: list[str], attributes: Collection[str], place: str) -> int:
    """Return how many columns come before the values."""
    is_number = needed("pandas").api.types.is_numeric_dtype
    count = 1
    while count < len(header) and (header[count] in attributes or not is_number(cells.dtypes.iloc[count])):
        count += 1
    wrong = [header[number] for number in range(count, len(header)) if not is_number(cells.dtypes.iloc[number])]
    if wrong:
        raise ClientError(f"{place} sends a table in whose column {wrong[0]} not all values are numbers")
    return count


def split_comments(content: bytes, place: str) -> tuple[dict[str, str], str]:
    """Return the comment lines of a table as keys with values, and the rest."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClientError(f"{place} sends no table: {error}") from None
    comments: dict[str, str] = {}
    while text.startswith("#"):
        line, _, text = text.partition("\n")
        if parts := re.fullmatch(r"#+\s*([^:\t]+?)\s*[:\t]\s*(.*?)\s*", line):
            comments[parts[1]] = parts[2]
    return comments, text


def read_h5ad(content: bytes, place: str) -> anndata.AnnData:
    """Return the AnnData object of a file."""
    package = needed("anndata")
    with tempfile.TemporaryDirectory(prefix="rnaget-") as directory:
        path = Path(directory) / "slice.h5ad"
        path.write_bytes(content)
        try:
            return package.read_h5ad(path)
        except Exception as error:  # of h5py, and of many kinds
            raise ClientError(f"{place} sends no AnnData file: {error}") from None


def anndata_of_frame(
    frame: pandas.DataFrame, obs: pandas.DataFrame | None, var: pandas.DataFrame | None
) -> anndata.AnnData:
    """Return an AnnData object of a table: samples as rows; attributes where they are known."""
    package, pd = needed("anndata"), needed("pandas")

    def aligned(known: pandas.DataFrame | None, ids: pandas.Index) -> pandas.DataFrame:
        ids = ids.astype(str)
        if known is None or not known.index.is_unique or not ids.isin(known.index).all():
            empty: pandas.DataFrame = pd.DataFrame(index=ids)
            return empty
        return known.loc[ids]

    result = package.AnnData(frame.T.to_numpy(), obs=aligned(obs, frame.columns), var=aligned(var, frame.index))
    result.uns["origin"] = {key: str(value) for key, value in frame.attrs.items() if key != "labels"}
    return result


def frame_of_records(records: list[Mapping[str, Any]], name: str | None) -> pandas.DataFrame:
    """Return the attributes of features or samples, by their ids."""
    pd = needed("pandas")
    rows = [record.get("attributes") or {} for record in records]
    frame: pandas.DataFrame = pd.DataFrame(rows, index=pd.Index([record.get("id") for record in records], name=name))
    if name in frame.columns and (frame[name].astype(str) == frame.index.astype(str)).all():
        frame = frame.drop(columns=name)
    return frame
