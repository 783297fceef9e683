"""The one error of the client."""

from __future__ import annotations


class ClientError(Exception):
    """A failed request; the text is the server's message, or says why there was none, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: object) -> str:
    """Return `text` on one line, without the characters that a terminal takes as commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))
