"""Which output format a request gets: the one it names, else the default, else one that Accept names."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from rnaget_server.errors import InvalidQuery, NotAcceptable
from rnaget_server.http.accept import preferred
from rnaget_server.query.parameters import shown
from rnaget_server.service import Services
from rnaget_server.writers.base import Writer

_BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Chosen:
    """A writer, and the media type to send."""

    writer: Writer
    media_type: str


def checked_format(services: Services, group: str, name: str) -> str:
    """Return the format of the group ``expressions`` or ``continuous`` that `name` or an alias of it means.

    Raises
    ------
    InvalidQuery
        If it is none, or the server lacks what it needs; the message lists all, or says how to add it.
    """
    name = services.format_aliases.get(name, name)
    if name in services.formats_of(group):
        return name
    missing = services.missing_packages.get(name, {})
    if missing and group in services.writers[name].groups:
        extras = ",".join(dict.fromkeys(missing.values()))
        raise InvalidQuery(
            f"the format {name} needs {' and '.join(missing)}, which is not installed on this server: "
            f"its provider can add it by pip install 'rnaget-server[{extras}]'"
        )
    raise InvalidQuery(f"there is no format {shown(name)}: there are {', '.join(services.formats_of(group))}")


def choose_format(request: Request, services: Services, group: str, asked: str | None, default: str | None) -> Chosen:
    """Return the writer for the format `asked`, or for what `default` and the Accept header say together.

    Raises
    ------
    InvalidQuery
        If there is no such format.
    NotAcceptable
        If the client does not accept the media type of the format.
    """
    accept = request.headers.get("accept")
    names = [asked] if asked else [str(default), *services.formats_of(group)]
    for name in names:
        writer = _writer(services, group, name)
        media_type = preferred(accept, (*writer.media_types, _BYTES))
        if media_type is not None:
            return Chosen(writer, media_type if media_type == _BYTES else writer.media_types[0])
    raise NotAcceptable(
        f"the format {names[0]} is sent as {_writer(services, group, names[0]).media_types[0]}, which Accept does "
        "not name: add it, leave Accept out, or ask for another format"
    )


def _writer(services: Services, group: str, name: str) -> Writer:
    writer: Writer = services.writers[checked_format(services, group, name)]()
    return writer
