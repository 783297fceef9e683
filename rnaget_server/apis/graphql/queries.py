"""GraphQL over HTTP: a query in the URL or in the body, and a page to write one in."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import HTMLResponse, Response

from rnaget_server.apis.graphql import EXAMPLE_BODY
from rnaget_server.apis.graphql.context import Context
from rnaget_server.errors import InvalidQuery
from rnaget_server.web import PAGE_HEADERS

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Genes by GraphQL</title></head>
<body>
<h1>Genes by GraphQL</h1>
<form method="get">
<p><label>Query<br>
<textarea name="query" rows="20" cols="100">{ version { api { major minor patch } } }</textarea></label></p>
<p><label>Variables<br>
<textarea name="variables" rows="4" cols="100">{}</textarea></label></p>
<p><button>Run</button></p>
</form>
</body></html>
"""
_HEADERS = {
    **PAGE_HEADERS,
    # The page sends its form to this server.
    "Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"].replace(
        "form-action 'none'", "form-action 'self'"
    ),
    "Vary": "Accept",
}
_WRONG = f"the body must be a JSON object with a query, such as {EXAMPLE_BODY}"


def get_query(context: Context) -> Response:
    """Answer a query in the URL, or show the page where there is none and HTML is wanted."""
    parameters = context.parameters("query", "variables", "operationName")
    query = parameters.text("query")
    if query is None:
        if "text/html" in context.request.headers.get("accept", ""):
            return HTMLResponse(_PAGE, headers=_HEADERS)
        raise InvalidQuery(
            "give a query, by GET as ?query=… or by POST in the body: /graphql shows a page in a browser"
        )
    variables = _parsed((parameters.text("variables") or "{}").encode(), "variables must be a JSON object")
    return _answer(context, query, variables, parameters.text("operationName"))


def post_query(context: Context) -> Response:
    """Answer a query in the body."""
    content = _parsed(context.received.body, _WRONG)
    query, variables, name = (content.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise InvalidQuery(_WRONG)
    return _answer(context, query, variables or {}, name)


def _answer(context: Context, query: str, variables: dict[str, Any], name: str | None) -> Response:
    payload, is_valid = context.api.engine.run(context.view, context.cancellation, query, variables, name or None)
    return context.respond(payload, "GraphQL", status=200 if is_valid else 400)


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
