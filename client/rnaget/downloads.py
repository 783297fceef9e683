"""A whole file by its blocks: several at once, written in order, and proved by what its ticket says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from http import HTTPStatus
from http.client import HTTPResponse
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rnaget.blocks import Block, Plan, may_be_ticket, plan_of, shown_url
from rnaget.errors import ClientError
from rnaget.formats import same_format
from rnaget.outputs import Output, Spool
from rnaget.retries import Attempts
from rnaget.session import Session
from rnaget.transfers import ChangedError, NotModified, Stopped, Transfer, validator_of
from rnaget.transport import BrokenError, NotJSONError, StatusError, ends_unmarked, parse_json, read_body

_EXPIRED = (401, 403, 410)
_RESTARTS = 3
_TICKET_BYTES = 512 << 20
_LOOK_BYTES = 4096
_WORKERS = 4

__all__ = ["Download", "NotModified", "Request", "Settings"]


class Request(NamedTuple):
    """The address of a ticket or file; with `body`, it is asked by POST."""

    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Settings(NamedTuple):
    """The way in which a file is downloaded."""

    max_retries: int = 5
    retry_wait: float = 5.0
    workers: int = _WORKERS
    verify: bool = True
    progress: Callable[[int, int | None], None] | None = None
    etag: str | None = None
    validator: str | None = None
    is_of_ticket: bool = False
    directory: Path | None = None
    wanted: str | None = None


class _Mismatch(ClientError):
    """A file that is not the one that its ticket means."""


class Download:
    """The download of one file; `run` is its whole life."""

    def __init__(self, session: Session, request: Request, output: Output, settings: Settings) -> None:
        self._session, self._request, self.output, self._settings = session, request, output, settings
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._generation = 0
        self._received = 0
        self._length: int | None = None
        self.headers: Mapping[str, str] = {}
        self.on_validator: Callable[[str | None, bool], None] = lambda *_: None

    def run(self) -> Plan:
        """Write the file to the output; return what was known of it.

        Raises
        ------
        ClientError
            If it cannot be had whole and unchanged.
        NotModified
            If the copy of which the settings have the ETag is still right.
        """
        wrong: set[str] = set()
        restarts = 0
        try:
            while True:
                try:
                    plan = self._once()
                    self._verify(plan)
                    return plan
                except ChangedError:
                    restarts += 1
                    if restarts > _RESTARTS:
                        raise
                except _Mismatch as mismatch:
                    # The same wrong bytes twice are what the server has; others were damaged on the way.
                    if str(mismatch) in wrong or len(wrong) >= self._settings.max_retries or not self._can_restart:
                        raise
                    wrong.add(str(mismatch))
                self.output.restart()
                self._plan, self._received, self._stopped = None, 0, threading.Event()
                self._settings = self._settings._replace(validator=None)
        finally:
            self._stopped.set()

    @property
    def _can_restart(self) -> bool:
        return self.output.can_rewind or not self.output.count

    def _once(self) -> Plan:
        plan = self._plan = self._ask()
        if plan is None:
            return Plan((), size=None)
        wanted = self._settings.wanted
        if wanted and plan.file_type and not same_format(wanted, plan.file_type):
            raise ClientError(f"the server offers {plan.file_type} where {wanted} was asked for")
        if plan.md5 and self._settings.verify:
            self.output.begin_hash()
        if len(plan.blocks) == 1:
            self._transfer(0, self.output, self._settings.etag, self._settings.validator)
        elif len(plan.blocks):
            self.output.restart()
            self._in_parallel(len(plan.blocks))
        return plan

    def _ask(self) -> Plan | None:
        """Return the plan of the ticket; of an address that sends the file itself, write that and return None."""
        attempts = self._attempts()
        request = self._request
        # What there is of the file of a ticket says nothing of the ticket.
        validator = None if self._settings.is_of_ticket else self._settings.validator
        transfer = self._new_transfer(self.output, attempts, self._settings.etag, validator)
        transfer.inspect = self._look
        while True:
            try:
                transfer.run(Block(request.url, request.headers))
                return None
            except _Found as found:
                return found.plan
            except ClientError as error:
                attempts.after(error)

    def _look(self, reply: HTTPResponse, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the body of a reply; raise _Found if it is a ticket."""
        kind = reply.headers.get("Content-Type", "").lower()
        if kind and "json" not in kind:
            self.on_validator(validator_of(reply), False)
            yield from pieces
            return
        start = b""
        for piece in pieces:
            start += piece
            if len(start) >= _LOOK_BYTES or not start.lstrip().startswith(b"{"):
                break
        if not may_be_ticket(start):
            self.on_validator(validator_of(reply), False)
            yield from chain((start,), pieces)
            return
        text = joined(chain((start,), pieces))
        place = shown_url(self._request.url)
        try:
            plan = plan_of(parse_json(text, place), self._request.url)
        except NotJSONError:
            if ends_unmarked(reply):
                raise BrokenError(f"the ticket of {place} broke off: try again") from None
            raise
        if plan is not None:
            raise _Found(plan)
        yield text

    def _attempts(self) -> Attempts:
        return Attempts(self._settings.max_retries, self._settings.retry_wait, self._stopped)

    def _new_transfer(
        self, output: Output, attempts: Attempts, etag: str | None = None, validator: str | None = None
    ) -> Transfer:
        stopped = self._stopped

        def on_reply(reply: HTTPResponse) -> None:
            if self._plan is not None:
                self.on_validator(validator_of(reply), True)
            self.headers = dict(reply.headers.items())
            rest = output.count if reply.status == HTTPStatus.PARTIAL_CONTENT else 0
            self._length = None if reply.length is None else reply.length + rest

        def on_piece(piece: bytes) -> None:
            if stopped.is_set():
                raise Stopped
            if not piece:
                return
            attempts.progress()
            if self._settings.progress is not None:
                with self._lock:
                    self._received += len(piece)
                    self._settings.progress(self._received, self._expected)

        return Transfer(
            self._session,
            output,
            body=self._request.body if self._plan is None else None,
            etag=etag,
            validator=validator,
            on_piece=on_piece,
            on_reply=on_reply if output is self.output else lambda _: None,
        )

    @property
    def _expected(self) -> int | None:
        if self._plan is None or len(self._plan.blocks) == 1:
            return self._plan.size or self._length if self._plan else self._length
        return None

    def _transfer(self, number: int, output: Output, etag: str | None = None, validator: str | None = None) -> None:
        """Write one block to `output`, with as many tries as are allowed."""
        attempts = self._attempts()
        transfer = self._new_transfer(output, attempts, etag, validator)
        renewed_at = -1
        while True:
            with self._lock:
                assert self._plan is not None
                block, generation = self._plan.blocks[number], self._generation
            try:
                return transfer.run(block)
            except StatusError as error:
                if error.code in _EXPIRED and renewed_at < output.count:
                    renewed_at = output.count
                    self._renew(generation, error)
                else:
                    attempts.after(error)
            except ClientError as error:
                attempts.after(error)

    def _renew(self, generation: int, refusal: StatusError) -> None:
        """Ask for the ticket again, once for all blocks that need it."""
        with self._lock:
            if generation != self._generation or self._plan is None:
                return
            attempts = self._attempts()
            while True:
                try:
                    fresh = self._new_plan(refusal)
                    break
                except ClientError as error:
                    attempts.after(error)
            if not fresh.is_same_file(self._plan):
                raise ChangedError
            self._plan = fresh
            self._generation += 1

    def _new_plan(self, refusal: StatusError) -> Plan:
        with self._session.open(self._request.url, self._request.headers, body=self._request.body) as reply:
            plan = plan_of(parse_json(joined(read_body(reply)), shown_url(self._request.url)), self._request.url)
        if plan is None:
            raise refusal
        return plan

    def _in_parallel(self, count: int) -> None:
        """Fetch blocks by several threads; each begins one only when it is near its turn, so that few wait."""
        workers = max(1, min(self._settings.workers, count))
        begun = threading.Semaphore(2 * workers)
        results: list[Future[Spool]] = [Future() for _ in range(count)]
        numbers = iter(range(count))
        stopped = self._stopped

        def work() -> None:
            while not stopped.is_set():
                begun.acquire()
                with self._lock:
                    number = next(numbers, None)
                if number is None or stopped.is_set():
                    return
                spool = Spool(self._settings.directory)
                try:
                    self._transfer(number, spool)
                    results[number].set_result(spool)
                    if stopped.is_set():
                        spool.file.close()
                except BaseException as error:
                    spool.file.close()
                    results[number].set_exception(error)
                    return

        # Not an executor: that would wait for its threads, when the user does not want to wait any more.
        threads = [threading.Thread(target=work, daemon=True, name=f"rnaget-{number}") for number in range(workers)]
        for thread in threads:
            thread.start()
        try:
            for result in results:
                result.result().move(self.output)
                begun.release()
        except BaseException:
            self._stop(results, begun, workers)
            raise
        for _ in threads:
            begun.release()
        for thread in threads:
            thread.join()

    def _stop(self, results: list[Future[Spool]], begun: threading.Semaphore, workers: int) -> None:
        self._stopped.set()
        begun.release(workers)
        for result in results:
            if result.done() and result.exception() is None:
                result.result().file.close()

    def _verify(self, plan: Plan) -> None:
        if not self._settings.verify:
            return
        if plan.size is not None and self.output.count != plan.size:
            raise _Mismatch(f"the file has {self.output.count:,} bytes, but {plan.size:,} by its ticket: try again")
        if plan.md5 and self.output.md5 != plan.md5.lower():
            raise _Mismatch(f"the file has the md5 {self.output.md5}, but {plan.md5} by its ticket: try again")


class _Found(Exception):
    """The reply was a ticket."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


def joined(pieces: Iterable[bytes]) -> bytes:
    """Return a ticket that arrives by pieces; raise ClientError if it is longer than any ticket."""
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > _TICKET_BYTES:
            raise ClientError("the ticket is too long: is this the address of a ticket?")
    return b"".join(parts)
