"""``rnaget-server who``: who a token is of, and what it may see, and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnaget_server.cli.limits import settings_for
from rnaget_server.cli.managing import data_option
from rnaget_server.cli.starting import catalog_directory
from rnaget_server.errors import RnagetError

if TYPE_CHECKING:
    from rnaget_server.catalog import Catalog
    from rnaget_server.datasets.repository import Repository
    from rnaget_server.http.auth.identity import Identity
    from rnaget_server.model.principal import Principal

_KINDS = ("projects", "studies", "matrices", "track_sets", "read_sets", "genomes")
_MOST_TOKEN = 64 << 10


@click.command("who")
@click.argument("token")
@data_option
def who_command(token: str, data: Path) -> None:
    """Say who TOKEN is of, what it may see of the catalogue, and why; - reads it from the standard input."""
    from rnaget_server.datasets.repository import open_repository
    from rnaget_server.http.auth.authenticator import Authenticator
    from rnaget_server.http.request import bearer_token

    settings = settings_for(catalog_directory(data, "who TOKEN --data"))
    if not settings.auth.is_on:
        raise click.ClickException("nobody can sign in here: set `auth`, or everybody sees what is public")
    given = sys.stdin.buffer.read(_MOST_TOKEN + 1) if token == "-" else os.fsencode(token)
    given = given.strip()
    if not given.isascii():
        raise click.ClickException("this is no token: all its characters are ASCII; copy it again")
    try:
        identity = Authenticator(settings.auth).identify((bearer_token(given) or given).decode())
    except RnagetError as refusal:
        raise click.ClickException(str(refusal)) from None
    for line in (*_of_identity(identity), *_visible(open_repository(settings), identity)):
        click.echo(line)


def _of_identity(identity: Identity) -> Iterator[str]:
    yield f"{identity.name}  {identity.label}".rstrip()
    yield f"until {_time(identity.expires)}" if identity.expires is not None else "never ends"
    yield "scopes: " + ("all" if identity.scopes is None else ", ".join(sorted(identity.scopes)) or "none")
    if identity.projects is not None:
        yield f"projects: {', '.join(sorted(identity.projects)) or 'none'}"
    for grant, end in sorted(identity.grants.items()):
        yield f"grant {grant}" + ("" if end == float("inf") else f", until {_time(end)}")
    yield from identity.remarks


def _visible(repository: Repository, identity: Identity) -> Iterator[str]:
    """Yield a line for each record that one may see, with the least that it takes to see it."""
    principal = identity.principal(datetime.now(UTC).timestamp())
    visible = repository.visible_to(principal).catalog
    reasons = list(_reasons(repository, principal))
    for kind in _KINDS:
        for id, record in getattr(visible, kind).items():
            why = next((reason for reason, catalog in reasons if id in getattr(catalog, kind)), "by several grants")
            shown = id if isinstance(id, str) else "/".join(id)
            yield f"{kind.replace('_', ' ')}  {shown}  {why}{_left_out(record)}"


def _left_out(record: object) -> str:
    """Return what of a visible record is hidden."""
    if getattr(record, "sample_access", None) is not None:
        return ", without some of its samples"
    return ", some regions only" if getattr(record, "region_access", ()) else ""


def _reasons(repository: Repository, principal: Principal) -> Iterator[tuple[str, Catalog]]:
    """Yield what suffices to see a part of the catalogue, and that part: from the least on."""
    yield "public", repository.visible_to().catalog
    without = replace(principal, grants=frozenset())
    yield "for all who have signed in", repository.visible_to(without).catalog
    for grant in sorted(principal.grants):
        holder = replace(principal, grants=frozenset((grant,)))
        yield f"by the grant {grant}", repository.visible_to(holder).catalog


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
