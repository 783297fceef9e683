"""The claim by which one publication at a time changes a catalogue in object storage: an object that it renews.

No clock is compared: a claim is given up by whoever does not renew it while another looks on. It is only ever written
on the condition that it is as it was seen, and so it is never removed: who has done says so in it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectExists, ObjectFailure, ObjectGone
from rnaget_server.storage.objects.published import CLAIM

_RENEWED_EVERY = 5.0
_WATCHED_FOR = 20.0
_Seen = tuple[dict[str, object], str]


class Claim:
    """The claim of one publication, as a context.

    Parameters
    ----------
    client
        The place.
    renewed_every, watched_for
        After how many seconds it is renewed, and for how many that of another is watched before it is taken over.

    Raises
    ------
    ObjectFailure
        On entering, if another publication is under way.
    """

    def __init__(
        self, client: Client, renewed_every: float = _RENEWED_EVERY, watched_for: float = _WATCHED_FOR
    ) -> None:
        self._client = client
        self._every = renewed_every
        self._watched_for = watched_for
        self._owner = {
            "id": uuid4().hex,
            "host": socket.gethostname(),
            "machine": _machine(),
            "process": os.getpid(),
        }
        self._number = 0
        self._tag = ""
        self._lost = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claim", daemon=True)

    def __enter__(self) -> Self:
        first = self._seen()
        try:
            self._put(self._abandoned(first) if first else "")
        except ObjectExists:
            raise _busy(self._client.url, "another machine") from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        # If the place does not answer, the claim is taken over once it has not been renewed for a while.
        with suppress(ObjectFailure), self._lock:
            if not self._lost:
                self._put(self._tag, ended=True)

    def check(self) -> None:
        """Refuse to go on if it is known that another publication has taken over.

        Raises
        ------
        ObjectFailure
            If it has.
        """
        if self._lost:
            raise ObjectFailure(f"another publication has taken over {self._client.url}: this one has ended")

    def confirm(self) -> None:
        """Refuse to go on if another publication has taken over, for which the place is asked.

        Raises
        ------
        ObjectFailure
            If it has, or the place does not answer.
        """
        with self._lock:
            self._renew_now()
        self.check()

    def _abandoned(self, first: _Seen | None) -> str:
        """Return the tag of a claim that has ended, or that nobody renews.

        Raises
        ------
        ObjectFailure
            If it is renewed.
        """
        end = time.monotonic() + self._watched_for
        # The process of a claim of this machine may be known to have ended.
        while first and time.monotonic() < end and not self._has_ended(first[0]):
            time.sleep(min(1.0, self._watched_for))
            now = self._seen()
            if now and now[1] != first[1]:
                raise _busy(self._client.url, now[0].get("host", "another machine"))
            first = now
        return first[1] if first else ""

    def _has_ended(self, owner: dict[str, object]) -> bool:
        if owner.get("ended"):
            return True
        process, machine = owner.get("process"), owner.get("machine")
        if not machine or machine != self._owner["machine"] or not isinstance(process, int):
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def _seen(self) -> _Seen | None:
        try:
            found = self._client.whole(CLAIM)
        except ObjectGone:
            return None
        if found is None:
            return None
        try:
            owner = json.loads(found[0])
        except ValueError:
            owner = None
        return owner if isinstance(owner, dict) else {}, found[1]

    def _put(self, expected: str, ended: bool = False) -> None:
        self._number += 1
        said = {**self._owner, "number": self._number, "ended": ended}
        try:
            self._tag = self._client.put(CLAIM, json.dumps(said).encode(), expected)
        except ObjectExists:
            found = self._seen()
            if found is None or found[0] != said:  # else it was put, and the answer was lost
                raise
            self._tag = found[1]

    def _renew(self) -> None:
        while not self._lost and not self._ended.wait(self._every):
            with suppress(ObjectFailure), self._lock:  # if the place does not answer, the next time it may
                self._renew_now()

    def _renew_now(self) -> None:
        try:
            if not self._lost:
                self._put(self._tag)
        except ObjectExists:
            self._lost = True


@cache
def _machine() -> str:
    """Return what no other machine or container has, in which processes have their numbers; empty if it is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _busy(url: str, host: object) -> ObjectFailure:
    return ObjectFailure(
        f"{url} is being published to by a process on {host}: wait until it has ended, and publish again"
    )
