"""The commands for providers, run in this process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from rnaget_server.cli.server import main


def run(*arguments: str | Path) -> Result:
    """Return what came of a command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: str | Path) -> str:
    """Return what a command said that did what was asked."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output
