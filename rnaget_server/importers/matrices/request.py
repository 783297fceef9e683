"""The request of an import of a matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.job import ImportRequest


@dataclass(frozen=True, kw_only=True)
class MatrixRequest(ImportRequest):
    """An import of a matrix, with the tables and the options that it is read by.

    `shard` is the name of a file for samples that are added to a matrix.
    """

    source: Path
    features: Path | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    shard: str | None = None
