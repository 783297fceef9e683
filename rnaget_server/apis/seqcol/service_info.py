"""The service-info of sequence collections, with the schema of a collection."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.seqcol.context import Context
from rnaget_server.delivery.tagged import ASKED_EACH_TIME, with_tag
from rnaget_server.sequences.digests import INHERENT, TRANSIENT

_VERSION = "1.0.0"


async def get_service_info(context: Context) -> Response:
    """Return what this server is, and the schema of its collections."""
    context.parameters()
    payload = {**context.service_info(".seqcol", "refget-seqcol", _VERSION), "seqcol": {"schema": _schema()}}
    return with_tag(context.request, context.respond(payload, "Service info"), ASKED_EACH_TIME)


def _schema() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "integer"}
    pair = {"type": "object", "properties": {"name": text, "length": number}, "required": ["length", "name"]}
    arrays: dict[str, tuple[Any, bool, str]] = {
        "lengths": (number, True, "Number of letters of each sequence."),
        "names": (text, True, "Name of each sequence."),
        "sequences": (text, True, "GA4GH digest of each sequence."),
        "sorted_sequences": (text, False, "GA4GH digests of the sequences, sorted."),
        "name_length_pairs": (pair, True, "Name and length of each sequence."),
        "sorted_name_length_pairs": (text, False, "Digests of the pairs of name and length, sorted."),
    }
    return {
        "description": "A collection of sequences.",
        "type": "object",
        "properties": {
            name: {"type": "array", "collated": collated, "description": description, "items": items}
            for name, (items, collated, description) in arrays.items()
        },
        "required": ["names", "lengths", "sequences"],
        "ga4gh": {"inherent": list(INHERENT), "transient": list(TRANSIENT), "passthru": []},
    }
