"""Connections to web servers that are kept open for the next request."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Self
from urllib.error import URLError
from urllib.request import HTTPHandler, HTTPSHandler, Request

_IDLE = 16
"""Connections to one server that are kept, at most."""


class PooledReply(HTTPResponse):
    """A reply that gives its connection back once its body was read to the end."""

    release: Callable[[bool], None] | None = None

    def close(self) -> None:
        """End the reply; a body that was not read to its end takes the connection with it."""
        is_whole = self.isclosed() and not self.will_close
        super().close()
        release, self.release = self.release, None
        if release is not None:
            release(is_whole)


class Connections:
    """The idle connections by server, for all threads of one client."""

    def __init__(self) -> None:
        self._idle: dict[Any, list[HTTPConnection]] = defaultdict(list)
        self._lock = threading.Lock()
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close all that are idle; those in use are closed when their reply is."""
        with self._lock:
            self._is_open = False
            idle = [one for connections in self._idle.values() for one in connections]
            self._idle.clear()
        for one in idle:
            one.close()

    def take(self, key: Any) -> HTTPConnection | None:
        """Return an idle connection to a server, if there is one."""
        with self._lock:
            connections = self._idle.get(key)
            return connections.pop() if connections else None

    def give_back(self, key: Any, connection: HTTPConnection, is_whole: bool) -> None:
        """Keep a connection whose last reply was read to its end; close any other."""
        with self._lock:
            connections = self._idle[key]
            is_kept = is_whole and self._is_open and len(connections) < _IDLE
            if is_kept:
                connections.append(connection)
        if not is_kept:
            connection.close()

    def ask(self, request: Request, key: Any, new: Callable[[], HTTPConnection]) -> HTTPResponse:
        """Return the reply to a request, over an idle connection where one is still alive."""
        headers = {**request.unredirected_hdrs, **request.headers}
        headers = {name.title(): value for name, value in headers.items()}
        headers["Connection"] = "keep-alive" if self._is_open else "close"
        while True:
            kept = self.take(key)
            connection = kept or new()
            connection.response_class = PooledReply
            try:
                connection.request(request.get_method(), request.selector, request.data, headers)
                reply = connection.getresponse()
            except (OSError, HTTPException) as error:
                connection.close()
                if kept is None or isinstance(error, TimeoutError):
                    raise
                continue  # the server has closed it meanwhile
            except BaseException:
                connection.close()
                raise
            reply.url, reply.msg = request.get_full_url(), reply.reason  # type: ignore[assignment]
            if isinstance(reply, PooledReply):
                reply.release = partial(self.give_back, key, connection)
            return reply


def _opened(connections: Connections, kind: type[HTTPConnection], request: Request, **options: Any) -> HTTPResponse:
    try:
        host, timeout = request.host, request.timeout
        return connections.ask(request, (kind, host, timeout), lambda: kind(host, timeout=timeout, **options))
    except OSError as error:
        raise URLError(error) from None


class KeepingHandler(HTTPHandler):
    """Opens addresses with ``http:`` over connections that are kept."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    def http_open(self, req: Request) -> HTTPResponse:
        """Return the reply to a request."""
        return _opened(self._connections, HTTPConnection, req)


class KeepingSecureHandler(HTTPSHandler):
    """Opens addresses with ``https:`` over connections that are kept, unless a proxy is between."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    def https_open(self, req: Request) -> HTTPResponse:
        """Return the reply to a request."""
        if getattr(req, "_tunnel_host", None):
            return super().https_open(req)
        return _opened(self._connections, HTTPSConnection, req, context=self._context)  # type: ignore[attr-defined]
