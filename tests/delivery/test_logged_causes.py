"""The log says why data could not be read, without a path or what a client sent."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

import pytest

from rnaget_server.delivery.streaming import _cut_on_error, unreadable
from rnaget_server.http.request import BrokenReplyError

SECRET = "/srv/data/x.h5?_signature=abc"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EIO, "Input/output error", SECRET), "OSError (Input/output error)"),
        (PermissionError(errno.EACCES, f"may not read {SECRET}"), "PermissionError (Permission denied)"),
        (OSError(f"{SECRET} is damaged"), "OSError"),
        (ValueError(SECRET), "ValueError"),
    ],
)
def test_causes_in_the_log(caplog: pytest.LogCaptureFixture, error: Exception, words: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise error

    with caplog.at_level(logging.ERROR), pytest.raises(BrokenReplyError):
        list(_cut_on_error(chunks(), "m.tsv"))
    assert caplog.messages == [f"reading m.tsv failed in mid-reply: {words}"]
    if isinstance(error, OSError):
        assert SECRET not in str(unreadable(error, "m.tsv"))
        assert caplog.messages[1:] == [f"reading m.tsv failed: {words}"]
