"""Lists of values in the text of one parameter.

In a URL a literal comma separates values, and one that is percent-encoded is part of a value.
Decoded, the two would be the same: so one that separates becomes `SEPARATOR`, which no text of a client can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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


def look_up(texts: Sequence[str], missing_from: Callable[[Sequence[str]], Iterable[str]]) -> list[str]:
    """Look for all values in some texts, and return those that are not there.

    A text without separators is taken whole first; where that is not there and it holds commas, it is a list. White
    space around one of several values of a list is ignored where there is none with it.

    Parameters
    ----------
    texts
        The texts of a list parameter.
    missing_from
        Looks for values, and returns those that are not there.
    """
    listed: set[str] = set()
    all_texts = "".join(texts)
    if "," not in all_texts and SEPARATOR not in all_texts:
        return list(missing_from([text for text in dict.fromkeys(texts) if text]))
    wanted: dict[str, None] = {}
    for text in texts:
        values = elements(text) if SEPARATOR in text else [text]
        wanted |= dict.fromkeys(values)
        if len(values) > 1:
            listed.update(values)
    joined = {text for text in texts if "," in text and SEPARATOR not in text}
    missing: list[str] = []
    absent = missing_from([value for value in wanted if value])
    while absent:
        wanted = {}
        for value in absent:
            parts = [value]
            if value in joined:
                parts = [part for part in value.split(",") if part.strip()]
                listed.update(parts)
            elif value in listed:
                parts = [value.strip()]
            if not parts or parts == [value]:
                missing.append(value)
            else:
                wanted |= dict.fromkeys(parts)
        joined = set()
        absent = missing_from(list(wanted)) if wanted else ()
    return missing
