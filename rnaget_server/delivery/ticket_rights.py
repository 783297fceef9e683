"""The rights of the one who asked for a ticket, as a text that its URL carries in place of credentials."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from rnaget_server.model.observation import CURRENT
from rnaget_server.model.principal import ANYONE, Principal

HOLDER = "ticket"
"""The name of whoever comes with the ticket of one who has signed in: nobody learns from it who that was."""


def rights_text(principal: Principal) -> str | None:
    """Return what a principal may see, without who it is; None for one who may see what everybody may."""
    if principal == ANYONE:
        return None
    observation = CURRENT.get()
    held: dict[str, Any] = {
        "signed_in": principal.has_signed_in,
        "grants": sorted(principal.grants),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "projects": None if principal.projects is None else sorted(principal.projects),
        "operator": principal.is_operator,
        # By which the audit log leads from what was read by a ticket to whoever asked for it.
        "of": None if observation is None else observation.request_id,
    }
    # An empty list stays: it allows nothing, and none allows all.
    data = json.dumps({key: value for key, value in held.items() if value not in (None, False)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(data.encode(), 9)).rstrip(b"=").decode()


def principal_in(text: str, expires: float) -> Principal:
    """Return the holder of a ticket with such a text, which has to be one of this server: its signature shows that."""
    held = json.loads(zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    return Principal(
        name=HOLDER if held.get("signed_in") else None,
        grants=frozenset(held["grants"]),
        scopes=frozenset(held["scopes"]) if "scopes" in held else None,
        projects=frozenset(held["projects"]) if "projects" in held else None,
        expires=expires,
        is_operator=held.get("operator", False),
        ticket=held.get("of"),
    )
