"""Requests to any RNAget server, with nothing but the standard library."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    import pandas

    Parameters = Mapping[str, Sequence[str] | str]

_TIMEOUT = 300
_PIECE = 1 << 20


class ClientError(Exception):
    """A failed request; the text is the server's message, or says why there was none."""


class Client:
    """A client of one server.

    Parameters
    ----------
    root
        Address of its RNAget API, such as ``http://127.0.0.1:8080/rnaget``.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def json(self, path: str, query: Parameters | None = None) -> Any:
        """Return the JSON reply of a route such as ``projects``.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or its reply is cut short or no JSON.
        """
        with self._open(path, query or {}, "application/json") as reply:
            text = b"".join(_read(reply))
        try:
            return json.loads(text)
        except ValueError:
            raise ClientError(f"{self.root}/{path} is no JSON: is this the address of an RNAget API?") from None

    def download(self, matrix: str | None, query: Parameters, output: Path) -> dict[str, str]:
        """Write a slice of `matrix` (None: of all that match) to `output`; return the headers of the reply.

        The file appears under its name when it is complete, and a failed download leaves nothing.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or its reply is cut short.
        OSError
            If the file cannot be written.
        """
        with self._open(_bytes_path(matrix), query, "*/*") as reply:
            _write(_read(reply), output)
            return dict(reply.headers.items())

    def frame(self, matrix: str | None, query: Parameters) -> pandas.DataFrame:
        """Return a slice as a table: feature ids as the index, a column for each sample, labels in front if sent.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or its reply is cut short.
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas  # only who asks for a table pays for it
        except ImportError:
            raise ImportError("a table needs pandas: install rnaget with its extra, rnaget[pandas]") from None

        with self._open(_bytes_path(matrix), {**query, "format": "tsv"}, "*/*") as reply:
            text = b"".join(_read(reply)).decode("utf-8")
        while text.startswith("#"):
            text = text.partition("\n")[2]
        return pandas.read_csv(io.StringIO(text), sep="\t", index_col=0)

    def _open(self, path: str, query: Parameters, accept: str) -> HTTPResponse:
        if not self.root.lower().startswith(("http://", "https://")):
            raise ClientError(
                f"{self.root} is not the address of an RNAget API: it must begin with http:// or https://"
            )
        given = {key: value for key, value in query.items() if value}
        url = f"{self.root}/{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        try:
            return cast(HTTPResponse, urlopen(Request(url, headers={"Accept": accept}), timeout=_TIMEOUT))
        except HTTPError as error:
            with error:
                raise ClientError(_message(error)) from None
        except URLError as error:
            raise ClientError(f"{self.root} cannot be reached: {error.reason}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise ClientError(f"{self.root} cannot be reached: {error}") from None


def _bytes_path(matrix: str | None) -> str:
    return f"expressions/{quote(matrix, safe='')}/bytes" if matrix else "expressions/bytes"


def _read(reply: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of `reply` by pieces; raise ClientError if it ends before it is complete."""
    expected, received = reply.length, 0
    try:
        while piece := reply.read(_PIECE):
            received += len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise ClientError(f"the reply broke off after {received:,} bytes ({error}): try again") from None
    # The standard library takes a closed connection for the end of the body, whatever Content-Length says.
    if expected is not None and received != expected:
        raise ClientError(f"the reply broke off after {received:,} of {expected:,} bytes: try again")


def _write(pieces: Iterable[bytes], output: Path) -> None:
    """Write a file that appears under its name only once it is complete."""
    output = output.resolve()  # the target of a link is replaced, not the link
    if output.exists() and not output.is_file():
        raise FileExistsError(errno.EEXIST, "not a regular file", str(output))
    temporary = output.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with temporary.open("xb") as file:
            file.writelines(pieces)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def _message(error: HTTPError) -> str:
    try:
        return f"{error.code}: {json.load(error)['message']}"
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return f"{error.code}: {error.reason}"
