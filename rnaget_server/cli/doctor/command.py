"""The command ``rnaget-server doctor``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from rnaget_server.catalog import load
from rnaget_server.catalog.configuration import auth_file, configuration
from rnaget_server.catalog.load import settings_in
from rnaget_server.cli.doctor.findings import Finding, error, warning
from rnaget_server.cli.objects import in_place
from rnaget_server.cli.starting import catalog_directory, misspelt_settings
from rnaget_server.errors import CatalogError
from rnaget_server.settings import Settings, is_web_address, settings_problem


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_web_address(value):
        raise click.BadParameter("give an address such as https://rna.example.org")
    return value


@click.command(name="doctor")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--url", callback=_address, help="Address that clients see: ask it, and judge the proxy and certificate.")
@click.option("--time-from", callback=_address, help="Address of a server whose clock is compared.")
@click.option("--pid", type=int, help="Process of a running server, whose limits are looked at. [default: this one]")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor_command(data: Path | None, url: str | None, time_from: str | None, pid: int | None, as_json: bool) -> None:
    """Look for all that keeps a server of the catalogue in DATA from running well; exit with 1 if something does."""
    directory = catalog_directory(data, "doctor")
    process = Path("/proc", str(pid) if pid else "self")
    if not process.is_dir():
        raise click.ClickException(f"there is no process {pid}: give that of a running server, or leave --pid out")
    levels = dict.fromkeys(("error", "warning", "ok"), 0)
    findings = []
    for finding in _findings(directory, process, url, time_from):
        finding = replace(
            finding, message=in_place(finding.message, directory), remedy=in_place(finding.remedy, directory)
        )
        levels[finding.level] += 1
        findings.append(asdict(finding))
        for line in () if as_json else finding.lines():
            click.echo(line)
    if as_json:
        click.echo(json.dumps({"ok": not levels["error"], "findings": findings}, indent=2))
    else:
        click.echo(f"errors: {levels['error']}, warnings: {levels['warning']}")
    if levels["error"]:
        sys.exit(1)


def _findings(directory: Path, process: Path, url: str | None, time_from: str | None) -> Iterator[Finding]:
    # Not at the top, since they take long to import and other commands do without.
    from rnaget_server.cli.doctor.clock import clock_findings
    from rnaget_server.cli.doctor.data import cache_findings, catalog_findings, file_findings
    from rnaget_server.cli.doctor.machine import machine_findings
    from rnaget_server.cli.doctor.place import place_findings
    from rnaget_server.cli.doctor.proxy import proxy_findings
    from rnaget_server.cli.doctor.secrets import key_findings, secret_findings

    catalog, problems = load(directory)
    yield from catalog_findings(catalog, problems)
    settings, in_file, found = _settings(directory)
    yield from found
    if settings is None:
        return
    yield from place_findings(directory)
    yield from machine_findings(settings, process)
    yield from clock_findings(catalog, settings.cache_directory, time_from or "")
    yield from cache_findings(settings)
    yield from key_findings(settings)
    yield from secret_findings(settings, in_file, auth_file(directory))
    if catalog is not None:
        yield from file_findings(catalog, settings)
        if url is not None:
            yield from proxy_findings(url, settings, catalog)


def _settings(directory: Path) -> tuple[Settings | None, dict[str, Any], list[Finding]]:
    remedy = "see docs/settings.md, or /help/settings.md of a server, for the names"
    found = [warning("settings", line, remedy) for line in misspelt_settings(os.environ)]
    try:
        return configuration(data=directory), settings_in(directory), found
    except CatalogError:  # found by what reads the catalogue
        return None, {}, found
    except ValidationError as failure:
        return None, {}, [*found, error("settings", settings_problem(failure), "mend it: no server starts with it")]
