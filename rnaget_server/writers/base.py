"""The writer protocol and the body it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

from rnaget_server.model.slice import Slice


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Body:
    """The bytes of a reply as they are made, and how many there will be, where that is known."""

    chunks: Iterator[bytes]
    length: int | None = None
    close: Callable[[], None] = nothing
    """Frees what the chunks are made from; for a reply whose chunks are never asked for."""

    held: int = 0
    """About how many bytes are held between two chunks, without those of the source: the writer's own."""

    shared: int = 0
    """How many bytes come out of a file that other replies share."""

    @property
    def is_mostly_shared(self) -> bool:
        """True if making it again takes little more than reading it would: less than a quarter is its own."""
        return self.length is not None and 4 * self.shared > 3 * self.length


class Writer(Protocol):
    """One output format, which an entry point of the group ``rnaget_server.writers`` names.

    A class that inherits from this one has the defaults below; one that does not has to have all of it. It is made
    once, without arguments, for all requests, which use it at the same time.
    """

    media_types: ClassVar[tuple[str, ...]]
    """The media type that is sent, then its synonyms."""

    extension: ClassVar[str]
    """The extension of file names, without a dot."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names by which the format may be asked for; they are not listed."""

    groups: ClassVar[tuple[str, ...]]
    """The kinds of data it can write: ``expressions``, ``continuous``, or both; ``exports`` for matrices that only the
    command ``export`` writes so."""

    compression: str | None = None
    """The name of the way in which its arrays are compressed, where they are; it is none of `compressed` then."""

    compressed: Mapping[str, Writer] = MappingProxyType({})
    """The same format with its arrays compressed, by the name of the way."""

    requires: ClassVar[Mapping[str, str]] = {}
    """The packages it imports when it is used and that may be absent, and the extra that installs each."""

    def check(self, slice: Slice) -> None:
        """Refuse a slice that the format cannot hold, as `write` would; so a ticket is given only for what works.

        By default, every slice is accepted.
        """
        return

    def write(self, slice: Slice) -> Body:
        """Return the bytes of the slice. They are made while they are read, so memory stays bounded.

        Equal slices give equal bytes, at any time and on any machine.
        """


class FolderWriter(Writer, ABC):
    """A format of several files, which `write` returns as a zip archive."""

    parts: ClassVar[tuple[str, ...]]
    """What the directory of such files may hold, by name."""

    @abstractmethod
    def files(self, slice: Slice) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield each file, its path and its bytes."""
