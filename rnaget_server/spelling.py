"""Known names that someone who wrote an unknown one may have meant: by likeness, whatever their order.

Likeness counts edits: a letter more, less or another, and two letters swapped, are one each. Upper and lower case are one.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

LONGEST_COMPARED = 100
"""A name of more characters is like none."""

_LETTERS_FOR_EDIT = 3
_SHORTEST_PART = 3


def allowed_edits(length: int) -> int:
    """Return how many edits may lie between two names, the longer of which has so many characters."""
    return max(1, length // _LETTERS_FOR_EDIT)


def most_alike(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return up to `count` of the known names that are like `name`, the most alike first.

    Those that are spelt alike come before those of which one is a part of the other.
    """
    if not 0 < len(name) <= LONGEST_COMPARED:
        return []
    lower = name.lower()
    choices = [text for text in known if text]
    folded = [text.lower() for text in choices]
    found = []
    # A choice that differs more in length than edits allow is no match of any.
    most = allowed_edits(2 * len(lower))
    for text, edits, number in process.extract(lower, folded, scorer=OSA.distance, score_cutoff=most, limit=None):
        if edits <= allowed_edits(max(len(lower), len(text))) and edits < min(len(lower), len(text)):
            found.append(((0, *closeness(name, choices[number], edits)), choices[number]))
    if len(found) < count:
        alike = {text for _, text in found}
        for text, other in zip(choices, folded, strict=True):
            if text not in alike and is_part(lower, other):
                edits = OSA.distance(lower, other)
                found.append(((1, *closeness(name, text, edits)), text))
    return list(dict.fromkeys(text for _, text in sorted(found)))[:count]


def nearest_first(name: str, known: Iterable[str]) -> list[str]:
    """Return all known names, those that are like `name` first."""
    names = list(known)
    return list(dict.fromkeys([*most_alike(name, names, len(names)), *names]))


def closeness(name: str, other: str, edits: int) -> tuple[int, int, int, str]:
    """Return what names with the same likeness are ordered by: case, a common beginning, and their letters."""
    common = next((place for place, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), len(name))
    return edits, OSA.distance(name, other), -common, other


def is_part(name: str, other: str) -> bool:
    """Return whether one of two names in lower case is a part of the other, and long enough to say anything."""
    return min(len(name), len(other)) >= _SHORTEST_PART and (name in other or other in name)
