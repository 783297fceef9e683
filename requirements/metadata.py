"""The long description of the package: README.md with links that lead somewhere from outside of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_LINK = re.compile(r"(\]\()(?![a-z][a-z0-9+.-]*:|#|/)(?:\./)?([^)\s]+)(\))", re.IGNORECASE)


def with_absolute_links(text: str, base: str) -> str:
    """Return Markdown with the links that are relative to `base` made absolute; those within code are no links."""
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`(?!\]))", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if at % 2 else _RELATIVE_LINK.sub(rf"\g<1>{base}\2\3", part) for at, part in enumerate(parts))


class AbsoluteLinks(MetadataHookInterface):
    """Puts the long description into the metadata; the base of its links is the address of the source."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add ``readme`` to the fields of ``[project]``."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        base = f"{metadata['urls']['Source']}/blob/main/"
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text, base)}
