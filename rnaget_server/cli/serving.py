"""``rnaget-server serve``."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration
from rnaget_server.cli.starting import (
    address_of,
    catalog_directory,
    check_address,
    check_audit_log,
    misspelt_settings,
    say_at_start,
)
from rnaget_server.errors import CatalogError
from rnaget_server.operating import split_address
from rnaget_server.settings import settings_problem
from rnaget_server.storage.places import is_mirror, shown

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(name="serve")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on (0.0.0.0: all). [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on. [default: 8080]")
@click.option("--workers", type=int, help="Worker processes. [default: one for each processor]")
@click.option("--reload", is_flag=True, help="Restart workers when the program's code changes.")
def serve_command(data: Path | None, host: str | None, port: int | None, workers: int | None, reload: bool) -> None:
    """Serve the catalogue in DATA; without DATA, the demo catalogue."""
    directory = catalog_directory(data, "serve")
    given = {"data": directory if is_mirror(directory) else data, "host": host, "port": port, "workers": workers}
    settings = _configuration(given)
    check_address(settings.host, settings.port)
    if settings.audit_log:
        check_audit_log(settings.audit_log)
    if settings.metrics_address:
        check_address(*split_address(settings.metrics_address))
    say = partial(say_at_start, settings.log_format)
    for line in misspelt_settings(os.environ):
        say(f"Warning: {line}")
    set_here = {f"RNAGET_{key.upper()}": str(value) for key, value in given.items() if value is not None}
    set_here["RNAGET_DATA"] = str(settings.data)
    say(f"Serving {shown(settings.data)} at http://{address_of(settings.host, settings.port)}")
    if settings.host not in _LOOPBACK and not settings.public_url:
        say(
            "Warning: public_url is not set, so the URLs in tickets name any host that a request claims to be for; "
            "set it to the address that clients see"
        )
    command = [sys.executable, "-m", "gunicorn", "-c", str(files("rnaget_server") / "gunicorn.conf.py")]
    command += ["--reload"] if reload else []
    os.execve(sys.executable, [*command, "rnaget_server.asgi:app"], {**os.environ, **set_here})


def _configuration(given: dict[str, Any]) -> Any:
    try:
        return configuration(**given)
    except CatalogError as error:
        raise click.ClickException(f"the catalogue cannot be served:\n{error}") from None
    except ValidationError as error:
        raise click.ClickException(settings_problem(error)) from None
