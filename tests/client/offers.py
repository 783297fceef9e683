"""Files, tickets and blocks that a server of `faulty` offers."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from tests.client.faulty import Asked, Site, ticket

CHANCE = random.Random(5)
DATA = CHANCE.randbytes(200_000)
BLOCKS = [CHANCE.randbytes(size) for size in (300, 0, 40_000, 7, 90_000, 25_000, 1, 60_000)]
FAST = {"retry_wait": 0.01}
JSON = {"Content-Type": "application/json"}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def with_reads(one: Site, **fields: object) -> str:
    """Offer BLOCKS by htsget: the first in the ticket, the others by addresses."""
    one.files |= {f"/block/{number}": block for number, block in enumerate(BLOCKS) if number}
    names: list[Any] = [BLOCKS[0], *(f"/block/{number}" for number in range(1, len(BLOCKS)))]
    one.replies["/reads/x"] = ticket(one, names, md5=md5(b"".join(BLOCKS)), **fields)
    return f"{one.address}/reads/x"


def with_ticket(one: Site, **fields: object) -> str:
    """Offer DATA by a ticket of RNAget."""
    one.files["/file"] = DATA
    body = {"url": f"{one.address}/file", "units": "TPM", "fileType": None, "md5": md5(DATA), **fields}
    one.replies["/x/ticket"] = lambda _: (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
    return f"{one.address}/x/ticket"


class Once:
    """A fault for the first requests of a path, and none after them."""

    def __init__(self, one: Site, path: str, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._answers, self._one, self._path = list(answers), one, path
        one.replies[path] = self

    def __call__(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if len(self._answers) == 1:
            del self._one.replies[self._path]
        return self._answers.pop(0)
