"""The ranks of what is found: the lower, the better."""

from __future__ import annotations

MATCHES = ("exact", "start", "alias", "text")
"""The names of the ranks."""

EXACT, START, ALIAS, TEXT = range(len(MATCHES))
