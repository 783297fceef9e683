"""GraphQL over HTTP: a query in the URL or in the body, and a page to write one in."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.graphql import EXAMPLE_BODY
from rnaget_server.apis.graphql.context import Context
from rnaget_server.apis.graphql.dialect import GraphqlDialect
from rnaget_server.apis.graphql.editor import editor
from rnaget_server.errors import InvalidQuery
from rnaget_server.http.dialect import wants_page

_WRONG = f"the body must be a JSON object with a query, such as {EXAMPLE_BODY}"


def get_query(context: Context) -> Response:
    """Answer a query in the URL, or show the page where there is none and HTML is wanted."""
    parameters = context.parameters("query", "variables", "operationName")
    query = parameters.text("query")
    if wants_page(context.request, GraphqlDialect.media_types):
        return editor(context, query, parameters.text("variables"), parameters.text("operationName"), _run)
    if query is None:
        raise InvalidQuery(
            "give a query, by GET as ?query=… or by POST in the body: /graphql shows a page in a browser"
        )
    payload, is_valid = _run(context, query, parameters.text("variables"), parameters.text("operationName"))
    return context.respond(payload, "GraphQL", status=200 if is_valid else 400)


def post_query(context: Context) -> Response:
    """Answer a query in the body."""
    content = _parsed(context.received.body, _WRONG)
    query, variables, name = (content.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise InvalidQuery(_WRONG)
    payload, is_valid = context.api.engine.run(context.view, context.cancellation, query, variables or {}, name or None)
    return context.respond(payload, "GraphQL", status=200 if is_valid else 400)


def _run(context: Context, query: str, variables: str | None, name: str | None) -> tuple[dict[str, Any], bool]:
    values = _parsed((variables or "{}").encode(), "variables must be a JSON object")
    return context.api.engine.run(context.view, context.cancellation, query, values, name or None)


def _parsed(text: bytes, wrong: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidQuery(wrong) from None
    if not isinstance(content, dict):
        raise InvalidQuery(wrong)
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidQuery("a text has half a pair of surrogates (\\ud800 to \\udfff): give whole letters") from None
    except (ValueError, RecursionError):
        raise InvalidQuery(wrong) from None
    return content
