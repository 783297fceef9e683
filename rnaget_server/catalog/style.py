"""The ``style`` of ``catalog.yaml``: what the pages of a provider look like."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rnaget_server.storage.local import regular_bytes

LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
"""The media type of a logo by the suffix of its file."""

MOST_LOGO_BYTES = 1 << 18

_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"<svg[\s>]")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]*")


def _check_colour(value: Any) -> str:
    if value is None:
        raise ValueError('the colour is empty: write it in quotes, as in "#0f5c63", since # begins a comment')
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise ValueError(f'the colour {value!r} is none: write three or six hexadecimal digits, as in "#0f5c63"')
    return value.lower()


def _check_logo(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or not all(_PART.fullmatch(part) for part in value.split("/")):
        raise ValueError(f"the logo {value!r} is no file of the catalogue: name one in its directory, as in logo.svg")
    if path.suffix.lower() not in LOGO_TYPES:
        raise ValueError(f"the logo {value!r} is no picture that is served: name an .svg or .png file")
    return value


def _check_line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("the value must be one line of text: write one, or leave the key out")
    return value.strip()


def _check_address(value: str) -> str:
    if not re.fullmatch(r"(?:https?://[^\s/]+\S*|mailto:\S+)", value):
        raise ValueError(f"the address {value!r} is no web address: begin it with https:// or mailto:")
    return value


Line = Annotated[str, Field(max_length=500), AfterValidator(_check_line)]


class StyleEntry(BaseModel):
    """The look of the pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=60), AfterValidator(_check_line)] | None = None
    logo: Annotated[str, AfterValidator(_check_logo)] | None = None
    colour: Annotated[str | None, BeforeValidator(_check_colour)] = None
    footer: Line | None = None
    footer_url: Annotated[str, Field(max_length=500), AfterValidator(_check_address)] | None = None


def read_logo(data: Path, name: str) -> bytes:
    """Return the bytes of the logo of the catalogue in `data`.

    Raises
    ------
    ValueError
        If it is not there, too large, or not what its name says; the message says what to do.
    """
    path = (data / name).resolve()
    if not path.is_relative_to(data.resolve()):
        raise ValueError(f"the logo {name!r} is a link to a file outside of the catalogue: copy it there")
    try:
        content = regular_bytes(path, MOST_LOGO_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the logo {name!r} is not there or cannot be read: put it next to catalog.yaml") from error
    if len(content) > MOST_LOGO_BYTES:
        raise ValueError(f"the logo {name!r} has more than {MOST_LOGO_BYTES // 1024} KiB: make it smaller")
    is_svg = path.suffix.lower() == ".svg"
    if not (_SVG.search(content) if is_svg else content.startswith(_PNG)):
        raise ValueError(f"the logo {name!r} is no {'SVG' if is_svg else 'PNG'} picture: name one that is")
    return content
