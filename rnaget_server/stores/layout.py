"""The layout of the native stores: the one place that names their HDF5 paths.

Loom readers see ``/matrix``, ``/layers``, ``/row_attrs`` and ``/col_attrs`` (loom 2.0.1) of the dense store and pass
over ``/rnaget``, where the second orientation, the indexes, the ranges and the embeddings are. The sparse store has the
same attributes, indexes, ranges and embeddings, and both orientations of its cells below ``/rnaget``; it is no loom
file. A store without embeddings, as they all were once, is of the same version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py

LOOM_VERSION = "2.0.1"

MATRIX = "matrix"
BY_FEATURE = "rnaget/by_feature"
BY_SAMPLE = "rnaget/by_sample"
LAYERS = "layers"
OWN = "rnaget"
EMBEDDINGS = "rnaget/embeddings"
ATTRIBUTES = ("row_attrs", "col_attrs")
UNITS = "units"
WHOLE = "whole"
NAME = "name"
ORDER = "order"
FRAME = "frame"
INDPTR = "indptr"
INDICES = "indices"
VALUES = "values"


@dataclass(frozen=True)
class Kind:
    """The attribute of the file by which a store is recognised, and its value."""

    attribute: str
    version: int


DENSE = Kind("rnaget_store", 1)
SPARSE = Kind("rnaget_sparse_store", 1)


@dataclass(frozen=True)
class AxisLayout:
    """The kind of an axis (``feature`` or ``sample``), and its groups: attributes, indexes, long texts, graphs."""

    kind: str
    attributes: str
    index: str
    long_text: str
    graphs: str


FEATURES = AxisLayout("feature", "row_attrs", "rnaget/index/features", "rnaget/text/features", "row_graphs")
SAMPLES = AxisLayout("sample", "col_attrs", "rnaget/index/samples", "rnaget/text/samples", "col_graphs")


def by_sample(number: int) -> str:
    """Return where layer `number` (0: main) is with samples as rows."""
    return f"{BY_SAMPLE}/{number}"


def by_feature(number: int) -> str:
    """Return where layer `number` of a sparse store is with features as rows."""
    return f"{BY_FEATURE}/{number}"


def chunks(number: int, orientation: str) -> str:
    """Return where the places of the chunks of layer `number` are; `orientation` is ``features`` or ``samples``."""
    return f"rnaget/chunks/{number}/{orientation}"


def run_chunks(number: int, direction: str, part: str) -> str:
    """Return where the places of the frames of layer `number` of a sparse store are, of its indices or its values.

    `direction` is ``features`` or ``samples``. The attribute `FRAME` is the number of cells of a frame; where earlier
    versions wrote none, a frame is a chunk.
    """
    return f"rnaget/chunks/{number}/{direction}_{part}"


def ranges(number: int) -> str:
    """Return the group of the ranges of layer `number`."""
    return f"rnaget/ranges/{number}"


def link_name(group: h5py.Group, name: str) -> str:
    """Return a free link in `group` for `name`: HDF5 links hold no ``/``, so the full name is an attribute."""
    link = name.replace("/", "_") if name.strip(".") else f"_{name}"
    while link in group:
        link += "_"
    return link


def text_of(value: Any) -> str:
    """Return an HDF5 attribute as text, whether stored as bytes or str."""
    return value.decode() if isinstance(value, bytes) else str(value)
