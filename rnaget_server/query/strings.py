"""Query strings of hundreds of thousands of values, read and written as `urllib.parse` does, several times faster."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from string import hexdigits
from urllib.parse import quote, quote_plus

from rnaget_server.model.lists import SEPARATOR, one_by_one

Pair = tuple[str, str]
# No other thread runs while so many characters are decoded.
_PIECE = 64 << 10
_BYTES = {f"{high}{low}": bytes.fromhex(f"{high}{low}") for high in hexdigits for low in hexdigits}
_ASCII = {digits: byte.decode() for digits, byte in _BYTES.items() if byte.isascii()}
_OTHERS = {digits: byte for digits, byte in _BYTES.items() if not byte.isascii()}
_PART = re.compile("[^&]+")
_NAME, _VALUE = itemgetter(0), itemgetter(1)
# To sort a million texts takes half a second, in which no other thread runs.
_MOST_SORTED = 1 << 16
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-~]+")


class _Quoted(dict[str, str]):
    """Texts as they stand in a URL, each made once."""

    def __missing__(self, text: str) -> str:
        self[text] = ",".join(map(quote_plus, text.split(SEPARATOR)))
        return self[text]


def query_pairs(query: str) -> list[Pair]:
    """Return names and values in a query string, as `urllib.parse.parse_qsl` does with blank values kept.

    In values a comma that is not encoded becomes `SEPARATOR`.
    """
    found = []
    names: dict[str, str] = {}
    # One by one: to split it at once would hold the interpreter.
    for part in _PART.finditer(query):
        name, _, value = part[0].partition("=")
        if name not in names:
            names[name] = _unquote(name)
        found.append((names[name], _unquote(value.replace(",", SEPARATOR))))
    return found


def query_string(pairs: Iterable[Pair]) -> str:
    """Return names and values as a query string, as `urllib.parse.urlencode` does; `SEPARATOR` becomes a comma."""
    quoted = _Quoted()
    return "&".join(f"{_quote(name, quoted)}={_quote(value, quoted)}" for name, value in pairs)


def value_list(values: Iterable[str]) -> str:
    """Return values as the text of a list in a URL, which means exactly them."""
    text = ",".join(quote(value, safe="/:@!$'()*;") for value in values)
    return f"{text}," if "%2C" in text and "," not in text else text


def start_of_query_string(values: Mapping[str, Iterable[str]], most: int) -> str:
    """Return the first `most` characters of the query string of names and their values."""
    quoted = _Quoted()
    parts: list[str] = []
    size = 0
    for name, value in ((name, value) for name, several in values.items() for value in several):
        # A character is never shorter when it is quoted.
        parts.append(f"{_quote(name[:most], quoted)}={_quote(value[:most], quoted)}")
        size += len(parts[-1]) + 1
        if size > most:
            break
    return "&".join(parts)[:most]


def runs(pairs: Iterable[Pair]) -> list[tuple[str, list[str]]]:
    """Return names and the values that follow each other under them: one step for a list of any length."""
    return [(name, list(map(_VALUE, several))) for name, several in groupby(pairs, _NAME)]


def by_name(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Return the values of each name, lists taken apart, names and values in order.

    Very many values stay as they came: to sort them would keep the interpreter from all other requests.
    """
    found: dict[str, list[str]] = {}
    for name, values in runs(pairs):
        if SEPARATOR in "".join(values):
            values = [one for value in values for one in (one_by_one(value) if SEPARATOR in value else (value,))]
        found.setdefault(name, []).extend(values)
    return {name: values if len(values := found[name]) > _MOST_SORTED else sorted(values) for name in sorted(found)}


def asked_in(query: str) -> dict[str, list[str]]:
    """Return what `by_name` does of the names and values in a query string."""
    return by_name(query_pairs(query))


def canonical(pairs: Iterable[Pair], most: int, without: Iterable[str]) -> tuple[str, str]:
    """Return the query string of `by_name`, equal for any order of the pairs: its first `most` characters; a digest.

    It is without the values of some names.
    """
    values = by_name(pairs)
    for name in without:
        values.pop(name, None)
    return start_of_query_string(values, most), digest(values)


def digest(values: Mapping[str, list[str]]) -> str:
    """Return a digest of names and their values."""
    found = hashlib.sha256()
    for name, several in values.items():
        text = "\n".join(several)
        # To write each as Python does takes five times as long.
        are_lines = text.count("\n") == len(several) - 1
        data = (text if are_lines else repr(several)).encode("utf-8", "surrogatepass")
        found.update(repr((name, len(several), are_lines, len(data))).encode("utf-8", "surrogatepass"))
        found.update(data)
    return found.hexdigest()


def _unquote(text: str) -> str:
    """Return what `urllib.parse.unquote_plus` does, which takes seconds for millions of percent signs."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    parts: list[str] = []
    # Those of one character stand one after the other, but may be in two pieces.
    waiting = bytearray()
    for first, *escapes in _pieces(text):
        if first and waiting:
            parts.append(_taken(waiting))
        parts.append(first)
        for escape in escapes:
            digits, rest = escape[:2], escape[2:]
            if digits in _OTHERS:
                waiting += _OTHERS[digits]
                if rest:
                    parts += (_taken(waiting), rest)
                continue
            if waiting:
                parts.append(_taken(waiting))
            parts.append(_ASCII.get(digits, "%" + digits) + rest)
    return "".join([*parts, _taken(waiting)])


def _taken(waiting: bytearray) -> str:
    text = waiting.decode("utf-8", "replace")
    waiting.clear()
    return text


def _pieces(text: str) -> Iterator[list[str]]:
    """Yield a text in pieces of at most `_PIECE` characters, split at percent signs and never within an escape."""
    start = 0
    while start < len(text):
        stop = start + _PIECE
        if stop < len(text):
            cut = text.rfind("%", stop - 2, stop)
            stop = cut if cut >= 0 else stop
        yield text[start:stop].split("%")
        start = stop


def _quote(text: str, quoted: _Quoted) -> str:
    # This is the fastest check for plain text, which most ids are.
    if text.isalnum() and text.isascii():
        return text
    return _UNSAFE.sub(lambda match: quoted[match[0]], text)
