"""The comparison of two collections of sequences, as sequence collections 1.0 defines it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rnaget_server.sequences.digests import SORTED_PAIRS


def compare(a: Mapping[str, Sequence[Any]], b: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return which attributes and elements two collections share, and whether they have them in the same order.

    Pairs of name and length are compared in the order of the collections; sorted, they say nothing more.
    """
    ours, theirs = ({name: values[name] for name in sorted(values) if name != SORTED_PAIRS} for values in (a, b))
    common = [name for name in ours if name in theirs]
    shared = {name: _shared(ours[name], theirs[name]) for name in common}
    return {
        "attributes": {
            "a_only": [name for name in ours if name not in theirs],
            "b_only": [name for name in theirs if name not in ours],
            "a_and_b": common,
        },
        "array_elements": {
            "a_count": {name: len(values) for name, values in ours.items()},
            "b_count": {name: len(values) for name, values in theirs.items()},
            "a_and_b_count": {name: count for name, (count, _) in shared.items()},
            "a_and_b_same_order": {name: same for name, (_, same) in shared.items()},
        },
    }


def _shared(a: Sequence[Any], b: Sequence[Any]) -> tuple[int, bool | None]:
    """Return how many elements both have, and whether in one order.

    None: there is none, or one occurs more often in one than in the other, so that there is no common order.
    """
    # Pairs have their keys in one order, see `attributes_of`.
    keys = [[tuple(value.items()) if isinstance(value, dict) else value for value in values] for values in (a, b)]
    counts = [Counter(values) for values in keys]
    kept = [[key for key in values if key in other] for values, other in zip(keys, reversed(counts), strict=True)]
    count = (counts[0] & counts[1]).total()
    if not count or any(len(values) != count for values in kept):
        return count, None
    return count, kept[0] == kept[1]
