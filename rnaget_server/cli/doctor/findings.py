"""The findings of ``rnaget-server doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    check
        A short name of what was checked.
    level
        ``error`` if something does not work, ``warning`` if it may go wrong.
    message
        What was found.
    remedy
        What to do about it; empty if all is well.
    """

    check: str
    level: Level
    message: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return it for a terminal."""
        return [
            f"{self.level:8} {self.check}: {self.message}",
            *([f"         -> {self.remedy}"] if self.remedy else []),
        ]


def ok(check: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """Return what may go wrong."""
    return Finding(check, "warning", message, remedy)


def error(check: str, message: str, remedy: str) -> Finding:
    """Return what does not work."""
    return Finding(check, "error", message, remedy)
