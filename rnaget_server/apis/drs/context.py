"""The context of a handler of DRS: its request, and the files and studies of the server."""

from __future__ import annotations

from rnaget_server.catalog import OfferedFile, Study
from rnaget_server.delivery.context import DataApi, RequestContext
from rnaget_server.errors import UnknownId, shown


class Context(RequestContext["DrsApi"]):
    """One request of DRS."""

    def object(self, id: str) -> OfferedFile | Study:
        """Return the file of an id, or the study whose files have it together.

        Raises
        ------
        UnknownId
            If there is neither.
        """
        file = self.view.files.get(id)
        if file is not None:
            return file
        study = self.view.catalog.bundles.get(id) if self.view.offer.groups else None
        if study is None:
            raise UnknownId(f"there is no object {shown(id)}: /files lists all, as file_id")
        return study


class DrsApi(DataApi):
    """DRS as one running server offers it."""

    context_class = Context
