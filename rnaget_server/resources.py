"""Where the files that ship with the package are: the API documents and the demo catalogue."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the directory `name` (``openapi`` or ``data``), of an installed wheel or of a source checkout."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
