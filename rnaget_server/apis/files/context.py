"""The context of a handler of files: its request, and the files of the server."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.catalog import OfferedFile
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import UnknownId, shown


class Context(RequestContext["FilesApi"]):
    """One request for files."""

    def file(self, id: str) -> OfferedFile:
        """Return the file of an id.

        Raises
        ------
        UnknownId
            If there is none.
        """
        found = self.view.files.get(id)
        if found is None:
            raise UnknownId(f"there is no file {shown(id)}: /files lists all")
        return found


@dataclass(frozen=True)
class FilesApi(DataApi):
    """Files as one running server offers them.

    Attributes
    ----------
    budget
        The memory of replies.
    """

    context_class = Context
    budget: ReplyBudget
