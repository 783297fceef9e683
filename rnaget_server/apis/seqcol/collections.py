"""Collections, their attributes, lists of both, and the comparison of two."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.seqcol import EXAMPLE_BODY
from rnaget_server.apis.seqcol.context import Context
from rnaget_server.delivery.tagged import ASKED_EACH_TIME, FOR_A_WHILE, with_tag
from rnaget_server.errors import InvalidQuery, UnknownId, shown
from rnaget_server.sequences.comparison import compare
from rnaget_server.sequences.digests import INHERENT, TRANSIENT, attributes_of, collection_digest, digest_of
from rnaget_server.sequences.store import Collection

_PAGE_SIZE, _MOST = 100, 1000
_MOST_LINKS = 10
ATTRIBUTES = ("lengths", "names", "sequences", "sorted_sequences", "name_length_pairs", "sorted_name_length_pairs")


def get_collection(context: Context, digest: str) -> Response:
    """Return a collection: the digests of its attributes, or their values."""
    level = context.parameters("level").choice("level", ("1", "2"))
    collection = context.collection(digest)
    payload: Mapping[str, Any] = collection.digests
    if level != "1":
        payload = {name: values for name, values in collection.attributes.items() if name not in TRANSIENT}
    response = _tagged(context, dict(payload), "Sequence collection")
    addresses = [context.address("genomes", id) for id in context.genomes_of(digest)[:_MOST_LINKS]]
    response.headers["Link"] = ", ".join(f'<{address}>; rel="describedby"' for address in addresses)
    return response


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
            context.note(collection)
            return _tagged(context, collection.attributes[attribute], f"Attribute {attribute}")
    raise UnknownId(f"no collection has {attribute} of the digest {shown(digest)}")


def get_comparison(context: Context, first: str, second: str) -> Response:
    """Return what two collections share."""
    context.parameters()
    a, b = context.collection(first), context.collection(second)
    return _respond_comparison(context, a, b.digest, b.attributes)


def post_comparison(context: Context, first: str) -> Response:
    """Return what a collection shares with one that was posted."""
    attributes = _attributes_in(context.received.body)
    inherent = {name: digest_of(attributes[name]) for name in INHERENT}
    return _respond_comparison(context, context.collection(first), collection_digest(inherent), attributes)


def _respond_comparison(context: Context, a: Collection, digest: str, b: Mapping[str, Sequence[Any]]) -> Response:
    payload = {"digests": {"a": a.digest, "b": digest}, **compare(a.attributes, b)}
    return _tagged(context, payload, "Comparison")


def _page(context: Context, results: Sequence[str]) -> Response:
    parameters = context.parameters("page", "page_size", *ATTRIBUTES)
    page = parameters.whole_number("page", 0, 10**9) or 0
    size = parameters.whole_number("page_size", 1, _MOST) or _PAGE_SIZE
    payload = {
        "results": results[page * size : (page + 1) * size],
        "pagination": {"page": page, "page_size": size, "total": len(results)},
    }
    return _tagged(context, payload, "List", ASKED_EACH_TIME)


def _tagged(context: Context, payload: Any, title: str, caching: str = FOR_A_WHILE) -> Response:
    response = context.respond(payload, title)
    return with_tag(context.request, response, caching) if context.request.method != "POST" else response


def _attributes_in(body: bytes) -> dict[str, list[Any]]:
    """Return the attributes of the collection in a body, which is at level 2; derived ones are computed.

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
    names, sequences = (_texts(content, name, wrong) for name in ("names", "sequences"))
    lengths = content.get("lengths")
    if not isinstance(lengths, list) or any(type(length) is not int or length < 0 for length in lengths):
        raise InvalidQuery(f"lengths must be a list of whole numbers: {wrong}")
    if not len(names) == len(lengths) == len(sequences):
        raise InvalidQuery(f"names, lengths and sequences must be equally many: {wrong}")
    return attributes_of(names, lengths, sequences)


def _texts(content: Mapping[str, Any], name: str, wrong: str) -> list[str]:
    values = content.get(name)
    with suppress(TypeError, UnicodeEncodeError):
        if isinstance(values, list) and "".join(values).encode() is not None:
            return values
    raise InvalidQuery(f"{name} must be a list of texts: {wrong}")
