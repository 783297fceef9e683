"""Checks before a command starts: is there a catalogue, and is the address free; with the next command if not."""

from __future__ import annotations

import errno
import logging
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from rnaget_server.catalog.object_storage import is_object_url
from rnaget_server.cli.objects import mirrored
from rnaget_server.settings import Settings, shipped
from rnaget_server.spelling import most_alike
from rnaget_server.storage.urls import is_url

_PREFIX = "RNAGET_"
# A Path has one slash where a URL has two.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_MOST_LOOKED_AT = 10_000
_PORTS_TRIED = 100
_FIRST_FREE_FOR_ALL = 1024
_IMPORTABLE = (
    *(".h5ad", ".loom", ".h5", ".mtx", ".gct", ".tsv", ".csv", ".txt"),
    *(".bw", ".bigwig", ".bedgraph", ".bdg"),
)
_IDS = "--project P --study S --id ID --units TPM"


def catalog_directory(data: Path | None, command: str) -> Path:
    """Return the directory of the catalogue that a command is to use: the given one, or that of the settings.

    Raises
    ------
    click.ClickException
        If it is none, in one line.
    """
    given = data if data is not None else Path(os.environ.get("RNAGET_DATA") or shipped("data"))
    if is_object_url(given):
        return mirrored(given)
    refuse_no_directory(given, command)
    directory = given.absolute()
    check_catalog_directory(directory, command)
    return directory


def refuse_no_directory(data: Path, command: str) -> None:
    """Refuse the standard input and an address, which import reads or names, in the place of a directory.

    Raises
    ------
    click.ClickException
        In one line, with what to give.
    """
    problem = None if os.path.lexists(data) else _of_name(str(data), f"rnaget-server {command}")
    if problem is not None:
        raise click.ClickException(problem)


def _of_name(name: str, again: str) -> str | None:
    """Return what a name is that names no place on this machine, and what to do."""
    if name == "-":
        return (
            f"- is the standard input, and {again} takes the directory of a catalogue: give that; data from a pipe go "
            "into one by `rnaget-server import - --data DIRECTORY …`"
        )
    address = _ADDRESS.match(name)
    if address is None:
        return None
    scheme, rest = address.group(1).lower(), name[address.end() :]
    if scheme == "file":
        return f"{scheme}:///{rest} is a URL: give the path, as `{again} {shlex.quote('/' + rest)}`"
    # What follows the host may be a secret, such as the signature of an address, and what is in front of it, too.
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    or_url = "" if is_url(name) else ", or one at s3://, gs://, az:// or https://"
    more = "; `rnaget --help` says how to fetch data from a server" if scheme in ("http", "https") else ""
    return (
        f"{scheme}://{host}… is a URL, and {again} takes the directory of a catalogue on this machine{or_url}: "
        f"download what you need, and give its directory{more}"
    )


def check_catalog_directory(data: Path, command: str) -> None:
    """Refuse what is no directory of a catalogue.

    Parameters
    ----------
    data
        The directory.
    command
        The command that was given, such as ``serve``, to be shown with the directory that it should have.

    Raises
    ------
    click.ClickException
        In one line, with the next command to give.
    """
    problem = _problem(data, f"rnaget-server {command}")
    if problem is not None:
        raise click.ClickException(problem)


def _problem(data: Path, again: str) -> str | None:
    try:
        if data.is_file():
            return _of_file(data, again)
        if (data / "catalog.yaml").exists():
            os.scandir(data).close()
            return None
        names = _names(data)
    except FileNotFoundError:
        return f"there is no directory {data}: start a catalogue there by `rnaget-server init {_quoted(data)}`"
    except NotADirectoryError:
        return f"{data} is no directory: {again} takes the directory of a catalogue"
    except PermissionError:
        return (
            f"the directory {data} cannot be read by this user: let its owner give `chmod -R a+rX {_quoted(data)}`, "
            f"and then give `{again} {_quoted(data)}`"
        )
    except OSError as error:
        return f"the directory {data} cannot be read: {error.strerror}"
    for other in (data.parent, data.parent.parent):
        if (other / "catalog.yaml").is_file() and names & {"project.yaml", "study.yaml"}:
            return f"{data} is a part of the catalogue in {other}: give `{again} {_quoted(other)}`"
    return _of_directory(data, names, again)


def _of_file(path: Path, again: str) -> str:
    if path.name in ("catalog.yaml", "project.yaml", "study.yaml"):
        levels = ("catalog.yaml", "project.yaml", "study.yaml").index(path.name)
        directory = path.parents[levels]
        return f"{path} is a file, and the catalogue is a directory: give `{again} {_quoted(directory)}`"
    data = path.parent / "catalogue"
    return (
        f"{path} is a file, and what is served is the directory of a catalogue: import it into one by "
        f"`rnaget-server import {_quoted(path)} --data {_quoted(data)} {_IDS}`, and then give `{again} {_quoted(data)}`"
    )


def _of_directory(data: Path, names: set[str], again: str) -> str:
    start = f"`rnaget-server init {_quoted(data)}`"
    if not names:
        return f"the directory {data} is empty: start a catalogue in it by {start}"
    for name in sorted(names):
        if (data / name / "catalog.yaml").is_file():
            return f"there is no catalog.yaml in {data}, but in {data / name}: give `{again} {_quoted(data / name)}`"
    sources = sorted(name for name in names if _is_importable(data / name))
    if not sources:
        return f"there is no catalog.yaml in {data}: start a catalogue in it by {start}"
    target = data / "catalogue"
    more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
    return (
        f"there is no catalog.yaml in {data}, but data to import ({sources[0]}{more}): give `rnaget-server import "
        f"{_quoted(data / sources[0])} --data {_quoted(target)} {_IDS}`, and then `{again} {_quoted(target)}`"
    )


def _names(data: Path) -> set[str]:
    with os.scandir(data) as entries:
        return {entry.name for _, entry in zip(range(_MOST_LOOKED_AT), entries, strict=False)}


def _is_importable(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz").removesuffix(".bgz")
    return name.endswith(_IMPORTABLE) and path.is_file()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def misspelt_settings(environment: Mapping[str, str]) -> list[str]:
    """Return a line for each variable of the environment that is like a setting, and is none."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    unknown = [name for name in environment if name.startswith(_PREFIX) and name not in known]
    meant = {name: most_alike(name, known) for name in sorted(unknown)}
    return [f"{name} is no setting: did you mean {near[0]}?" for name, near in meant.items() if _is_near(name, near)]


def _is_near(name: str, near: Sequence[str]) -> bool:
    """Return whether the names are similar apart from the prefix that all settings have."""
    return bool(near) and bool(most_alike(name.removeprefix(_PREFIX), [near[0].removeprefix(_PREFIX)]))


def check_audit_log(place: str) -> None:
    """Refuse an audit log that cannot be written.

    Raises
    ------
    click.ClickException
        In one line, with what to do.
    """
    from rnaget_server.http.observing.audit import AuditLog

    try:
        AuditLog(place, "")
    except OSError as error:
        raise click.ClickException(
            f"audit_log cannot be written: {place}: {error.strerror}; name a file in a directory that this user may "
            "write to, or stderr"
        ) from None


def say_at_start(format: str, message: str) -> None:
    """Write a line to stderr in the format that the log is going to have."""
    if format == "json":
        from rnaget_server.http.observing.logs import JsonLines

        level = "WARNING" if message.startswith("Warning: ") else "INFO"
        line = {"name": __name__, "levelname": level, "msg": message.removeprefix("Warning: ")}
        message = JsonLines().format(logging.makeLogRecord(line))
    click.echo(message, err=True)


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on.

    Raises
    ------
    click.ClickException
        In one line, with what to choose.
    """
    try:
        _listen(host, port)
    except socket.gaierror:
        raise click.ClickException(
            f"the host {host!r} is not known: give --host 127.0.0.1 for this machine only, or --host 0.0.0.0 for all"
        ) from None
    except OSError as error:
        raise click.ClickException(_reason(host, port, error)) from None


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use by another program: choose another, as by --port {_free(host, port)}"
    if error.errno in (errno.EACCES, errno.EPERM) and port < _FIRST_FREE_FOR_ALL:
        return (
            f"this user may not listen on port {port}, as on any below {_FIRST_FREE_FOR_ALL}: choose another, as by "
            f"--port {_free(host, 8080)}, and have a proxy listen on {port}"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{host} is no address of this machine: give --host 127.0.0.1 for this machine only, or --host 0.0.0.0 "
            "for all"
        )
    return f"{host} port {port} cannot be listened on: {error.strerror}"


def _free(host: str, after: int) -> int:
    """Return the next port from `after` on that is free."""
    for port in range(after, min(after + _PORTS_TRIED, 1 << 16)):
        with suppress(OSError):
            _listen(host, port)
            return port
    return 0


def _listen(host: str, port: int) -> None:
    """Listen for a moment, as the server will do."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)


def address_of(host: str, port: int) -> str:
    """Return host and port as they are in a URL: IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
