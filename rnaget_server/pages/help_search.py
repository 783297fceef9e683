"""Search of the documentation: sections that have some words, by their headings and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from rnaget_server.settings import shipped
from rnaget_server.web.markdown import sections_of

MOST = 30
"""Sections that are shown."""

_LONGEST = 200
_BEFORE = 60
_EXCERPT = 220


@dataclass(frozen=True)
class Passage:
    """A section: the name and title of its page, its heading and anchor, and its text or a part of that."""

    name: str
    title: str
    heading: str
    anchor: str
    text: str


def find_passages(asked: str) -> list[Passage]:
    """Return the sections that have all words, in their heading or text; those with more of them in headings first."""
    words = asked[:_LONGEST].casefold().split()
    if not words:
        return []
    found = [(_rank(passage, words), passage) for passage in _passages() if _has(passage, words)]
    found.sort(key=lambda one: one[0], reverse=True)
    return [_excerpt(passage, words) for _, passage in found[:MOST]]


@cache
def _passages() -> tuple[Passage, ...]:
    return tuple(_read())


def _read() -> Iterator[Passage]:
    for path in sorted(shipped("docs").glob("*.md")):
        sections = sections_of(path.read_text(encoding="utf-8"))
        for section in sections:
            heading = section.heading
            anchor = "" if section is sections[0] else heading.anchor
            yield Passage(path.stem, sections[0].heading.text, heading.text, anchor, section.text)


def _has(passage: Passage, words: Sequence[str]) -> bool:
    text = f"{passage.title} {passage.heading} {passage.text}".casefold()
    return all(word in text for word in words)


def _rank(passage: Passage, words: Sequence[str]) -> tuple[int, int]:
    """Return how many of the words are in the heading, and how often the text has them."""
    heading, text = passage.heading.casefold(), passage.text.casefold()
    return sum(word in heading for word in words), sum(text.count(word) for word in words)


def _excerpt(passage: Passage, words: Sequence[str]) -> Passage:
    """Return the section with the part of its text where the first of the words is."""
    folded = passage.text.casefold()
    first = min((at for at in map(folded.find, words) if at >= 0), default=0)
    start = max(0, passage.text.rfind(" ", 0, max(0, first - _BEFORE)) + 1)
    part = passage.text[start : start + _EXCERPT]
    text = f"{'… ' if start else ''}{part}{' …' if start + _EXCERPT < len(passage.text) else ''}"
    return Passage(passage.name, passage.title, passage.heading, passage.anchor, text)
