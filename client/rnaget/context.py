"""The server that a command asks, and how commands end."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import click

from rnaget.config import chosen_server, load_config
from rnaget.errors import ClientError
from rnaget.server import Server, connect
from rnaget.session import Session
from rnaget.transport import TIMEOUT

EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
EXIT_SIGNAL = 128


class Context:
    """The options that all commands share; the server is made when a command needs it."""

    def __init__(self, server: str | None, token: str | None, timeout: float | None, retries: int, cache: bool) -> None:
        self._given, self._token, self._timeout, self._cache = server, token, timeout, cache
        self.retries = retries
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The server."""
        if self._server is None:
            entry = chosen_server(self._given)
            timeout = self._timeout or entry.timeout or TIMEOUT
            self._server = connect(
                entry.url, self._token or entry.token, timeout=timeout, max_retries=self.retries, cache=self._cache
            )
        return self._server

    @contextmanager
    def session_for(self, url: str) -> Iterator[Session]:
        """Give what asks an address: the token is for the server that is chosen, and without one, for this address."""
        if self._given is not None or load_config().get("server"):
            yield self.server.api.session
            return
        session = Session(url, self._token, None, self._timeout or TIMEOUT)
        try:
            yield session
        finally:
            session.close()

    def close(self) -> None:
        """Close the connections."""
        if self._server is not None:
            self._server.close()


class Group(click.Group):
    """Commands that report a failure as one line, and end as programs do that a signal or a closed pipe stops."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        _end_by_exceptions(context)
        _buffer_output()
        try:
            return super().invoke(context)
        except (ClientError, ImportError) as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            context.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # whoever read the output has enough
            _drop_output()
            context.exit(EXIT_CLOSED_PIPE)
        except OSError as error:
            _drop_output()
            raise click.ClickException(f"standard output cannot be written: {error.strerror or error}") from None


def _end_by_exceptions(context: click.Context) -> None:
    """Let the signals that end a program raise SystemExit, so that no temporary file stays behind."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_SIGNAL + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has only the first
        try:
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                context.call_on_close(lambda number=number: signal.signal(number, signal.SIG_DFL))
        except ValueError:  # not in the main thread
            return


def _buffer_output() -> None:
    """Give standard output a buffer where it has none, as with PYTHONUNBUFFERED: what it does not take is lost then.

    One that is closed fails when it is written, as it does in other programs.
    """
    raw, encoding, errors = getattr(sys.stdout, "buffer", None), None, None
    if sys.stdout is None:
        raw = io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")
    if isinstance(raw, io.RawIOBase):
        if sys.stdout is not None:
            encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=True)


def _drop_output() -> None:
    """Lead what is still to be flushed nowhere, since Python would report that it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def _dropping() -> Iterator[None]:
    try:
        yield
    except OSError:
        _drop_output()
        raise


class StandardOutput:
    """Standard output as a file that is written once: what came before in it, as by ``>>``, stays."""

    label = "standard output"

    def __init__(self) -> None:
        self._file: BinaryIO = sys.stdout.buffer

    def write(self, piece: bytes) -> int:
        """Write bytes."""
        with _dropping():
            return self._file.write(piece)

    def flush(self) -> None:
        """Hand over what is held back."""
        with _dropping():
            self._file.flush()


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header, in any case of its letters."""
    return next((value for key, value in headers.items() if key.lower() == name), None)
