"""Requests to any RNAget server, with nothing but the standard library."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from urllib.parse import quote, urlencode

from rnaget.errors import ClientError
from rnaget.files import replacing
from rnaget.formats import format_for, same_format
from rnaget.tickets import Ticket
from rnaget.transport import TIMEOUT, NotJSONError, StatusError, check_address, is_html, open_url, parse_json, read_body

if TYPE_CHECKING:
    import pandas

    Parameters = Mapping[str, Sequence[str] | str]

__all__ = ["Client", "ClientError"]

# What a server without ticket routes answers. A wrong id may be the reason as well; then the next request says so.
_NO_TICKETS = (404, 405, 406, 501)


class _Download(NamedTuple):
    """A file that arrives; reading `pieces` to the end proves it whole."""

    headers: dict[str, str]
    pieces: Iterable[bytes]


class Client:
    """A client of one server.

    Parameters
    ----------
    root
        Address of its RNAget API, such as ``http://127.0.0.1:8080/rnaget``. Where no API is found there, ``/rnaget`` is
        added.
    timeout
        Seconds to wait for a reply to begin or to go on.
    """

    def __init__(self, root: str, timeout: float = TIMEOUT) -> None:
        self.root = root.strip().rstrip("/")
        self._timeout = timeout
        self._is_found = False

    def json(self, path: str, query: Parameters | None = None) -> Any:
        """Return the JSON reply of a route such as ``projects``.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or its reply is cut short or no JSON.
        """
        with self._open(path, query or {}, "application/json") as reply:
            text = b"".join(read_body(reply))
        return parse_json(text, f"{self.root}/{path.lstrip('/')}")

    def download(self, matrix: str | None, query: Parameters, output: Path | str | BinaryIO) -> dict[str, str]:
        """Write a slice of `matrix` (None: of all that match) to `output`; return the headers of the reply.

        A file appears under its name when it is complete, and a failed download leaves what was there before. Its
        format is the one that its name stands for, where `query` has none. What is written to a file object cannot be
        taken back: there only the error says that it is not complete.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, its reply is cut short or not what the ticket says, the name of
            the file is for another format, or the file cannot be written.
        """
        if not isinstance(output, Path | str):
            with self._fetch(matrix, query) as download:
                output.writelines(download.pieces)
                output.flush()
                return download.headers
        if format := format_for(str(output), _given_format(query)):
            query = {**query, "format": format}
        with replacing(Path(output)) as file, self._fetch(matrix, query) as download:
            file.writelines(download.pieces)
            return download.headers

    def frame(self, matrix: str | None, query: Parameters) -> pandas.DataFrame:
        """Return a slice as a table: feature ids as the index, a column for each sample, labels in front if sent.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or its reply is cut short or no table.
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas  # only who asks for a table pays for it
        except ImportError:
            raise ImportError("a table needs pandas: install rnaget with its extra, rnaget[pandas]") from None

        with self._fetch(matrix, {**query, "format": "tsv"}) as download:
            content = b"".join(download.pieces)
        try:
            text = content.decode("utf-8")
            while text.startswith("#"):
                text = text.partition("\n")[2]
            return pandas.read_csv(io.StringIO(text), sep="\t", index_col=0)
        except ValueError as error:  # of decoding, and of pandas
            raise ClientError(f"{self.root} sends no table: {error}") from None

    @contextmanager
    def _fetch(self, matrix: str | None, query: Parameters) -> Iterator[_Download]:
        """Open the file of a slice by its ticket, or where the server has no tickets, by itself."""
        ticket = self._ticket(matrix, query)
        if ticket is None:
            reply = self._open(_route(matrix, "bytes"), query, "*/*")
        else:
            wanted = _given_format(query)
            if wanted and ticket.file_type and not same_format(wanted, ticket.file_type):
                raise ClientError(f"the server offers {ticket.file_type} where {wanted} was asked for")
            place = ticket.url.partition("?")[0]
            reply = open_url(ticket.url, {"Accept": "*/*", **ticket.headers}, self._timeout, place)
        with reply:
            if is_html(reply):
                raise ClientError(f"{self.root} sends a page instead of data: is this the address of an RNAget API?")
            pieces = read_body(reply)
            yield _Download(dict(reply.headers.items()), ticket.verified(pieces) if ticket else pieces)

    def _ticket(self, matrix: str | None, query: Parameters) -> Ticket | None:
        path = _route(matrix, "ticket")
        try:
            with self._open(path, query, "application/json") as reply:
                text = b"".join(read_body(reply))
        except StatusError as refusal:
            if refusal.code in _NO_TICKETS:
                return None
            raise
        if not text.lstrip().startswith((b"{", b"[")):  # a server that sends files or pages for any request
            return None
        place = f"{self.root}/{path}"
        return Ticket.parse(parse_json(text, place), place)

    def _open(self, path: str, query: Parameters, accept: str) -> HTTPResponse:
        if not self._is_found:
            self.root, self._is_found = self._find_root(), True
        given = {key: value for key, value in query.items() if value}
        url = f"{self.root}/{path.lstrip('/')}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        return open_url(url, {"Accept": accept}, self._timeout, self.root)

    def _find_root(self) -> str:
        """Return the address of the API: the one given, or ``/rnaget`` below it if it is only there."""
        check_address(self.root)
        if self.root.endswith("/rnaget"):
            return self.root
        below = f"{self.root}/rnaget"
        return below if not self._is_api(self.root) and self._is_api(below) else self.root

    def _is_api(self, root: str) -> bool:
        try:
            with open_url(f"{root}/service-info", {"Accept": "application/json"}, self._timeout, root) as reply:
                info = parse_json(b"".join(read_body(reply)), root)
        except (StatusError, NotJSONError):
            return False
        kind = info.get("type") if isinstance(info, dict) else None
        return isinstance(info, dict) and not (isinstance(kind, dict) and kind.get("artifact", "rnaget") != "rnaget")


def _route(matrix: str | None, name: str) -> str:
    return f"expressions/{quote(matrix, safe='')}/{name}" if matrix else f"expressions/{name}"


def _given_format(query: Parameters) -> str | None:
    given = query.get("format") or None
    return given if given is None or isinstance(given, str) else given[-1]
