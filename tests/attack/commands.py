"""The commands for providers, run as they run them."""

from __future__ import annotations

import os

from tests import forked


def command(*arguments: str, most_memory: int = 2 << 30, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the code with which a command ends, and what it says; it cannot take more memory than it is given."""
    return forked.command(arguments, most_memory, {**os.environ, **(environment or {})})
