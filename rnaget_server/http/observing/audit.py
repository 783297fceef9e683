"""The audit log: who has read which data that not everybody may see. No such byte leaves before its line is written."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.model.observation import CURRENT, Observation, Reading
from rnaget_server.model.principal import Principal
from rnaget_server.operating import STDERR

_log = logging.getLogger(__name__)
_STDERR = 2
_MODE = 0o600
_NAME = "rnaget_server.audit"
_RETRY_SECONDS = 60
_REFUSAL = {"message": "the server cannot note who reads these data at the moment: ask again later"}
Event = Literal["read", "started", "ended"]


class AuditLog:
    """A file of JSON lines that is only ever added to, or stderr.

    It is opened for each line, so that it may be moved away at any time.

    Parameters
    ----------
    place
        The file; or ``stderr``.
    key
        The secret by which it has hashes in place of names; empty: it has the names.

    Raises
    ------
    OSError
        If the file cannot be written.
    """

    def __init__(self, place: str, key: str) -> None:
        self._place = place
        self._key = key.encode()
        self._append(b"")

    def write(
        self, event: Event, observation: Observation, readings: Sequence[Reading], status: int, sent: int
    ) -> None:
        """Add a line for each record.

        Raises
        ------
        OSError
            If that cannot be done, such as on a full disk.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        common = {
            "time": time,
            "logger": _NAME,
            "event": event,
            "request_id": observation.request_id,
            **self._who(observation.principal),
        }
        reply = {"method": observation.method, "route": observation.route, "status": status, "bytes": sent}
        lines = [json.dumps({**common, "kind": each.kind, "record": each.record, **reply}) for each in readings]
        self._append("".join(f"{line}\n" for line in lines).encode())

    def _who(self, principal: Principal) -> dict[str, Any]:
        """Return who has asked, or the request that gave the ticket by which somebody has."""
        if principal.ticket is not None:
            return {"principal": None, "ticket": principal.ticket}
        if principal.name is None or not self._key:
            return {"principal": principal.name}
        return {"principal": f"hmac-sha256:{hmac.new(self._key, principal.name.encode(), hashlib.sha256).hexdigest()}"}

    def _append(self, data: bytes) -> None:
        if self._place == STDERR:
            _write(_STDERR, data)
            return
        file = os.open(self._place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            _write(file, data)
        finally:
            os.close(file)


class Audited:
    """ASGI layer that writes the audit log; within `Observed`, whose notes it reads.

    Parameters
    ----------
    app
        The server behind it.
    log
        Where the lines go.
    controlled
        Returns which of what a request has read are data that not everybody may see.
    """

    def __init__(
        self, app: ASGIApp, log: AuditLog, controlled: Callable[[Sequence[Reading]], Sequence[Reading]]
    ) -> None:
        self._app = app
        self._log = log
        self._controlled = controlled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and note what it has read."""
        observation = CURRENT.get()
        if scope["type"] != "http" or observation is None:
            await self._app(scope, receive, send)
            return
        observation.readings = {}
        reply = _Reply(self._log, self._controlled, observation, scope, receive, send)
        try:
            await self._app(scope, receive, reply.send)
        finally:
            reply.end()


class _Reply:
    """A reply whose head waits for the first piece of its body, when it is known what was read for it."""

    def __init__(
        self,
        log: AuditLog,
        controlled: Callable[[Sequence[Reading]], Sequence[Reading]],
        observation: Observation,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._log = log
        self._controlled = controlled
        self._observation = observation
        self._request = (scope, receive, send)
        self._send = send
        self._head: Message | None = None
        self._status = 0
        self._written: list[Reading] = []
        self._is_refused = False
        self._has_ended = False

    async def send(self, message: Message) -> None:
        """Send a part of the reply; nothing but a refusal if it cannot be noted."""
        if message["type"] == "http.response.start":
            self._head, self._status = message, message["status"]
            return
        if self._is_refused:
            return
        head, self._head = self._head, None
        if head is not None:
            self._has_ended = not message.get("more_body", False)
            size = 0 if self._observation.method == "HEAD" else len(message.get("body", b""))
            if not self._note("read" if self._has_ended else "started", size if self._has_ended else 0):
                self._is_refused = True
                refusal = JSONResponse(_REFUSAL, 503, headers={"Retry-After": str(_RETRY_SECONDS)})
                await refusal(*self._request)
                return
            await self._send(head)
        await self._send(message)

    def end(self) -> None:
        """Note how many bytes have left of a long reply."""
        if self._status and not self._has_ended and not self._is_refused:
            self._note("ended", self._observation.sent)

    def _note(self, event: Event, sent: int) -> bool:
        """Write what was read; return whether that could be done."""
        readings = self._controlled(tuple((self._observation.readings or {}).values()))
        try:
            if readings:
                self._log.write(event, self._observation, readings, self._status, sent)
        except OSError as error:
            _log.error("audit_log cannot be written, so nothing that belongs into it is sent: %s", error.strerror)
            return False
        return True


def _write(file: int, data: bytes) -> None:
    if os.write(file, data) < len(data):
        raise OSError(0, "only a part was written")
