"""Tables that are sent as they are read: one that cannot be read on never looks whole."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from rnaget_server.apis.ena.table import table
from rnaget_server.archive.reading import Row
from rnaget_server.errors import Unavailable
from rnaget_server.http.request import BrokenReplyError
from rnaget_server.model.cancellation import Cancelled


@pytest.mark.parametrize("format", ["tsv", "json"])
@pytest.mark.parametrize("error", [Unavailable("the disk"), Cancelled(), ValueError("x")])
def test_a_reply_that_fails_on_the_way_is_cut(format: str, error: Exception) -> None:
    def batches() -> Iterator[list[Row]]:
        yield [("a",), ("b",)]
        raise error

    context: Any = SimpleNamespace(request=SimpleNamespace(method="GET"))
    reply: Any = table(context, ["name"], batches(), format)
    received: list[bytes] = []

    async def read() -> None:
        async for chunk in reply.body_iterator:
            received.append(chunk)

    with pytest.raises(BrokenReplyError):
        anyio.run(read)
    assert received == [b"name\na\nb\n" if format == "tsv" else b'[{"name":"a"},{"name":"b"}']
