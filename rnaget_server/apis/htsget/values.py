"""The query that a ticket is asked for by, and the blocks that its URLs send."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rnaget_server.query.strings import Pair
from rnaget_server.reads.transcode import FIELDS

_INLINE = "data:;base64,"


@dataclass(frozen=True)
class RequestedRegion:
    """A region as it is asked for: a reference by name or by MD5 digest, and bases of it, 0-based and half-open."""

    name: str | None
    md5: str | None
    start: int | None
    end: int | None


@dataclass(frozen=True)
class ReadsQuery:
    """The parameters of a ticket.

    Attributes
    ----------
    format
        None: the usual one.
    only
        ``header`` where nothing else is wanted.
    regions
        None: all of the file.
    fields, tags, notags
        What of each record is wanted, or of its tags is not. None: all, or nothing.
    """

    format: str | None = None
    only: Literal["header"] | None = None
    regions: tuple[RequestedRegion, ...] | None = None
    fields: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    notags: tuple[str, ...] | None = None

    @property
    def is_partial(self) -> bool:
        """True if something of each record is not wanted."""
        return self.tags is not None or bool(self.notags) or bool(self.fields and set(self.fields) != set(FIELDS))


@dataclass(frozen=True)
class Block:
    """The content of one URL: bytes in the ticket itself, or the parameters by which they are sent.

    `kind` is header or body; empty where a URL sends both.
    """

    kind: str
    data: bytes | None = None
    parameters: tuple[Pair, ...] = ()

    @property
    def is_transcoded(self) -> bool:
        """True if its records are made again without some of their fields and tags."""
        return any(name == "kept" for name, _ in self.parameters)

    @property
    def ranges(self) -> str | None:
        """The byte ranges of the file that are sent as they are; None if something else is."""
        return dict(self.parameters).get("ranges")

    @cached_property
    def inline(self) -> str:
        """The bytes as a URL."""
        return _INLINE + base64.b64encode(self.data or b"").decode()
