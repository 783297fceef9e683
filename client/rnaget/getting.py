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
    Keep what arrived of a download that fails, as ``OUTPUT.part``, and go on from there the next time.
verify
    Compare the file with the MD5 and size of its ticket.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rnaget.blocks import unsigned
from rnaget.downloads import Download, Request, Settings
from rnaget.errors import ClientError
from rnaget.files import replacing, target_of, written_errors
from rnaget.outputs import Output
from rnaget.session import Session

Progress = Callable[[int, int | None], None]
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
    settings = Settings(_whole_number(max_retries, 0), float(retry_wait), _whole_number(workers, 1), verify)
    settings = settings._replace(wanted=data_format)
    session = Session(address, bearer_token, headers, timeout)
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
        with written_errors(getattr(output, "label", "the output")):
            received = _received(Download(session, request, Output(output), settings), None)
            output.flush()
            return received
    path = Path(output)
    settings = settings._replace(directory=target_of(path).parent)
    if resume:
        return _resumed(session, request, path, settings)
    with replacing(path) as file:
        return _received(Download(session, request, Output(file), settings), path)


def _received(download: Download, path: Path | None) -> Received:
    plan = download.run()
    return Received(path, download.output.count, download.output.md5, plan.file_type, download.headers)


def _resumed(session: Session, request: Request, path: Path, settings: Settings) -> Received:
    """Go on with ``OUTPUT.part`` where it is the beginning of the same file."""
    with written_errors(path):
        target = target_of(path)
        part = target.with_name(f"{target.name}.part")
        record = target.with_name(f"{target.name}.part.json")
        validator, is_of_ticket = _recorded(record, request.url)
        with part.open("r+b" if validator and part.is_file() else "w+b") as file:
            count = file.seek(0, os.SEEK_END)
            output = Output(file, count)
            settings = settings._replace(validator=validator if count else None, is_of_ticket=is_of_ticket)
            download = Download(session, request, output, settings)
            download.on_validator = lambda value, is_of_ticket: _write_record(record, request.url, value, is_of_ticket)
            try:
                result = _received(download, path)
            except BaseException:
                file.flush()
                if not output.count or not record.exists():
                    part.unlink(missing_ok=True)
                    record.unlink(missing_ok=True)
                raise
        part.replace(target)
        record.unlink(missing_ok=True)
        return result


def _recorded(record: Path, url: str) -> tuple[str | None, bool]:
    """Return what proves that the server has the same file as before, and whether a ticket led to it."""
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
        return (str(value["validator"]), value["ticket"] is True) if value["url"] == unsigned(url) else (None, False)
    except (OSError, ValueError, KeyError, TypeError):
        return None, False


def _write_record(record: Path, url: str, validator: str | None, is_of_ticket: bool) -> None:
    if validator is None:
        record.unlink(missing_ok=True)
    else:
        known = {"url": unsigned(url), "validator": validator, "ticket": is_of_ticket}
        record.write_text(json.dumps(known), encoding="utf-8")


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
