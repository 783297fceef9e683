"""YAML on disk → checked records → look-up by id."""

from rnaget_server.catalog.live import CatalogState, LiveCatalog
from rnaget_server.catalog.load import load
from rnaget_server.catalog.offered import OfferedFile
from rnaget_server.catalog.records import (
    Catalog,
    Filter,
    Genome,
    Matrix,
    Project,
    ReadSet,
    ReadsFile,
    Study,
    Track,
    TrackSet,
    Tsv,
)

__all__ = [
    "Catalog",
    "CatalogState",
    "Filter",
    "Genome",
    "LiveCatalog",
    "Matrix",
    "OfferedFile",
    "Project",
    "ReadSet",
    "ReadsFile",
    "Study",
    "Track",
    "TrackSet",
    "Tsv",
    "load",
]
