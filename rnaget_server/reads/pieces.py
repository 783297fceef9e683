"""The values that go in and out of this folder: headers, regions, and pieces of files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

UNPLACED = "*"
"""The reference of the reads that have no place."""

ReadsFormat = Literal["BAM", "CRAM", "VCF", "BCF"]


@dataclass(frozen=True)
class Reference:
    """A sequence that records are placed on.

    Attributes
    ----------
    md5
        The digest of its bases (``M5`` of a ``@SQ`` line, ``md5`` of a ``##contig`` line), if the header has it.
    """

    name: str
    length: int | None
    md5: str | None


@dataclass(frozen=True)
class Header:
    """The header of a file, and where its records begin.

    Attributes
    ----------
    references
        The sequences that the header names. That of a VCF file may name none: see `files.reference_names`.
    samples
        The samples of read groups (``SM`` of ``@RG``), or the columns of samples of a file of variants.
    body
        The place of the first record: an offset within a CRAM file, a virtual offset within another.
    tail
        The end of the header as a compressed block of its own, where it shares a block with records.
    ids
        The number of each reference within the records.
    """

    format: ReadsFormat
    references: tuple[Reference, ...]
    samples: tuple[str, ...]
    body: int = 0
    tail: bytes = b""
    ids: tuple[int, ...] = ()

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each reference by its name."""
        return {reference.name: number for reference, number in zip(self.references, self.ids, strict=True)}


@dataclass(frozen=True)
class Region:
    """An interval of a reference, 0-based and half-open; `UNPLACED` as reference means the reads without a place."""

    reference: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Piece:
    """A part of a reply: a byte range of the stored file, or bytes that were made.

    Attributes
    ----------
    data
        The bytes, if they were made; `offset` and `length` are then 0 and their number.
    parts
        The ranges of virtual offsets that they were made from; none if they are of the header or the end of a file.
    """

    kind: Literal["header", "body"]
    offset: int
    length: int
    data: bytes | None = None
    parts: tuple[tuple[int, int], ...] = ()
