"""Columns of HDF5 files whose texts are UTF-8 of fixed width: 10x, GCTX."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.text import padding, write_padded


def write_column(group: h5py.Group, link: str, values: NDArray[Any]) -> None:
    """Write an attribute: numbers as they are, or texts."""
    if values.dtype.kind in "OSU":
        write_fixed(group, link, values)
    else:
        group.create_dataset(link, data=values)


def write_fixed(group: h5py.Group, link: str, values: NDArray[Any]) -> None:
    """Write texts, compressed where most of them would be padding. NUL, which would end a text, is left out."""
    texts = [text.replace("\0", "") for text in as_texts(values)]
    width, wasteful = padding(texts, str.encode)
    if wasteful:
        write_padded(group, link, texts, width, str.encode)
    else:
        group.create_dataset(link, data=np.array([text.encode() for text in texts], f"S{width}"))
