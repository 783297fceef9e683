"""The configuration file of the command, with servers by name."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from rnaget.errors import ClientError
from rnaget.getting import LONGEST

DEFAULT_SERVER = "http://127.0.0.1:8080/rnaget"
_KEYS = {"url": str, "token": str, "token_file": str, "token_env": str, "timeout": (int, float)}


class ServerEntry(NamedTuple):
    """A server of the file."""

    url: str
    token: str | None = None
    timeout: float | None = None


def config_path() -> Path:
    """Return the file: of ``RNAGET_CONFIG``, else ``rnaget/config.toml`` in the user's directory of configuration."""
    given = os.environ.get("RNAGET_CONFIG")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "rnaget" / "config.toml"


def load_config(path: Path | None = None) -> dict[str, Any]:
    """Return what the file says; nothing where there is none.

    Raises
    ------
    ClientError
        If it cannot be read, or has something that it cannot have.
    """
    path = path or config_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get("RNAGET_CONFIG"):
            raise ClientError(f"there is no file {path}, which RNAGET_CONFIG names") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClientError(f"{path}: {error}") from None
    _check(path, config)
    return config


def _check(path: Path, config: dict[str, Any]) -> None:
    unknown = sorted(config.keys() - {"server", "servers"})
    if unknown:
        raise ClientError(f"{path}: {unknown[0]} is no key; there are server and [servers.NAME]")
    servers = config.get("servers", {})
    if not isinstance(servers, dict) or not isinstance(config.get("server", ""), str):
        raise ClientError(f"{path}: server is a name or an address, and each [servers.NAME] a table")
    for name, entry in servers.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            raise ClientError(f'{path}: [servers.{name}] needs url = "https://…"')
        for key, value in entry.items():
            if key not in _KEYS:
                raise ClientError(f"{path}: [servers.{name}] has the key {key}; there are {', '.join(_KEYS)}")
            if not isinstance(value, _KEYS[key]) or isinstance(value, bool):  # type: ignore[arg-type]
                raise ClientError(f"{path}: {key} of [servers.{name}] is of another type than it has to be")
        if not 0 < entry.get("timeout", 1) < LONGEST:
            raise ClientError(f"{path}: timeout of [servers.{name}] is no number of seconds up to {LONGEST:,}")
    if any("token" in entry for entry in servers.values()) and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ClientError(f"{path} has a token and can be read by others: chmod 600 {path}")


def chosen_server(given: str | None) -> ServerEntry:
    """Return the server of a name or address; without one, that of the file, else the one on this machine.

    Raises
    ------
    ClientError
        If it is neither, or the token of it cannot be read.
    """
    is_address = given is not None and "://" in given
    if is_address and given is not None:
        return _with_token_of(given)
    config = load_config()
    servers = config.get("servers", {})
    name = config.get("server") if given is None else given
    if name is None:
        return ServerEntry(DEFAULT_SERVER)
    if name in servers:
        return _entry(name, servers[name])
    if "://" in name:
        return ServerEntry(name)
    known = f"; {config_path()} has {', '.join(servers)}" if servers else f"; {config_path()} names no servers"
    raise ClientError(
        f"{name or 'an empty text'} is not the address of an RNAget API, which must begin with http:// or https://{known}"
    )


def _with_token_of(url: str) -> ServerEntry:
    """Return the entry of an address, with the token of the file if that has one for just this address."""
    try:
        servers = load_config().get("servers", {})
    except ClientError:
        return ServerEntry(url)
    for name, entry in servers.items():
        if entry["url"].strip().rstrip("/") == url.strip().rstrip("/"):
            return _entry(name, entry)
    return ServerEntry(url)


def _entry(name: str, entry: dict[str, Any]) -> ServerEntry:
    token = entry.get("token")
    if variable := entry.get("token_env"):
        token = os.environ.get(variable)
        if not token:
            raise ClientError(f"the variable {variable}, which has the token of {name}, is not set")
    elif file := entry.get("token_file"):
        try:
            token = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ClientError(f"{file}, which has the token of {name}, cannot be read: {error}") from None
    return ServerEntry(entry["url"], token, entry.get("timeout"))


def server_names(incomplete: str = "") -> list[str]:
    """Return the names of servers that begin with something, for the shell."""
    try:
        return [name for name in load_config().get("servers", {}) if name.startswith(incomplete)]
    except ClientError:
        return []
