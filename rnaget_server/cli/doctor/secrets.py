"""The secrets of a server: the keys of tickets, and who may read or change the files that have secrets."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnaget_server.cli.doctor.findings import Finding, error, ok, warning
from rnaget_server.settings import Settings

_FEW_LETTERS = 10
_LONG_ENOUGH = 32
_READ = stat.S_IRGRP | stat.S_IROTH
_WRITE = stat.S_IWGRP | stat.S_IWOTH


def key_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what is found about the keys of tickets."""
    if not settings.ticket_keys:
        yield _without_keys(settings)
        return
    keys = [key.get_secret_value() for key in settings.ticket_keys]
    weak = [number for number, key in enumerate(keys, 1) if len(key) < _LONG_ENOUGH or len(set(key)) < _FEW_LETTERS]
    if weak:
        numbers = ", ".join(map(str, weak))
        yield error(
            "keys", f"of ticket_keys, number {numbers} could be guessed", "draw another: `openssl rand -hex 32`"
        )
    elif len(set(keys)) < len(keys):
        yield warning("keys", "ticket_keys has one of them twice", "leave the second out")
    else:
        yield ok("keys", f"ticket_keys has {len(keys)}; all servers behind one address need the same")


def _without_keys(settings: Settings) -> Finding:
    remedy = "set RNAGET_TICKET_KEYS, the same on each of them: `openssl rand -hex 32` makes one"
    if settings.rate_limit_storage.get_secret_value() != "memory":
        return error("keys", "there are several servers, by rate_limit_storage, and no ticket_keys", remedy)
    if settings.public_url:
        message = "without ticket_keys the URLs in tickets of reads end with a restart, and no other server knows them"
        return warning("keys", message, remedy)
    return ok("keys", "no ticket_keys: the workers share one that ends with the server")


def secret_findings(settings: Settings, in_file: dict[str, Any], auth_file: Path | None) -> Iterator[Finding]:
    """Yield who may read or change the files that have secrets, or say who may sign in.

    Parameters
    ----------
    settings
        Those of the server.
    in_file
        What ``catalog.yaml`` has under ``settings``.
    auth_file
        The file that ``auth`` names.
    """
    found = list(_of_files(settings, in_file, auth_file))
    yield from found
    named = [path for path in (auth_file, settings.auth.tokens) if path is not None]
    if named and not found:
        yield ok("secrets", f"{' and '.join(map(str, named))}: nobody who should not may read or change them")


def _of_files(settings: Settings, in_file: dict[str, Any], auth_file: Path | None) -> Iterator[Finding]:
    secrets = list(_secrets_in(in_file))
    if secrets:
        remedy = "set them by RNAGET_… variables, and auth by a file of its own that RNAGET_AUTH names"
        yield from _who_may(settings.data / "catalog.yaml", f"has {' and '.join(secrets)}", remedy)
    if auth_file is not None:
        yield from _who_may(auth_file, "says who may sign in, and may have a client_secret")
    if settings.auth.tokens is not None:
        yield from _of_tokens(settings.auth.tokens)


def _secrets_in(in_file: dict[str, Any]) -> Iterator[str]:
    """Yield the names of settings in ``catalog.yaml`` that are secrets."""
    yield from (name for name in ("ticket_keys", "audit_key") if in_file.get(name))
    if "@" in str(in_file.get("rate_limit_storage", "")):
        yield "the password of rate_limit_storage"
    auth = in_file.get("auth")
    entries = auth.get("oidc") if isinstance(auth, dict) else None
    if any(isinstance(entry, dict) and entry.get("client_secret") for entry in entries or ()):
        yield "a client_secret"


def _who_may(path: Path, why: str, remedy: str = "") -> Iterator[Finding]:
    """Yield what others may do with a file that has secrets."""
    mode = _mode(path)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        able = "read" if mode & stat.S_IROTH else "change"
        yield error("secrets", f"{path} {why}, and everybody may {able} it", remedy or _private(path))
    elif mode & (_READ | _WRITE):
        able = "change" if mode & stat.S_IWGRP else "read"
        yield warning("secrets", f"{path} {why}, and its group may {able} it", remedy or _private(path))


def _of_tokens(path: Path) -> Iterator[Finding]:
    """Yield what others may do with the file of tokens, which has their hashes alone."""
    from rnaget_server.http.auth.token_file import read_tokens

    try:
        read_tokens(path)
    except (OSError, ValueError) as failure:
        yield error("secrets", f"no token is taken: {failure}", "mend the file, or who may read it")
        return
    mode = _mode(path)
    if mode & stat.S_IWGRP:
        message = f"{path} says which tokens are taken, and its group may change it"
        yield warning("secrets", message, f"`chmod g-w {path}`")
    if mode & stat.S_IROTH:
        message = f"{path} has the names and grants of those who have tokens, and everybody may read it"
        yield warning("secrets", message, f"`chmod o-r {path}`, and let the user of the server read it")


def _private(path: Path) -> str:
    return f"`chmod go= {path}`, and let it be of the user of the server"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
