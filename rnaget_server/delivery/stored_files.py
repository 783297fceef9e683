"""Data files as they are: their addresses, and the replies that send them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.catalog import OfferedFile
from rnaget_server.datasets.checksums import is_settled
from rnaget_server.datasets.repository import View
from rnaget_server.delivery.content import FileContent
from rnaget_server.delivery.context import RequestContext
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.delivery.streaming import DownloadHeaders, content_response
from rnaget_server.delivery.tagged import ASKED_EACH_TIME
from rnaget_server.delivery.tickets import signer_of
from rnaget_server.http.preconditions import check_preconditions, is_not_modified
from rnaget_server.http.ranges import has_usable_range, parse_range
from rnaget_server.model.principal import ANYONE
from rnaget_server.query.strings import query_string
from rnaget_server.storage.local import version_of
from rnaget_server.storage.places import mirror_of, state_of
from rnaget_server.storage.source import OpenFile

FILES_PATH = "/files"
FILE_ROUTE = re.compile(f"{FILES_PATH}/[0-9a-f]{{32}}")
"""The paths of files, whose replies hold data."""

_TAG_LENGTH = 40


def file_address(context: RequestContext[Any], file: OfferedFile) -> str:
    """Return the address of a file as the client sees it: signed if it carries rights, or others are not answered."""
    settings, principal = context.api.settings, context.view.principal
    address = context.address(FILES_PATH.strip("/"), file.id)
    if not settings.require_tickets and principal == ANYONE:
        return address
    return f"{address}?{query_string(signer_of(settings).sign(f'{FILES_PATH}/{file.id}', [], principal))}"


class StoredContent(FileContent):
    """The bytes of a file of the provider; if it is written to or replaced meanwhile, reading ends with an error.

    Parameters
    ----------
    file
        The file.
    """

    def __init__(self, file: OpenFile) -> None:
        super().__init__(file)
        self.status = file.status()
        """That of the state whose bytes are read."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the bytes piece by piece.

        Raises
        ------
        OSError
            If the file cannot be read, or is not what it was.
        """
        for piece in super().read(start, stop):
            if _state(self._file.status()) != _state(self.status):
                raise OSError("the file was replaced or written to while it was sent")
            yield piece


def stored_response(request: Request, view: View, file: OfferedFile, budget: ReplyBudget) -> Response:
    """Return a file as a download: all of it, or the part that the client asks for.

    Raises
    ------
    Unavailable
        If it cannot be read.
    ResultTooLarge
        If it is more than this server sends at once.
    PreconditionFailed
        If the client wants another state of it.
    RangeBeyondEnd
        If the part begins beyond its end.
    """
    content = StoredContent(view.files.open(file))
    try:
        status = content.status
        tag = _tag(file, status) if is_settled(status) else None
        check_preconditions(request, tag, status.st_mtime_ns)
        if is_not_modified(request, tag):
            content.close()
            return Response(status_code=304, headers={"ETag": str(tag), "Cache-Control": ASKED_EACH_TIME})
        part = has_usable_range(request, tag)
        _check_size(request, view, part, content.length)
        fields = {"Cache-Control": ASKED_EACH_TIME} | ({"ETag": tag} if tag is not None else {})
        sums = view.offer.checksums.known(file.path, status)
        if sums is not None:
            values = (("sha-256", sums.sha256), ("md5", sums.md5))
            fields["Repr-Digest"] = ", ".join(f"{name}=:{_base64(value)}:" for name, value in values)
            if not part:
                fields["Content-MD5"] = _base64(sums.md5)
        headers = DownloadHeaders(file.media_type, file.name, f'attachment; filename="{file.name}"', fields)
        return content_response(request, content, headers, False, part, budget)
    except BaseException:
        content.close()
        raise


def _check_size(request: Request, view: View, part: bool, size: int) -> None:
    wanted = parse_range(request.headers["range"], size) if part else None
    length = size if wanted is None else wanted.stop - wanted.start
    if request.method != "HEAD":
        view.limits.check_part(length)


def _tag(file: OfferedFile, status: os.stat_result) -> str:
    # The time of the last change of a stand-in is that of this machine's.
    state = state_of(file.path, status) if mirror_of(file.path) is not None else _state(status)
    return f'"{hashlib.sha256(repr((file.id, state)).encode()).hexdigest()[:_TAG_LENGTH]}"'


def _state(status: os.stat_result) -> tuple[int, ...]:
    # Without the device, which has another number on another machine that has the same files.
    return (*version_of(status)[1:], status.st_ctime_ns)


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()
