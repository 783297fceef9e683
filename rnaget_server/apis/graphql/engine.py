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

from rnaget_server.apis.graphql.cost import Cost, Stopped
from rnaget_server.apis.graphql.resolvers import Resolvers
from rnaget_server.datasets.repository import View
from rnaget_server.model.cancellation import Cancellation

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

    def run(
        self, view: View, cancellation: Cancellation, query: str, variables: dict[str, Any], name: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Return the payload of a reply, and whether the query was well formed and so was run.

        Raises
        ------
        Cancelled
            If the client has disconnected.
        """
        try:
            document = _parse(query)
            # First: the time that it takes to validate grows with the square of the fields.
            _check_bounds(document)
            errors = validate(self._schema, document, max_errors=_MOST_ERRORS)
        except GraphQLError as error:
            errors = [error]
        if errors:
            return {"errors": [error.formatted for error in errors]}, False
        cost = Cost(cancellation)
        try:
            result = execute(
                self._schema,
                document,
                root_value=Resolvers(view, cost).root(),
                variable_values=variables,
                operation_name=name,
                middleware=[cost],  # its method `resolve`
            )
        except Stopped as stopped:
            if not isinstance(stopped.reason, GraphQLError):
                raise stopped.reason from None
            return {"data": None, "errors": [stopped.reason.formatted]}, True
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
    """Refuse what is nested too deep, or has too many fields, fragments taken as often as they are named.

    Fragments that are not there or name themselves are passed over: they are found when the query is validated.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            _check_selections(definition.selection_set, fragments)


def _check_selections(selection_set: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]) -> None:
    pending: list[tuple[SelectionSetNode, int, frozenset[str]]] = [(selection_set, 1, frozenset())]
    fields = 0
    while pending:
        selections, depth, within = pending.pop()
        if depth > _DEEPEST:
            raise GraphQLError(f"the query is nested deeper than {_DEEPEST}: ask in several steps")
        for node in selections.selections:
            fields += 1
            if fields > _MOST_FIELDS:
                raise GraphQLError(f"the query has more than {_MOST_FIELDS:,} fields: ask for less at once")
            if isinstance(node, FieldNode) and node.selection_set:
                pending.append((node.selection_set, depth + 1, within))
            elif isinstance(node, InlineFragmentNode):
                pending.append((node.selection_set, depth, within))
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name in fragments and name not in within:
                    pending.append((fragments[name].selection_set, depth, within | {name}))
