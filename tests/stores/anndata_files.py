"""Small AnnData files in the forms that versions of anndata which are not installed write, made by h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

TEXT = h5py.string_dtype()
CELLS = np.array([[2, 0, 0], [0, 5, 0], [0, 0, 7], [1, 0, 3]], np.float32)
"""Samples × features."""


def put_array(group: h5py.Group, name: str, values: Any) -> h5py.Dataset:
    """Write an array, or an array of texts, as anndata 0.8 and later do."""
    array = np.asarray(values)
    is_text = array.dtype.kind in "UO"
    dataset = group.create_dataset(name, data=array.astype(TEXT) if is_text else array)
    dataset.attrs["encoding-type"] = "string-array" if is_text else "array"
    dataset.attrs["encoding-version"] = "0.2.0"
    return dataset


def put_nullable(group: h5py.Group, name: str, values: list[Any], fill: Any, **attributes: Any) -> h5py.Group:
    """Write values and their mask, None being a missing one, as pandas' nullable arrays are written."""
    kind = {str: "string-array", bool: "boolean", int: "integer"}[type(fill)]
    own = group.create_group(name)
    own.attrs.update({"encoding-type": f"nullable-{kind}", "encoding-version": "0.1.0", **attributes})
    put_array(own, "values", [fill if value is None else value for value in values])
    put_array(own, "mask", [value is None for value in values])
    return own


def put_categorical(group: h5py.Group, name: str, codes: list[int], ordered: bool = False) -> h5py.Group:
    """Write the codes of a categorical column; its categories are for the caller to write."""
    own = group.create_group(name)
    own.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": ordered})
    put_array(own, "codes", np.array(codes, np.int8))
    return own


def put_frame(file: h5py.Group, place: str, ids: list[str | None], columns: tuple[str, ...] = ()) -> h5py.Group:
    """Write a data frame as anndata 0.13 with pandas 3 does: its index is a nullable array of texts."""
    frame = file.create_group(place)
    frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
    frame.attrs["column-order"] = np.array(columns, TEXT) if columns else np.array([], np.float64)
    put_nullable(frame, "_index", ids, "", **{"na-value": "NaN"})
    return frame


def write_current(path: Path, columns: tuple[str, ...] = ()) -> Path:
    """Write four samples and three features in the form of anndata 0.13; the columns of ``obs`` are still to come."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        put_array(file, "X", CELLS)
        put_frame(file, "obs", ["a", "b", "c", "d"], columns)
        put_nullable(put_frame(file, "var", ["G", "H", "I"], ("gene_ids",)), "gene_ids", ["g1", "g2", "g3"], "")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            file.create_group(name).attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
    return path


def write_compound(path: Path, text: Any, **options: Any) -> Path:
    """Write the same in the form of anndata 0.6: compound datasets, categories in ``uns``, and a larger ``raw``."""
    obs = [
        ("index", text, ["a", "b", "c", "d"]),
        ("n", "<i8", [5, 6, -7, 8]),
        ("name", text, ["x", "longer than others", "", "R&D"]),
        ("tissue", "i1", [1, -1, 0, 1]),
        ("year", "i1", [0, 1, 1, 0]),
        ("half", "<f4", [0.5, np.nan, 1, 2]),
        ("flag", "?", [True, False, True, True]),
        ("only", "i1", [0, 0, 0, 0]),
    ]
    var = [("index", text, ["G", "H", "I"]), ("gene_ids", text, ["g1", "g2", "g3"]), ("kind", "i1", [0, 1, 0])]
    with h5py.File(path, "w") as file:
        for place, columns in (("obs", obs), ("var", var), ("raw.var", var)):
            records = np.empty(len(columns[0][2]), [(name, kind) for name, kind, _ in columns])
            for name, _, values in columns:
                records[name] = values
            file.create_dataset(place, data=records, **options)
        put_sparse(file, "X", CELLS)
        put_sparse(file, "raw.X", CELLS * 2)
        file["uns/tissue_categories"] = np.array(["kidney", "liver"], text)
        file["uns/year_categories"] = np.array([2019, 2024])
        file["uns/only_categories"] = np.array(["one"], text)
        file["uns/kind_categories"] = np.array(["p", "q"], text)
        file["raw.cat/kind_categories"] = np.array(["raw p", "raw q"], text)
    return path


def put_sparse(file: h5py.Group, place: str, cells: np.ndarray[Any, Any], form: str = "csr") -> h5py.Group:
    """Write a sparse matrix under the names that h5sparse gave it."""
    lines = cells if form == "csr" else cells.T
    group = file.create_group(place)
    group.attrs.update({"h5sparse_format": form, "h5sparse_shape": np.array(cells.shape)})
    group["indptr"] = np.concatenate([[0], np.cumsum((lines != 0).sum(axis=1))])
    group["indices"] = np.nonzero(lines)[1].astype(np.int32)
    group["data"] = lines[lines != 0]
    return group
