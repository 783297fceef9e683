"""Servers by a fork of a process that has imported what they import, which is most of what a start costs.

All else is as ``rnaget-server serve`` does it: its checks, gunicorn with its configuration, and workers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gunicorn.app import wsgiapp

# What a server imports late.
import rnaget_server.app
import rnaget_server.cli.serving
import rnaget_server.master
import rnaget_server.worker  # noqa: F401
from rnaget_server.cli.server import main


def serve(arguments: Sequence[str], environment: Mapping[str, str], log: Path, here: bool) -> None:
    """Be ``rnaget-server serve`` until a signal ends it; gunicorn begins in a new Python unless `here` is true."""
    with open(os.devnull, "wb") as nothing, log.open("wb") as file:
        os.dup2(nothing.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if here:
        os.execve = _go_on
    main(["serve", *arguments])


def _go_on(path: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run gunicorn in this process, where the command would become another one."""
    os.environ.update(environment)
    sys.argv = list(command[2:])
    wsgiapp.run(prog="gunicorn")
