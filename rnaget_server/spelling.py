"""Known names that someone who wrote an unknown one may have meant: by similarity, in any order.

Similarity counts edits: a letter more, less or another, and two letters swapped, are one each. Upper and lower case are
one.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_COMPARED = 100
"""A name of more characters is like none."""

_LETTERS_FOR_EDIT = 3
_SHORTEST_PART = 3


def allowed_edits(length: int) -> int:
    """Return how many edits may be between two names, the longer of which has so many characters."""
    return max(1, length // _LETTERS_FOR_EDIT)


def most_alike(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return up to `count` of the known names that are like `name`, the most similar first.

    Where none has a similar spelling, those of which one is a part of the other.
    """
    from rapidfuzz import process  # only then: most runs of a command compare nothing
    from rapidfuzz.distance import OSA

    if not 0 < len(name) <= LONGEST_COMPARED:
        return []
    lower = name.lower()
    choices = [text for text in known if text]
    folded = [text.lower() for text in choices]
    spelt: list[tuple[str, int]] = []
    # No choice that would allow more edits is so like the name.
    most = allowed_edits(2 * len(lower))
    for text, edits, number in process.extract(lower, folded, scorer=OSA.distance, score_cutoff=most, limit=None):
        if edits <= allowed_edits(max(len(lower), len(text))) and edits < min(len(lower), len(text)):
            spelt.append((choices[number], int(edits)))
    found = closest(name, spelt)
    if not found:
        parts = [text for text, other in zip(choices, folded, strict=True) if is_part(lower, other)]
        found += sorted(parts, key=lambda text: (OSA.distance(lower, text.lower()), text))
    return list(dict.fromkeys(found))[:count]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the question after the known name that is most similar to `name`; nothing if none is."""
    return "".join(f"did you mean {near!r}?" for near in most_alike(name, known))


def nearest_first(name: str, known: Iterable[str]) -> list[str]:
    """Return all known names, those that are like `name` first."""
    names = list(known)
    return list(dict.fromkeys([*most_alike(name, names, len(names)), *names]))


def closest(name: str, spelt: Iterable[tuple[str, int]]) -> list[str]:
    """Return names that are spelt like `name`, given the edits between, the nearest first and without the far ones.

    With the same number of edits, they are ordered by case, by the length of the common beginning, and by letters.
    """
    from rapidfuzz.distance import OSA

    ordered = sorted((edits, OSA.distance(name, text), -_common(name, text), text) for text, edits in spelt)
    if not ordered:
        return []
    nearest = ordered[0][0]
    return [text for edits, *_, text in ordered if edits <= (nearest + 1 if nearest else 0)]


def _common(name: str, other: str) -> int:
    """Return the length of the common beginning of two names."""
    pairs = enumerate(zip(name, other, strict=False))
    return next((place for place, (letter, another) in pairs if letter != another), min(len(name), len(other)))


def is_part(name: str, other: str) -> bool:
    """Return whether one of two names in lower case is a part of the other, and long enough to say anything."""
    return min(len(name), len(other)) >= _SHORTEST_PART and (name in other or other in name)
