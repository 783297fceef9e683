"""The URLs of catalogues that are elsewhere."""

from __future__ import annotations

import re

SCHEMES = "s3://, gs://, az:// and file:///"
"""The kinds of places that are written to, in words; a web server (https://) is only read from."""

_URL = re.compile(r"(s3|s3a|gs|az|adl|azure|abfss?|file|https?):/+[^/]", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Return whether a text is the URL of a catalogue in object storage or of a web server."""
    return _URL.match(text) is not None


def is_web(url: str) -> bool:
    """Return whether a URL is that of a web server, which is only read from."""
    return url.lower().startswith(("http:", "https:"))


def url_of(text: str) -> str:
    """Return a URL as it was meant where a path has made one slash of two, without one at its end.

    Raises
    ------
    ValueError
        If it names a user or a password, or has what no place has a name for.
    """
    scheme, _, rest = text.partition(":")
    scheme, rest = scheme.lower(), rest.strip("/")
    host, _, path = rest.partition("/")
    if "@" in host and not scheme.startswith(("abfs", "file")):
        raise ValueError(f"{scheme}://… has a user in it: give credentials by the environment, as AWS_ACCESS_KEY_ID")
    if set("?#") & set(rest) or not rest.isprintable():
        raise ValueError(f"{scheme}://{re.split('[?#]', host)[0]}… has a ?, # or control character in it: leave it out")
    if path and {"", ".", ".."} & set(path.split("/")):
        raise ValueError(f"{scheme}://{rest} has an empty part, . or .. in its path: write it without")
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"
