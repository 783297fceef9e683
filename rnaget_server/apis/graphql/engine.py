"""The schema, and queries that are run by it within bounds of depth, size and cost."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    execute,
    parse,
    validate,
)

from rnaget_server.apis.graphql.resolvers import Resolvers
from rnaget_server.datasets.repository import View

_MOST_LETTERS = 50_000
_MOST_TOKENS = 4_000
_DEEPEST = 16
_MOST_FIELDS = 1_000
_MOST_ERRORS = 20


class Engine:
    """Runs queries.

    Parameters
    ----------
    schema
        In the language of schemas.
    """

    def __init__(self, schema: str) -> None:
        self._schema = build_schema(schema)

    def run(self, view: View, query: str, variables: dict[str, Any], name: str | None) -> tuple[dict[str, Any], bool]:
        """Return the payload of a reply, and whether the query was well formed and so was run."""
        try:
            document = _parse(query)
            errors = validate(self._schema, document, max_errors=_MOST_ERRORS)
            if not errors:
                _check_bounds(document)
        except GraphQLError as error:
            errors = [error]
        if errors:
            return {"errors": [error.formatted for error in errors]}, False
        result = execute(
            self._schema,
            document,
            root_value=Resolvers(view).root(),
            variable_values=variables,
            operation_name=name,
        )
        assert isinstance(result, ExecutionResult)  # no resolver is a coroutine
        for failed in result.errors or ():
            if failed.original_error is not None and not isinstance(failed.original_error, GraphQLError):
                raise failed.original_error
        return dict(result.formatted), True


def _parse(query: str) -> DocumentNode:
    if len(query) > _MOST_LETTERS:
        raise GraphQLError(f"the query has more than {_MOST_LETTERS:,} letters: ask for less at once")
    try:
        return parse(query, max_tokens=_MOST_TOKENS)
    except RecursionError:
        raise GraphQLError("the query is nested too deep") from None


def _check_bounds(document: DocumentNode) -> None:
    """Refuse what is nested too deep, or has too many fields, fragments taken as often as they are named."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            pending: list[tuple[SelectionSetNode, int]] = [(operation.selection_set, 1)]
            fields = 0
            while pending:
                selections, depth = pending.pop()
                if depth > _DEEPEST:
                    raise GraphQLError(f"the query is nested deeper than {_DEEPEST}: ask in several steps")
                for node in selections.selections:
                    fields += 1
                    if fields > _MOST_FIELDS:
                        raise GraphQLError(f"the query has more than {_MOST_FIELDS:,} fields: ask for less at once")
                    if isinstance(node, FieldNode) and node.selection_set:
                        pending.append((node.selection_set, depth + 1))
                    elif isinstance(node, FragmentSpreadNode):
                        pending.append((fragments[node.name.value].selection_set, depth))
                    elif isinstance(node, InlineFragmentNode):
                        pending.append((node.selection_set, depth))
