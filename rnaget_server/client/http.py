"""Requests to any RNAget server, with nothing but the standard library."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    import pandas

_TIMEOUT = 300


class ClientError(Exception):
    """A request failed; the text is the server's message, or says why there was none."""


class Client:
    """Asks one server.

    Parameters
    ----------
    root
        Address of its RNAget API, such as ``http://127.0.0.1:8080/rnaget``.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def json(self, path: str, query: Mapping[str, Sequence[str] | str] | None = None) -> Any:
        """Return the JSON reply of a route such as ``projects``.

        Raises
        ------
        ClientError
            If the server refuses, or cannot be reached.
        """
        with self._open(path, query or {}, "application/json") as reply:
            return json.load(reply)

    def download(self, matrix: str | None, query: Mapping[str, Sequence[str] | str], output: Path) -> dict[str, str]:
        """Write a slice of `matrix` (None: of all that match) to `output`; return the reply's headers.

        The file is written beside `output` and renamed, so that a broken download leaves nothing.
        """
        path = f"expressions/{quote(matrix, safe='')}/bytes" if matrix else "expressions/bytes"
        with self._open(path, query, "*/*") as reply:
            handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    shutil.copyfileobj(reply, file, 1 << 20)
                Path(name).replace(output)
            finally:
                Path(name).unlink(missing_ok=True)
            return dict(reply.headers.items())

    def frame(self, matrix: str | None, query: Mapping[str, Sequence[str] | str]) -> pandas.DataFrame:
        """Return a slice as a table: feature ids as the index, a column for each sample, labels in front if sent.

        Raises
        ------
        ClientError
            If the server refuses, or cannot be reached.
        """
        import pandas  # only who asks for a table pays for it

        path = f"expressions/{quote(matrix, safe='')}/bytes" if matrix else "expressions/bytes"
        with self._open(path, {**query, "format": "tsv"}, "*/*") as reply:
            text = reply.read().decode("utf-8")
        while text.startswith("#"):
            text = text.partition("\n")[2]
        return pandas.read_csv(io.StringIO(text), sep="\t", index_col=0)

    def _open(self, path: str, query: Mapping[str, Sequence[str] | str], accept: str) -> HTTPResponse:
        given = {key: value for key, value in query.items() if value}
        url = f"{self.root}/{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        try:
            return cast(HTTPResponse, urlopen(Request(url, headers={"Accept": accept}), timeout=_TIMEOUT))
        except HTTPError as error:
            with error:
                raise ClientError(_message(error)) from None
        except URLError as error:
            raise ClientError(f"{self.root} cannot be reached: {error.reason}") from None


def _message(error: HTTPError) -> str:
    try:
        return f"{error.code}: {json.load(error)['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code}: {error.reason}"
