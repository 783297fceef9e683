"""Embeddings: two coordinates of each sample, such as those of UMAP, in the forms in which files have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import Points
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_encodings import encoding_of, length_of, obstacle, printable
from rnaget_server.stores.h5ad_frame import listed_columns, read_column
from rnaget_server.stores.hdf5_dataset import Dataset, Member
from rnaget_server.stores.hdf5_file import File, Group

_DENSE = ("", "array")
_FRAME = "dataframe"
# Names of two attributes that are the coordinates of one embedding: UMAP_1 and UMAP_2, tSNE1 and tSNE2, _X and _Y.
_PAIRED = re.compile(r"((?:.*[^a-z])?(?:umap|t-?sne|pca?|phate|fdg|fa2?|lsi|ica|mds|embeddings?))[ _.-]?1", re.I)
_LETTERED = re.compile(r"(.*[ _.-])x", re.I)


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of an AnnData file by name, and lines that say what is left out."""

    items: Mapping[str, Dataset | Group | Member]
    remarks: tuple[str, ...] = ()


def points_from(coordinates: NDArray[Any]) -> Points:
    """Return the first two columns as points; a sample that lacks one of the two, or has it infinite, has no place."""
    with np.errstate(over="ignore"):
        points = np.array(coordinates[:, :2], np.float32, order="C")
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def paired(attributes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the embeddings whose two coordinates are attributes of samples, as their names say: name → attributes."""
    pairs: dict[str, tuple[str, str]] = {}
    for name, first, second in _pairs(attributes):
        pairs.setdefault(name, (first, second))
    return pairs


def coordinates(attributes: Sequence[str]) -> frozenset[str]:
    """Return the attributes that say where samples are: those of all pairs, and the third of them and further ones."""
    further = [
        re.compile(re.escape(first[:-1]) + ("[0-9]+" if first[-1] == "1" else "[xyzXYZ]"))
        for _, first, _ in _pairs(attributes)
    ]
    return frozenset(name for name in attributes if any(pattern.fullmatch(name) for pattern in further))


def _pairs(attributes: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the name of an embedding, and the attributes that are its two coordinates."""
    known = set(attributes)
    for first in attributes:
        for pattern, second in ((_PAIRED, "2"), (_LETTERED, "Y" if first[-1:] == "X" else "y")):
            match = pattern.fullmatch(first)
            if match and first[:-1] + second in known:
                yield match[1].strip(" _.-") or "coordinates", first, first[:-1] + second


def read_obsm(file: File, place: str, samples: int) -> Embeddings:
    """Return the embeddings in ``obsm`` of an AnnData file; their values are not read yet.

    Raises
    ------
    UnfitFile
        If one has more or fewer rows than there are samples.
    """
    group = file.get(place)
    if isinstance(group, Dataset) and group.dtype.names:  # as before anndata 0.7
        members = {name: Member(group, name) for name in group.dtype.names}
        found = {name: member for name, member in members.items() if _is_table(member.dtype)}
        return Embeddings(found if group.shape == (samples,) else _refuse(place, group.shape[0], samples))
    if not isinstance(group, Group):
        return Embeddings({})
    items, left_out = {}, []
    for name, item in group.items():
        reason = _obstacle(item, samples)
        if reason is None:
            items[name] = item
        else:
            left_out.append(f"{printable(name)} ({reason})")
    remark = f"left out of {place}: {', '.join(left_out[:20])}" if left_out else ""
    return Embeddings(items, (remark,) if remark else ())


def read_points(item: Dataset | Group | Member, file: File) -> Points:
    """Return the points of one of the embeddings of `read_obsm`, or of a dataset of samples × components."""
    if isinstance(item, Member):
        return points_from(item.whole())
    if isinstance(item, Group):
        columns = [read_column(item.dataset(name), file).take(None) for name in _numbers(item)[:2]]
        return points_from(np.column_stack(columns))
    return points_from(item[: item.shape[0], 0:2])


def is_embedding(dataset: Dataset, samples: int) -> bool:
    """Return whether a dataset has two or more numbers for each sample."""
    return dataset.ndim == 2 and dataset.shape[0] == samples and dataset.shape[1] >= 2 and dataset.dtype.kind in "iuf"


def _is_table(dtype: np.dtype[Any]) -> bool:
    return dtype.base.kind in "iuf" and len(dtype.shape) == 1 and dtype.shape[0] >= 2


def _obstacle(item: Dataset | Group, samples: int) -> str | None:
    """Return why an item of ``obsm`` is no embedding, None if it is one."""
    encoding = encoding_of(item)
    if isinstance(item, Group):
        if encoding != _FRAME:
            return f"of the encoding {printable(encoding)}" if encoding else "in an unknown form"
        numbers = _numbers(item)
        if len(numbers) < 2:
            return "fewer than two columns of numbers"
        _refuse_length(item.name, length_of(item.get(numbers[0])) or 0, samples)
        return next((reason for name in numbers[:2] if (reason := obstacle(item.get(name), samples))), None)
    if encoding not in _DENSE:
        return f"of the encoding {printable(encoding)}"
    if item.ndim and item.size:
        _refuse_length(item.name, item.shape[0], samples)
    return None if is_embedding(item, samples) else "not two or more numbers for each sample"


def _numbers(frame: Group) -> list[str]:
    """Return the columns of a data frame that hold numbers."""
    columns = {name: frame.get(name) for name in listed_columns(frame)}
    return [name for name, item in columns.items() if isinstance(item, Dataset) and item.dtype.kind in "iuf"]


def _refuse_length(place: str, rows: int, samples: int) -> None:
    if rows != samples:
        _refuse(place, rows, samples)


def _refuse(place: str, rows: int, samples: int) -> Any:
    raise UnfitFile(
        f"has {printable(place.strip('/'))} of {rows:,} rows for {samples:,} samples: write it again with one row for "
        "each, or without it"
    )
