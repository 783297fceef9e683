"""The page to write queries in, for browsers: a form that works without a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.graphql import BASE_PATH
from rnaget_server.apis.graphql.context import Context
from rnaget_server.errors import InvalidQuery, StoreFailure
from rnaget_server.http.dialect import HTML
from rnaget_server.http.request import ROOT_KEY, house_of, visitor_of
from rnaget_server.settings import shipped
from rnaget_server.web import PAGE_HEADERS, render

Run = Callable[[Context, str, str | None, str | None], tuple[dict[str, Any], bool]]

_EXAMPLE = """query ($genome: String!, $symbol: String!) {
  genes(by_symbol: {genome_id: $genome, symbol: $symbol}) {
    stable_id
    symbol
    slice { region { name sequence { checksum } } location { start end } strand { code } }
    transcripts {
      stable_id
      metadata { canonical { value } }
      product_generating_contexts {
        cdna { sequence { checksum } }
        cds { sequence { checksum } }
        product { stable_id length sequence { checksum } }
      }
    }
  }
}"""
_WITHOUT_GENES = "{\n  version { api { major minor patch } }\n}"


def editor(context: Context, query: str | None, variables: str | None, name: str | None, run: Run) -> Response:
    """Return the page, with the reply to a query if one is given, else with one that has an answer here."""
    reply, status = None, 200
    if query is None:
        query, variables = _example(context)
    elif query.strip():
        try:
            payload, is_valid = run(context, query, variables, name)
            status = 200 if is_valid else 400
        except InvalidQuery as error:
            payload, status = {"errors": [{"message": str(error)}]}, 400
        reply = json.dumps(payload, indent=2, ensure_ascii=False)
    root = context.request.scope[ROOT_KEY]
    page = render(
        "graphql.html",
        root=root,
        house=house_of(context.request),
        visitor=visitor_of(context.request.scope),
        address=context.address(BASE_PATH.strip("/")),
        query=query,
        variables=variables or "{}",
        reply=reply,
        schema=(shipped("openapi") / "genes.graphql").read_text(encoding="utf-8"),
    )
    headers = {"Vary": "Accept", **PAGE_HEADERS, "Content-Type": f"{HTML}; charset=utf-8"}
    return Response(page, status, headers=headers)


def _example(context: Context) -> tuple[str, str]:
    """Return a query and its variables, of a gene that some genome has."""
    for genome in context.view.catalog.genomes.values():
        try:
            example = context.view.stores.open_genome(genome).example_gene()
        except StoreFailure:
            continue
        if example is not None:
            variables = {"genome": genome.id, "symbol": example}
            return _EXAMPLE, json.dumps(variables, indent=2, ensure_ascii=False)
    return _WITHOUT_GENES, "{}"
