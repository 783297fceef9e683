"""``rnaget-server token``: tokens of the server itself, of which a file has the hashes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnaget_server.cli.limits import settings_for
from rnaget_server.cli.managing import check_data, data_option
from rnaget_server.cli.objects import changes_catalog, in_place
from rnaget_server.cli.starting import catalog_directory
from rnaget_server.storage.places import shown

if TYPE_CHECKING:
    from rnaget_server.http.auth.token_file import TokenRecord

_DAY = 86_400
_LONGEST_NAME = 100
_MOST_DAYS = 36_500


@click.group("token")
def token_command() -> None:
    """Make, list and revoke tokens, by which programs sign in. The setting `auth` names their file."""


@token_command.command("add")
@click.argument("name")
@data_option
@click.option("--grant", "grants", multiple=True, help="A grant that the token holds, as the catalogue names it.")
@click.option("--scope", "scopes", multiple=True, help="Limit the token to this, such as read:expression.")
@click.option("--project", "projects", multiple=True, help="Limit the token to the project of this id.")
@click.option(
    "--days",
    type=click.IntRange(0, _MOST_DAYS),
    default=90,
    show_default=True,
    help="Days until the token ends. 0: it does not.",
)
@changes_catalog
def add(
    name: str, data: Path, grants: Sequence[str], scopes: Sequence[str], projects: Sequence[str], days: int
) -> None:
    """Make a token for NAME, a person or a program, and print it: once, since only its hash is kept."""
    from rnaget_server.http.auth.token_file import new_token

    check_data(data, "token add NAME --data")
    path = _file(data)
    _check(name, data, scopes, projects, grants)
    token, record = new_token(
        name.strip(),
        expires=int(time.time()) + days * _DAY if days else None,
        scopes=tuple(scopes) or None,
        projects=tuple(projects) or None,
        grants=tuple(grants),
    )
    _change(path, lambda records: [*records, record])
    click.echo(token)
    click.echo(in_place(f"{record.id} is in {path}; the token above is shown this once", data), err=True)


@token_command.command("list")
@data_option
def list_(data: Path) -> None:
    """List the tokens, without the tokens themselves."""
    from rnaget_server.http.auth.token_file import read_tokens

    directory = catalog_directory(data, "token list --data")
    path = _file(directory)
    try:
        records = read_tokens(path)
    except (OSError, ValueError) as error:
        raise click.ClickException(in_place(_message(error), directory)) from None
    for record in records:
        click.echo(_line(record))
    if not records:
        line = f"there are no tokens in {path}: make one by `rnaget-server token add`"
        click.echo(in_place(line, directory), err=True)


@token_command.command("revoke")
@click.argument("id")
@data_option
@changes_catalog
def revoke(id: str, data: Path) -> None:
    """Revoke the token ID, as `token list` shows it; it ends within two seconds."""
    check_data(data, "token revoke ID --data")
    path = _file(data)

    def without(records: Sequence[TokenRecord]) -> Sequence[TokenRecord]:
        left = [record for record in records if record.id != id]
        if len(left) == len(records):
            named = [record.id for record in records if record.name == id]
            hint = f": {', '.join(named)} {'is' if len(named) == 1 else 'are'} of that name" if named else ""
            raise ValueError(f"there is no token {id!r}{hint or ': `rnaget-server token list` shows all'}")
        return left

    _change(path, without)
    click.echo(in_place(f"{id} is revoked in {path}", data))


def _file(data: Path) -> Path:
    path = settings_for(data).auth.tokens
    if path is None:
        raise click.ClickException(
            f"this catalogue names no file of tokens: write `auth: {{tokens: tokens.json}}` below `settings:` in "
            f"{shown(data)}/catalog.yaml, or into the file that RNAGET_AUTH names"
        )
    return path


def _check(name: str, data: Path, scopes: Sequence[str], projects: Sequence[str], grants: Sequence[str]) -> None:
    """Refuse names that name nothing."""
    from rnaget_server.catalog import load
    from rnaget_server.errors import unknown_name
    from rnaget_server.http.auth.scopes import known_scopes

    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise click.UsageError(f"NAME says who has the token, in at most {_LONGEST_NAME} letters")
    known = known_scopes()
    for scope in scopes:
        if scope not in known:
            raise click.UsageError(unknown_name("scope", scope, sorted(known)))
    catalog, _ = load(data)
    for project in projects:
        if catalog is not None and project not in catalog.projects:
            raise click.UsageError(unknown_name("project", project, catalog.projects))
    if not all(grants):
        raise click.UsageError("a grant has a name, as the catalogue writes it")


def _change(path: Path, change: Callable[[Sequence[TokenRecord]], Sequence[TokenRecord]]) -> None:
    from rnaget_server.http.auth.token_file import change_tokens

    try:
        change_tokens(path, change)
    except (OSError, ValueError) as error:
        raise click.ClickException(_message(error)) from None


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the file of tokens'}: {error.strerror or error}"
    return str(error)


def _line(record: TokenRecord) -> str:
    ends = "never ends" if record.expires is None else f"until {_day(record.expires)}"
    if record.has_expired(time.time()):
        ends = f"ended {_day(record.expires or 0)}"
    limits = [*(record.scopes or ()), *(f"project {project}" for project in record.projects or ())]
    held = [f"grant {grant}" for grant in record.grants]
    return "  ".join([record.id, record.name, ends, *limits, *held])


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
