"""A slice to be written: labels, layers, where it comes from, and what of a query it does not hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.sparse import SparseCells


class Labels(Protocol):
    """The labels of the selected features or samples, in order."""

    @property
    def size(self) -> int:
        """Number of selected ones."""

    @property
    def id(self) -> str:
        """The attribute that holds the ids."""

    @property
    def name(self) -> str | None:
        """The attribute that holds the names, if there is one."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The available attributes."""

    def column(self, attribute: str) -> NDArray[Any]:
        """Return the values of one attribute: an object array of str, numbers, or ASCII bytes where they are many."""

    def ascii(self, attribute: str) -> NDArray[np.bytes_] | None:
        """Return the values of one attribute as printable ASCII bytes, None if they are not at hand so."""

    def pieces(self, attribute: str, size: int = ...) -> Iterator[NDArray[Any]]:
        """Yield the values of one attribute in order, `size` at a time, at least once: texts as ASCII if at hand so.

        As Python's texts, all of a million would take some hundred megabytes.
        """


@dataclass(frozen=True)
class LayerInfo:
    """Cells in one unit: their type, whether all are whole numbers, and how to read them by blocks of rows."""

    units: str
    dtype: np.dtype[Any]
    whole: bool
    blocks: Callable[[], Iterator[NDArray[Any]]]
    sparse: SparseCells | None = None
    """The same cells without their zeros, where the source is sparse."""

    held: Callable[[], int] = int
    """Returns about how many bytes the source holds between two blocks."""

    ahead: int = 0
    """So many bytes of blocks are made before anything is sent, where these may fail later: those of other machines."""

    def begun(self) -> LayerInfo:
        """Return the same with the first blocks made, which the next call of `blocks` yields."""
        blocks, made, size = self.blocks(), [], 0
        for block in blocks:
            made.append(block)
            size += block.nbytes
            if size >= self.ahead:
                break
        begun = [chain(made, blocks)]
        return replace(self, blocks=lambda: begun.pop() if begun else self.blocks(), ahead=0)


@dataclass(frozen=True)
class Slice:
    """The data to write: labels, layers (main first), the TSV form, and where it comes from."""

    features: Labels
    samples: Labels
    layers: tuple[LayerInfo, ...]
    tsv_labels: tuple[str, ...]
    tsv_columns: Callable[[], Iterable[Sequence[str] | NDArray[Any]]]
    """Gives the labels of the columns in pieces, as texts, or as arrays as `Labels.pieces` yields them."""

    tsv_comments: bool
    origin: Mapping[str, str]
    tsv_head: Mapping[str, str] = field(default_factory=dict)
    """Comment lines that come first, as ``#key<tab>value``."""

    embeddings: Callable[[], Iterable[tuple[str, NDArray[np.float32]]]] = tuple
    """Returns names and two coordinates of each sample; nothing for samples of several matrices, and for groups."""

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        return self.features.size, self.samples.size

    def begun(self) -> Slice:
        """Return the same with the first blocks made of those layers that ask for it; see `LayerInfo.ahead`."""
        return replace(self, layers=tuple(layer.begun() if layer.ahead else layer for layer in self.layers))


class Source(Protocol):
    """The matrix or set of tracks that a slice comes from. Its `repr` has all that the catalogue says of it."""

    @property
    def id(self) -> str:
        """The id in the catalogue."""

    @property
    def version(self) -> str:
        """The version that the provider gives it."""

    @property
    def study_id(self) -> str:
        """The study it belongs to."""

    @property
    def default_format(self) -> str:
        """The format of a request that names none."""

    @property
    def paths(self) -> Sequence[Path]:
        """The data files."""


class GenomeReference(NamedTuple):
    """The genome of a study: its name, and the digest of its sequence collection where that is known."""

    name: str | None = None
    collection: str | None = None

    def __str__(self) -> str:
        return self.collection or (f"none ({self.name})" if self.name else "none")


@dataclass(frozen=True)
class ResolvedSlice(ABC):
    """The result of resolving a query: a slice, its sources, and what was asked for and left out.

    Attributes
    ----------
    slice
        What is to be written.
    sources
        The matrices or sets of tracks it comes from.
    missing
        Ids and names that were not found.
    omitted
        Ids of matrices or sets that match and are left out.
    query
        A digest of the query, without its format.
    ungrouped
        How many selected samples belong to no group.
    references
        The genome of each source.
    """

    may_be_stored: ClassVar[bool] = False
    """Whether `stored_file` has to be asked for."""

    slice: Slice
    sources: tuple[Source, ...]
    missing: tuple[str, ...]
    omitted: tuple[str, ...]
    query: str
    ungrouped: int = field(default=0, kw_only=True)
    references: tuple[GenomeReference, ...] = field(default=(), kw_only=True)

    @property
    def collection(self) -> str | None:
        """The digest of the sequence collection that all sources are on; None if they differ, or it is not known."""
        collections = {reference.collection for reference in self.references}
        return collections.pop() if len(collections) == 1 else None

    @abstractmethod
    def suggest_smaller(self, cells: int) -> str:
        """Return how to ask for a slice of at most so many cells."""

    def stored_file(self, media_type: str) -> Path | None:
        """Return a file of the provider that holds exactly this in the format of that media type, if there is one.

        Raises
        ------
        ResultTooLarge
            If there is none, and the slice is too large to be made.
        """
        return None
