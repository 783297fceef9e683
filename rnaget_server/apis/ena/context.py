"""The context of a handler of the archive: its request, and the index that it is answered from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.responses import Response

from rnaget_server.archive.index import ArchiveIndex
from rnaget_server.datasets.archive_index import ArchiveIndexes
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import InvalidQuery
from rnaget_server.model.limits import check_values
from rnaget_server.model.lists import SEPARATOR
from rnaget_server.query import Parameters
from rnaget_server.query.strings import Pair, query_pairs

JSON = "application/json"


class Context(RequestContext["EnaApi"]):
    """One request of the archive."""

    @cached_property
    def index(self) -> ArchiveIndex:
        """The index of what the one who asks may see."""
        return self.api.indexes.current(self.view)

    def given(self, *known: str) -> Parameters:
        """Return the parameters in the URL, and those of a form that was posted; what is empty counts as not given.

        Raises
        ------
        InvalidQuery
            If there is another than those `known`.
        """
        return Parameters([pair for pair in self._pairs() if pair[1].strip()], known)

    def _pairs(self) -> list[Pair]:
        received = self.received
        if received.body.lstrip()[:1] in (b"", b"{"):
            return received.pairs
        check_values(received.body.count(b"&") + received.body.count(b",") + received.body.count(b"%2C"))
        form = received.body.strip()
        if not form.isascii() or form.startswith(b"--"):  # a form in parts, as curl --form sends it
            raise InvalidQuery("the body is no form: send it as curl --data-urlencode does")
        return query_pairs(received.query.decode("latin-1")) + query_pairs(form.decode())

    def respond_json(self, payload: Any) -> Response:
        """Return JSON for any header Accept, as archives do."""
        return Response(json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"), media_type=JSON)

    def is_cancelled(self) -> bool:
        """Return whether the client has disconnected."""
        return self.cancellation.cancelled


@dataclass(frozen=True)
class EnaApi(DataApi):
    """The archive as one running server offers it.

    Attributes
    ----------
    indexes
        What requests are answered from.
    budget
        The memory of replies.
    """

    context_class = Context
    indexes: ArchiveIndexes
    budget: ReplyBudget


def list_of(parameters: Parameters, name: str) -> list[str]:
    """Return the values of a parameter that is a list with commas; none if it is not given."""
    values = parameters.values(name) or ()
    parts = (part.strip() for value in values for part in value.replace(SEPARATOR, ",").split(","))
    return list(dict.fromkeys(filter(None, parts)))
