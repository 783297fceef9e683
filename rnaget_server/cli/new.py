"""A new catalogue, with what a provider fills in."""

from __future__ import annotations

import re
from pathlib import Path

_CATALOG = """\
# The service as a whole. Every key is described in docs/catalogue.md.
id: {id}
name: {name}
# description: what can be found here
# organization: {{name: Our Institute, url: https://example.org}}
# contact_url: mailto:rna@example.org
# environment: prod
# settings:
#   public_url: https://rna.example.org
"""


def write_new_catalog(directory: Path, name: str | None = None) -> Path:
    """Write ``catalog.yaml`` into `directory`, which is made if need be, and return its path.

    Raises
    ------
    FileExistsError
        If there is one already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    title = name or directory.absolute().name
    id = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-._") or "rnaget"
    path = directory / "catalog.yaml"
    with path.open("x", encoding="utf-8") as file:
        file.write(_CATALOG.format(id=id, name=f'"{title}"' if re.search(r"[^\w .-]", title) else title))
    return path
