"""Lists of values in the text of one parameter.

In a URL a literal comma separates values, and one that is percent-encoded is part of a value.
Decoded, the two would be the same: so one that separates becomes `SEPARATOR`, which no text of a client can hold.
"""

from __future__ import annotations

from collections.abc import Iterator

SEPARATOR = "\udc2c"


def exact(value: str) -> str:
    """Return the text that is one value of a list, with any commas it holds."""
    return f"{value}{SEPARATOR}" if "," in value else value


def elements(text: str) -> list[str]:
    """Return the values in a text that has separators."""
    return [value for value in text.split(SEPARATOR) if value.strip()]


def one_by_one(text: str) -> Iterator[str]:
    """Yield a text for each value in a text; one that may be one value or several, as it is."""
    if SEPARATOR in text:
        yield from map(exact, elements(text))
    else:
        yield text


def plain(text: str) -> str:
    """Return the text of a parameter that is no list: all its commas are its own."""
    if SEPARATOR not in text:
        return text
    return text[:-1] if "," in text and text.find(SEPARATOR) == len(text) - 1 else text.replace(SEPARATOR, ",")
