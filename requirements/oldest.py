"""Print constraints that hold every package needed at run time at the lowest version that is allowed."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def lowest(project: Path) -> list[str]:
    """Return ``name==version`` for each requirement of a ``pyproject.toml`` but those of the extra ``dev``."""
    declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = declared.get("optional-dependencies", {})
    groups = [declared["dependencies"], *(group for name, group in extras.items() if name != "dev")]
    return [_lowest(requirement) for group in groups for requirement in group]


def _lowest(requirement: str) -> str:
    match = re.match(r"([\w.-]+)(?:\[[^\]]*\])?[^;]*?[>=]=\s*([\w.]+)[^;]*(;.*)?$", requirement)
    if match is None:
        raise SystemExit(f"{requirement} has no lower bound")
    name, version, marker = match.groups(default="")
    return f"{name}=={version}{marker}"


if __name__ == "__main__":
    print(*sorted({line for path in sys.argv[1:] for line in lowest(Path(path))}), sep="\n")
