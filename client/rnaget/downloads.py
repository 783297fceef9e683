"""A whole file by its blocks: several at once, written in order, and proved by what its ticket says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPResponse
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rnaget.blocks import Block, Plan, may_be_ticket, plan_of, shown_url, unsigned
from rnaget.errors import ClientError
from rnaget.formats import same_format
from rnaget.outputs import Output, Spool
from rnaget.parallel import InOrder
from rnaget.resuming import Position, Versions
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
    """The address of a ticket or file; with `body`, it is asked by POST. One that `is_file` never has a ticket."""

    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    is_file: bool = False


class Settings(NamedTuple):
    """The way in which a file is downloaded."""

    max_retries: int = 5
    retry_wait: float = 5.0
    workers: int = _WORKERS
    verify: bool = True
    progress: Callable[[int, int | None], None] | None = None
    etag: str | None = None
    position: Position | None = None
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
        self._received = output.count
        self._length: int | None = None
        self.headers: Mapping[str, str] = {}
        self.on_position: Callable[[Position], None] | None = None

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
                self._restart()
                self._plan, self._stopped = None, threading.Event()
                self._settings = self._settings._replace(position=None)
        finally:
            self._stopped.set()

    @property
    def _can_restart(self) -> bool:
        return self.output.can_rewind or not self.output.count

    def _restart(self) -> None:
        """Take back everything, and what was said of it, so that nothing is ever added to bytes of another version."""
        self.output.restart()
        self._received = 0
        self._report(Position(None))

    def _once(self) -> Plan:
        plan = self._plan = self._ask()
        if plan is None:
            return Plan((), size=None)
        wanted = self._settings.wanted
        if wanted and plan.file_type and not same_format(wanted, plan.file_type):
            raise ClientError(f"the server offers {plan.file_type} where {wanted} was asked for")
        position, rest = self._begun(plan)
        if plan.md5 and self._settings.verify:
            self.output.begin_hash()
        if len(plan.blocks) == 1:
            self.output.validator = position.validator
            self._transfer(0, self.output, self._settings.etag)
        else:
            self._in_parallel(plan, position, rest)
        return plan

    def _begun(self, plan: Plan) -> tuple[Position, Spool | None]:
        """Return where to go on, and what has arrived of the block there; the output has the blocks before it."""
        position = self._settings.position
        if position is None or position.plan != plan.digest or not self._is_proved(plan, position):
            self._restart()
            return Position(None, plan.digest), None
        if len(plan.blocks) == 1:
            return position, None
        rest = Spool(self._settings.directory)
        rest.validator = position.validator
        self.output.cut(position.start, rest)
        return position, rest if position.validator else None

    def _is_proved(self, plan: Plan, position: Position) -> bool:
        """Return whether the blocks that an earlier run has written are still those of the server."""
        if self.output.count < position.start or len(plan.blocks) < position.block:
            return False
        last = next((block for block in plan.blocks[: position.block][::-1] if block.data is None), None)
        if last is None or (plan.md5 and self._settings.verify):  # then the whole file is compared in the end
            return True
        attempts, proof = self._attempts(), position.proofs.get(unsigned(last.url))
        while proof:
            try:
                with self._session.open(last.url, last.headers, expected=(200, 206)) as reply:
                    return validator_of(reply) == proof
            except ClientError as error:
                attempts.after(error)
        return False

    def _ask(self) -> Plan | None:
        """Return the plan of the ticket; of an address that sends the file itself, write that and return None."""
        attempts = self._attempts()
        request = self._request
        # What there is of the file of a ticket says nothing of the ticket.
        position = self._settings.position
        self.output.validator = position.validator if position and position.plan is None else None
        transfer = self._new_transfer(self.output, attempts, self._settings.etag)
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
        if self._request.is_file or (kind and "json" not in kind):
            yield from pieces
            return
        start = b""
        for piece in pieces:
            start += piece
            if len(start) >= _LOOK_BYTES or not start.lstrip().startswith(b"{"):
                break
        if not may_be_ticket(start, shown_url(self._request.url)):
            yield from chain((start,), pieces)
            return
        text = joined(chain((start,), pieces))
        plan = self._plan_of(text, reply)
        if plan is not None:
            raise _Found(plan)
        yield text

    def _plan_of(self, text: bytes, reply: HTTPResponse) -> Plan | None:
        place = shown_url(self._request.url)
        try:
            return plan_of(parse_json(text, place), place)
        except NotJSONError:
            if ends_unmarked(reply):
                raise BrokenError(f"the ticket of {place} broke off: try again") from None
            raise

    def _attempts(self) -> Attempts:
        return Attempts(self._settings.max_retries, self._settings.retry_wait, self._stopped)

    def _new_transfer(self, output: Output, attempts: Attempts, etag: str | None = None) -> Transfer:
        stopped = self._stopped

        def on_reply(reply: HTTPResponse) -> None:
            self._report(Position(output.validator, self._plan.digest if self._plan else None))
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
            on_piece=on_piece,
            on_reply=on_reply if output is self.output else lambda _: None,
        )

    @property
    def _expected(self) -> int | None:
        if self._plan is None or len(self._plan.blocks) == 1:
            return self._plan.size or self._length if self._plan else self._length
        return None

    def _transfer(self, number: int, output: Output, etag: str | None = None) -> None:
        """Write one block to `output`, with as many tries as are allowed."""
        attempts = self._attempts()
        transfer = self._new_transfer(output, attempts, etag)
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
            if fresh.digest != self._plan.digest:
                raise ChangedError
            self._plan = fresh
            self._generation += 1

    def _new_plan(self, refusal: StatusError) -> Plan:
        with self._session.open(self._request.url, self._request.headers, body=self._request.body) as reply:
            plan = self._plan_of(joined(read_body(reply)), reply)
        if plan is None:
            raise refusal
        return plan

    def _in_parallel(self, plan: Plan, position: Position, rest: Spool | None) -> None:
        """Fetch blocks by several threads, from a position on; after each, the next position is reported."""
        first, versions = position.block, Versions(plan.blocks, position.proofs)
        is_compared = bool(plan.md5 and self._settings.verify)  # as a whole, in the end

        def spool(number: int) -> Spool:
            return rest if rest is not None and number == first else Spool(self._settings.directory)

        numbers = range(first, len(plan.blocks))
        blocks = InOrder(numbers, self._settings.workers, self._stopped, spool, self._transfer)
        try:
            for number, arrived in blocks:
                arrived.move(self.output)
                if not versions.add(number, arrived.validator) and not is_compared:
                    raise ChangedError
                position = Position(None, plan.digest, number + 1, self.output.count, versions.proofs)
                self._report(position)
        except BaseException:
            left = blocks.stop(position.block)
            if left is not None and left.validator and self.on_position is not None:
                with suppress(OSError):  # a disk that is full
                    left.move(self.output)
                    self._report(position._replace(validator=left.validator))
            raise

    def _report(self, position: Position) -> None:
        if self.on_position is not None:
            self.output.flush()  # what is reported can be relied upon
            self.on_position(position)

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
