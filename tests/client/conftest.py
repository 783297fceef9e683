"""A real server to ask, and servers that fail in the middle of a reply."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def root(serve: Callable[..., str]) -> str:
    """The address of the RNAget API of a server of the demo catalogue."""
    return f"{serve(ROOT / 'data')}/rnaget"


@pytest.fixture
def replying() -> Iterator[Callable[..., str]]:
    """Start servers that send fixed bytes to whoever asks, then close or reset the connection."""
    with ExitStack() as stack:
        yield lambda reply, reset=False: stack.enter_context(_server(reply, reset))


@contextmanager
def _server(reply: bytes, reset: bool) -> Iterator[str]:
    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with connection:
                connection.recv(1 << 16)
                connection.sendall(reply)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/rnaget"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
