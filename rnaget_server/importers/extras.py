"""Packages that are installed by an extra, imported only when a source needs them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from rnaget_server.errors import ImportFailure

_EXTRAS = {"pyarrow": "arrow", "openpyxl": "excel", "tiledbsoma": "soma", "zarr": "zarr"}


def needed(package: str, path: Path, what: str, otherwise: str = "") -> Any:
    """Return a package that is needed for a source; `otherwise` says what can be done without it.

    Raises
    ------
    ImportFailure
        If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        extra = _EXTRAS[package.partition(".")[0]]
        raise ImportFailure(
            f"{what} needs the package {package.partition('.')[0]}, which is not installed: install it by "
            f"`pip install 'rnaget-server[{extra}]'`{otherwise}",
            path,
        ) from None
