"""The secret by which URLs are signed that never go unsigned, where the provider has set none."""

from __future__ import annotations

import os
import secrets
from functools import cache

from pydantic import SecretStr

from rnaget_server.settings import Settings

_VARIABLE = "_RNAGET_SESSION_KEY"


def share_session_key() -> None:
    """Draw a secret, before workers are started, that all of them share until the server ends."""
    os.environ.setdefault(_VARIABLE, secrets.token_hex(32))


def signing_keys(settings: Settings) -> tuple[SecretStr, ...]:
    """Return the secrets of the settings, or else that of this server."""
    return settings.ticket_keys or (_session_key(),)


@cache
def _session_key() -> SecretStr:
    return SecretStr(os.environ.get(_VARIABLE) or secrets.token_hex(32))
