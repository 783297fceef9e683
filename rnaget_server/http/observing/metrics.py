"""Metrics of all workers, as Prometheus reads them; imported only where they are asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue
from starlette.types import Scope

from rnaget_server import __version__
from rnaget_server.http.observing.layer import Watcher
from rnaget_server.http.observing.measures import Measure
from rnaget_server.http.observing.worker_slots import WorkerSlot
from rnaget_server.model.observation import Observation

_PREFIX = "rnaget_"
_EVERY_SECONDS = 1.0
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
# Anybody can make up methods.
_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS"))
_OTHER_METHOD = "other"
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_MODES: dict[str, Literal["livesum", "livemax"]] = {"sum": "livesum", "max": "livemax"}


class _AllWorkers(Collector):
    """Sums up what all workers have counted."""

    def __init__(self, slot: WorkerSlot) -> None:
        self._slot = slot

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all workers."""
        files = map(str, self._slot.files())
        merged: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return merged


class Metrics(Watcher):
    """Counts requests, and reads the measures of this worker about once a second.

    Parameters
    ----------
    measures
        What is to be read.
    slot
        Where this worker counts; None: in its own memory, for a process that is the only one.
    """

    def __init__(self, measures: Sequence[Measure], slot: WorkerSlot | None) -> None:
        own = CollectorRegistry()
        self._registry = own
        if slot is not None:
            # The library's own way for processes with other names than their numbers; a metric asks for both.
            os.environ[_DIRECTORY_VARIABLE] = str(slot.directory)
            values.ValueClass = MultiProcessValue(lambda: slot.number)  # type: ignore[no-untyped-call]
            self._registry = CollectorRegistry()
            self._registry.register(_AllWorkers(slot))
        route = ("standard", "route")
        self._requests = Counter(f"{_PREFIX}requests", "Requests answered.", (*route, "method", "status"), registry=own)
        self._seconds = Histogram(
            f"{_PREFIX}request_seconds",
            "Seconds from the head of a request to the last byte of its reply that was handed on.",
            route,
            buckets=_SECONDS,
            registry=own,
        )
        self._bytes = Counter(f"{_PREFIX}response_bytes", "Bytes of the bodies of replies.", route, registry=own)
        self._of_route: dict[tuple[str, ...], tuple[Callable[[], None], Callable[[float], None], Any]] = {}
        self._in_progress = 0
        self._timer: asyncio.TimerHandle | None = None
        Counter(f"{_PREFIX}worker_starts", "Workers that were started.", registry=own).inc()
        progress = Measure("requests_in_progress", "Requests being answered.", lambda: {"": self._in_progress})
        alive = Measure("workers", "Workers that are alive.", lambda: {"": 1})
        version = Measure("info", "The version of the server.", lambda: {__version__: 1}, "version", "max")
        self._read = [_reader(measure, own) for measure in (version, alive, progress, *measures)]
        self.read_measures()

    def opened(self) -> None:
        """Begin to read the measures about once a second."""
        self.read_measures()
        self._timer = asyncio.get_running_loop().call_later(_EVERY_SECONDS, self.opened)

    def closed(self) -> None:
        """End that."""
        if self._timer is not None:
            self._timer.cancel()

    def began(self, observation: Observation, scope: Scope) -> None:
        """Count a request as being answered."""
        self._in_progress += 1

    def ended(self, observation: Observation) -> None:
        """Count a request as answered."""
        self._in_progress -= 1
        method = observation.method if observation.method in _METHODS else _OTHER_METHOD
        key = (observation.standard, observation.route, method, str(observation.status))
        found = self._of_route.get(key)
        if found is None:
            found = self._of_route[key] = self._counting(*key)
        count, observe, add = found
        count()
        observe(observation.seconds)
        if observation.sent:
            add(observation.sent)

    def read_measures(self) -> None:
        """Take over what the measures of this worker are now."""
        for read in self._read:
            read()

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics of all workers and their media type, which a header Accept chooses."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _counting(self, standard: str, route: str, method: str, status: str) -> tuple[Any, Any, Any]:
        labels = (standard.strip("/"), route)
        return (
            self._requests.labels(*labels, method, status).inc,
            self._seconds.labels(*labels).observe,
            self._bytes.labels(*labels).inc,
        )


def _reader(measure: Measure, registry: CollectorRegistry) -> Callable[[], None]:
    """Return what takes over the numbers of a measure."""
    name, labels = _PREFIX + measure.name, (measure.label,) if measure.label else ()
    if measure.grows:
        counter = Counter(name, measure.text, labels, registry=registry)
        before: dict[str, float] = {}

        def add() -> None:
            for child, label, number in _numbers(measure, counter):
                child.inc(number - before.get(label, 0))
                before[label] = number

        return add
    gauge = Gauge(name, measure.text, labels, registry=registry, multiprocess_mode=_MODES[measure.merged])

    def set_all() -> None:
        for child, _, number in _numbers(measure, gauge):
            child.set(number)

    return set_all


def _numbers(measure: Measure, metric: Any) -> Iterator[tuple[Any, str, float]]:
    for label, number in measure.read().items():
        yield metric.labels(label) if measure.label else metric, label, number
