"""What a writer gets, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import SparseCells


def nothing() -> None:
    """Free nothing."""


class Labels(Protocol):
    """The labels of the selected features or samples, in order."""

    @property
    def size(self) -> int:
        """How many are selected."""

    @property
    def id(self) -> str:
        """The attribute that holds the ids."""

    @property
    def name(self) -> str | None:
        """The attribute that holds the names, if there is one."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes to be had."""

    def column(self, attribute: str) -> NDArray[Any]:
        """Return the values of one attribute: an object array of str, numbers, or ASCII bytes where they are many."""

    def ascii(self, attribute: str) -> NDArray[np.bytes_] | None:
        """Return the values of one attribute as printable ASCII bytes, None if they are not at hand so."""


@dataclass(frozen=True)
class LayerInfo:
    """Cells in one unit: their type, whether all are whole numbers, and how to read them by blocks of rows."""

    units: str
    dtype: np.dtype[Any]
    whole: bool
    blocks: Callable[[], Iterator[NDArray[Any]]]
    sparse: SparseCells | None = None
    """The same cells without their zeros, where the source is sparse."""

    held: int = 0
    """About how many bytes the source holds between two blocks."""


@dataclass(frozen=True)
class Slice:
    """What is to be written: labels, layers (main first), the TSV form, and where it comes from."""

    features: Labels
    samples: Labels
    layers: tuple[LayerInfo, ...]
    tsv_labels: tuple[str, ...]
    tsv_columns: Callable[[], Iterable[Sequence[str] | NDArray[np.bytes_]]]
    """Gives the labels of the columns in pieces, as texts or as ASCII bytes."""

    tsv_comments: bool
    origin: Mapping[str, str]
    tsv_head: Mapping[str, str] = field(default_factory=dict)
    """Comment lines that stand first, as ``#key<tab>value``."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        return self.features.size, self.samples.size


@dataclass(frozen=True)
class Body:
    """The bytes of a reply as they are made, and how many there will be, where that is known."""

    chunks: Iterator[bytes]
    length: int | None = None
    close: Callable[[], None] = nothing
    """Frees what the chunks are made from; for a reply whose chunks are never asked for."""

    held: int = 0
    """About how many bytes are held between two chunks, beside those of the source: the writer's own."""


class Writer(Protocol):
    """One output format; what an entry point of the group ``rnaget_server.writers`` names."""

    media_types: ClassVar[tuple[str, ...]]
    """The media type that is sent, then its synonyms."""

    extension: ClassVar[str]
    """Of file names, without a dot."""

    aliases: ClassVar[tuple[str, ...]]
    """Other names by which the format may be asked for; they are not listed."""

    groups: ClassVar[tuple[str, ...]]
    """What it can write: ``expressions``, ``continuous``, or both."""

    requires: ClassVar[Mapping[str, str]]
    """The packages it imports when it is used and that may be absent, and the extra that installs each."""

    def check(self, slice: Slice) -> None:
        """Refuse a slice that the format cannot hold, as `write` would; so a ticket is given only for what works."""

    def write(self, slice: Slice) -> Body:
        """Return the bytes of the slice. They are made while they are read, so memory stays bounded.

        Equal slices give equal bytes, whenever and wherever they are written.
        """
