"""Collections, their attributes, lists of both, and the comparison of two."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.seqcol import EXAMPLE_BODY
from rnaget_server.apis.seqcol.context import Context
from rnaget_server.errors import InvalidQuery, UnknownId, shown
from rnaget_server.sequences.comparison import compare
from rnaget_server.sequences.digests import TRANSIENT
from rnaget_server.sequences.store import Collection

_PAGE_SIZE, _MOST = 100, 1000
_COLLATED: dict[str, type] = {"names": str, "lengths": int, "sequences": str}
ATTRIBUTES = ("lengths", "names", "sequences", "sorted_sequences", "name_length_pairs", "sorted_name_length_pairs")


def get_collection(context: Context, digest: str) -> Response:
    """Return a collection: the digests of its attributes, or their values."""
    level = context.parameters("level").choice("level", ("1", "2"))
    collection = context.collection(digest)
    payload: Mapping[str, Any] = collection.digests
    if level != "1":
        payload = {name: values for name, values in collection.attributes.items() if name not in TRANSIENT}
    return context.respond(dict(payload), "Sequence collection")


def get_collection_list(context: Context) -> Response:
    """Return the digests of the collections, or of those whose attributes have the digests given."""
    parameters = context.parameters("page", "page_size", *ATTRIBUTES)
    wanted = {name: text for name in ATTRIBUTES if (text := parameters.text(name)) is not None}
    found = [
        digest
        for digest, collection in context.collections.items()
        if all(collection.digests[name] == text for name, text in wanted.items())
    ]
    return _page(context, found)


def get_attribute_list(context: Context, attribute: str) -> Response:
    """Return the digests that an attribute has in all collections."""
    context.parameters("page", "page_size")
    if attribute not in ATTRIBUTES:
        raise UnknownId(f"there is no attribute {shown(attribute)}: there are {', '.join(ATTRIBUTES)}")
    return _page(context, list(dict.fromkeys(found.digests[attribute] for found in context.collections.values())))


def get_attribute(context: Context, attribute: str, digest: str) -> Response:
    """Return the values of an attribute, by their digest."""
    context.parameters()
    kept = [name for name in ATTRIBUTES if name not in TRANSIENT]
    if attribute not in kept:
        raise UnknownId(f"there is no attribute {shown(attribute)} with values of its own: there are {', '.join(kept)}")
    for collection in context.collections.values():
        if collection.digests[attribute] == digest:
            return context.respond(collection.attributes[attribute], f"Attribute {attribute}")
    raise UnknownId(f"no collection has {attribute} of the digest {shown(digest)}")


def get_comparison(context: Context, first: str, second: str) -> Response:
    """Return what two collections share."""
    context.parameters()
    a, b = context.collection(first), context.collection(second)
    return context.respond(_comparison(a, b), "Comparison")


def post_comparison(context: Context, first: str) -> Response:
    """Return what a collection shares with one that was posted."""
    a = context.collection(first)
    return context.respond(_comparison(a, _collection_in(context.received.body)), "Comparison")


def _comparison(a: Collection, b: Collection) -> dict[str, Any]:
    return {"digests": {"a": a.digest, "b": b.digest}, **compare(a.attributes, b.attributes)}


def _page(context: Context, results: Sequence[str]) -> Response:
    parameters = context.parameters("page", "page_size", *ATTRIBUTES)
    page = parameters.whole_number("page", 0, 10**9) or 0
    size = parameters.whole_number("page_size", 1, _MOST) or _PAGE_SIZE
    payload = {
        "results": results[page * size : (page + 1) * size],
        "pagination": {"page": page, "page_size": size, "total": len(results)},
    }
    return context.respond(payload, "List")


def _collection_in(body: bytes) -> Collection:
    """Return the collection in a body: level 2, whose derived attributes are made anew.

    Raises
    ------
    InvalidQuery
        If it is none.
    """
    wrong = f"the body must be a collection at level 2, such as {EXAMPLE_BODY}"
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidQuery(f"the body is not JSON: {wrong}") from None
    if not isinstance(content, dict):
        raise InvalidQuery(wrong)
    columns = []
    for name, kind in _COLLATED.items():
        values = content.get(name)
        if not isinstance(values, list) or any(type(value) is not kind for value in values):
            raise InvalidQuery(f"{name} must be a list of {'texts' if kind is str else 'whole numbers'}: {wrong}")
        columns.append(values)
    names, lengths, sequences = columns
    if not len(names) == len(lengths) == len(sequences):
        raise InvalidQuery(f"names, lengths and sequences must be equally many: {wrong}")
    return Collection.of(names, lengths, sequences)
