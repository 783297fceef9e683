"""The notes that are taken of a request while it is answered: its id, its route, the controlled data that it reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from rnaget_server.model.access import SampleAccess
from rnaget_server.model.principal import ANYONE, Principal

OTHER = "other"
"""The route of a request that was refused before its route was known, and of one that has none."""

_MOST_STAGES = 100


class Stage(NamedTuple):
    """A part of the work for a request, in nanoseconds since 1970."""

    name: str
    began: int
    ended: int


@dataclass(frozen=True)
class Reading:
    """A record that was read.

    Attributes
    ----------
    kind, record
        The record: ``expressions``, ``continuous``, ``reads``, ``variants`` or ``genomes``, and its id.
    hidden
        The rules for samples that kept some of them from being read.
    """

    kind: str
    record: str
    hidden: SampleAccess | None = None


@dataclass(slots=True)
class Observation:
    """The notes of one request. Threads that work for it write into the same.

    Attributes
    ----------
    request_id
        The name of the request in all lines of the log.
    method, path
        What is asked for; the path may have anything in it, and never the query.
    standard, route
        The prefix of the standard that answers, and the template of its route: a bounded number of each.
    status
        The status of the reply; 0 before it begins.
    sent
        Number of bytes of its body that were handed on to be sent.
    began
        When the request came, in seconds of `time.perf_counter`.
    answered
        When the head of the reply was handed on, in nanoseconds since 1970; 0 before.
    trace_id
        The trace that it is part of; empty if there is none.
    stages
        The parts of the work; None if nobody asks for them.
    readings
        What was read, by kind and id; None if nobody asks for it.
    principal
        The one who asks, as far as data were looked for.
    """

    request_id: str
    method: str
    path: str
    standard: str = OTHER
    route: str = OTHER
    status: int = 0
    sent: int = 0
    began: float = field(default_factory=time.perf_counter)
    answered: int = 0
    trace_id: str = ""
    stages: list[Stage] | None = None
    readings: dict[tuple[str, str], Reading] | None = None
    principal: Principal = ANYONE

    @property
    def seconds(self) -> float:
        """The time since it came."""
        return time.perf_counter() - self.began


CURRENT: ContextVar[Observation | None] = ContextVar("rnaget_server.observation", default=None)
"""The request that is being answered; None outside of any."""


def note_route(standard: str, route: str) -> None:
    """Note which route answers the request."""
    observation = CURRENT.get()
    if observation is not None:
        observation.standard, observation.route = standard, route


def note_principal(principal: Principal) -> None:
    """Note who asks."""
    observation = CURRENT.get()
    if observation is not None:
        observation.principal = principal


def note_reading(kind: str, record: str, hidden: SampleAccess | None = None) -> None:
    """Note that a record is read, see `Reading`."""
    observation = CURRENT.get()
    if observation is not None and observation.readings is not None:
        observation.readings[kind, record] = Reading(kind, record, hidden)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Note how long a part of the work takes, where the stages of requests are asked for."""
    observation = CURRENT.get()
    stages = observation.stages if observation is not None else None
    if stages is None:
        yield
        return
    began = time.time_ns()
    try:
        yield
    finally:
        if len(stages) < _MOST_STAGES:
            stages.append(Stage(name, began, time.time_ns()))
