"""Files by one call, from tickets of any kind or from plain addresses.

The arguments of `get`:

url
    The address of reads or variants (``https://HOST/reads/ID``), of a ticket of RNAget, or of any file.
output
    The name of a file, or a file open for writing bytes. To what cannot be rewound, such as a pipe, each byte is
    written once.
reference_name, reference_md5
    The sequence whose records are wanted, by its name or by the MD5 of its letters.
start, end
    The range in it, counted from 0, without `end`.
fields, tags, notags
    The fields of records that are wanted, and the tags that are wanted or not: lists, or texts with commas.
data_format
    The format, such as ``BAM``.
max_retries
    Failures in succession after which it is given up, for each block of a ticket; bytes that arrive set it back.
retry_wait
    Seconds before the second try; they double each time, and are chosen by chance between half of that and all. A
    server that says how long to wait is waited for.
timeout
    Seconds for a connection, and for a reply to go on.
bearer_token, headers
    A token and further headers that the server of `url`, and no other, is sent.
workers
    Blocks that are fetched at the same time.
progress
    True for a bar on standard error, or a function that is called with the bytes so far and in all (or None).
resume
    Keep what arrived of a download that fails, as ``OUTPUT.part``, and go on from there the next time, in the middle
    of the blocks of a ticket as well.
verify
    Compare the file with the MD5 and size of its ticket.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rnaget.downloads import Download, Request, Settings
from rnaget.errors import ClientError
from rnaget.files import replacing, target_of, written_errors
from rnaget.outputs import Output
from rnaget.resuming import Position, resumed
from rnaget.session import Session

Progress = Callable[[int, int | None], None]
LONGEST = 1_000_000
"""Seconds that a time-out or the wait before a second try may have, which is days."""

_HTSGET_FORMATS = ("bam", "cram", "vcf", "bcf")


class Received(NamedTuple):
    """A file that arrived."""

    path: Path | None
    size: int
    md5: str | None
    file_type: str | None
    headers: Mapping[str, str]


def get(
    url: str,
    output: str | os.PathLike[str] | BinaryIO,
    reference_name: str | None = None,
    reference_md5: str | None = None,
    start: int | None = None,
    end: int | None = None,
    fields: str | Sequence[str] | None = None,
    tags: str | Sequence[str] | None = None,
    notags: str | Sequence[str] | None = None,
    data_format: str | None = None,
    max_retries: int = 5,
    retry_wait: float = 5,
    timeout: float = 120,
    bearer_token: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    workers: int = 4,
    progress: bool | Progress = False,
    resume: bool = False,
    verify: bool = True,
) -> Received:
    """Download what `url` is the ticket of, by htsget or RNAget, or a plain file.

    The arguments are those of the ``htsget`` library, in the same order; further ones go by name. A file appears under
    its name when it is complete; what fails leaves nothing there, and what was there before as it was.

    Raises
    ------
    ClientError
        If the server refuses, cannot be reached or sends something else, or the file cannot be written.
    """
    address = request_address(
        url, reference_name, reference_md5, start, end, data_format, fields=fields, tags=tags, notags=notags
    )
    wait = _seconds(retry_wait, "retry_wait")
    settings = Settings(_whole_number(max_retries, 0), wait, _whole_number(workers, 1), verify, wanted=data_format)
    if not _seconds(timeout, "timeout"):
        raise ClientError("a timeout of 0 seconds leaves no time for a reply")
    session = Session(address, bearer_token, headers, float(timeout))
    try:
        with shown_progress(progress) as report:
            return fetch(session, Request(address), output, settings._replace(progress=report), resume)
    finally:
        session.close()


def fetch(
    session: Session,
    request: Request,
    output: str | os.PathLike[str] | BinaryIO,
    settings: Settings,
    resume: bool = False,
) -> Received:
    """Download a file to a name or an open file; see `get`."""
    if not isinstance(output, str | os.PathLike):
        if not hasattr(output, "write"):
            raise ClientError(f"{output!r} is neither the name of a file nor a file that is open for writing bytes")
        with written_errors(getattr(output, "label", "the output")):
            received = _received(Download(session, request, Output(output), settings), None)
            output.flush()
            return received
    path = Path(output)
    settings = settings._replace(directory=target_of(path).parent)
    if resume:

        def go_on(output: Output, position: Position | None, keep: Callable[[Position], None]) -> Received:
            download = Download(session, request, output, settings._replace(position=position))
            download.on_position = keep
            return _received(download, path)

        return resumed(request.url, path, go_on)
    with replacing(path) as file:
        return _received(Download(session, request, Output(file), settings), path)


def _received(download: Download, path: Path | None) -> Received:
    plan = download.run()
    return Received(path, download.output.count, download.output.md5, plan.file_type, download.headers)


def request_address(
    url: str,
    reference_name: str | None = None,
    reference_md5: str | None = None,
    start: int | None = None,
    end: int | None = None,
    data_format: str | None = None,
    **lists: str | Sequence[str] | None,
) -> str:
    """Return the address of a request; parameters take the place of those that `url` has."""
    url = str(url).strip()
    if not url.lower().startswith(("http://", "https://")):
        raise ClientError(
            f"{url.partition('?')[0] or 'an empty text'} is no address: it must begin with http:// or https://"
        )
    is_signal = re.search(r"/continuous(/.*)?/(ticket|bytes)$", url.partition("?")[0]) is not None
    if data_format and data_format.lower() in _HTSGET_FORMATS:
        data_format = data_format.upper()
    given: dict[str, Any] = {
        "chr" if is_signal else "referenceName": reference_name,
        "referenceMD5": reference_md5,
        "start": None if start is None else _whole_number(start, 0),
        "end": None if end is None else _whole_number(end, 0),
        "format": data_format,
        **{name: _comma_list(values) for name, values in lists.items()},
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return url
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if name not in given]
    return urlunsplit(parts._replace(query=urlencode([*kept, *given.items()], safe=","), fragment=""))


def _comma_list(values: str | Sequence[str] | None) -> str | None:
    return values if values is None or isinstance(values, str) else ",".join(values)


def _whole_number(value: Any, least: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ClientError(f"{value!r} is no whole number") from None
    if number != float(value) or number < least:
        raise ClientError(f"{value!r} is no whole number of at least {least}")
    return number


def _seconds(value: Any, name: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ClientError(f"{name}={value!r} is no number of seconds") from None
    if not 0 <= seconds < LONGEST:
        raise ClientError(f"{name}={value!r} is no number of seconds from 0 to {LONGEST:,}")
    return seconds


@contextmanager
def shown_progress(progress: bool | Progress) -> Iterator[Progress | None]:
    """Give the function that reports progress: the one given, or a bar on standard error."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield None
    else:
        from rnaget.progress import Bar

        with Bar() as bar:
            yield bar.show
