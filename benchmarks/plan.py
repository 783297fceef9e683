"""A model of many servers, past the size of these machines, and a simulation at a thousandth of it that checks it.

``python -m benchmarks.plan`` prints the tables of ``docs/scale.md``. Nothing is measured here: what requests take
is from the figures of ``docs/performance.md``, and the rest is assumed in `Site`.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, count

import numpy as np

from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from benchmarks.queueing import waiting_time

SECONDS_PER_CELL = 1.77e-3 / 17_382
"""Of the processor, for a gene as TSV over HTTP."""

_HOURS = 730
_SECONDS = 3600 * _HOURS
_SEED = 21
_REQUESTS = 60_000
_MOST_OFF = 0.1
# The interval in which threads of one interpreter take turns.
_TURN = 0.005


@dataclass(frozen=True)
class Kind:
    """One kind of request: its share, and what it takes of a processor, of the network and of object storage."""

    name: str
    share: float
    seconds: float
    sent: int
    blocks: int


@dataclass(frozen=True)
class Site:
    """Everything that is assumed.

    Attributes
    ----------
    rate
        Requests a second.
    cells
        Cells of the largest matrix, of which one gene is asked now and then.
    blocks, cached
        Blocks of all data, and how many the disk of one server holds.
    popularity
        The exponent of Zipf's law, by which some blocks are asked for more often.
    busy
        The share of their time that processors are busy at most.
    processors
        Of one server.
    first_byte, spread
        Seconds until object storage answers: at least, and the mean of what comes on top.
    """

    rate: float = 10_000
    cells: int = 100_000_000
    blocks: int = 5_100_000
    cached: int = 500_000
    popularity: float = 0.9
    busy: float = 0.6
    processors: int = 8
    first_byte: float = 0.015
    spread: float = 0.010

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The requests."""
        return (
            Kind("a record or a list", 0.6, 0.17e-3, 2_000, 0),
            Kind("1 gene, 17,382 samples", 0.2499, 1.2e-3, 100_000, 1),
            Kind("1 Mb of a track in 1,000 bins", 0.1, 3.3e-3, 20_000, 3),
            Kind("50 genes × 1,000 samples", 0.05, 6.3e-3, 300_000, 10),
            Kind(f"1 gene, {self.cells:,} cells", 1e-4, self.cells * SECONDS_PER_CELL, 4 * self.cells, 100),
        )

    def scaled(self, part: int) -> Site:
        """Return the site at a part of its size: fewer requests, cells, blocks; two servers of one processor."""
        smaller = replace(
            self, cells=self.cells // part, blocks=self.blocks // part, cached=self.cached // part, processors=1
        )
        return replace(smaller, rate=2 * self.busy / smaller.mean_seconds)

    @property
    def mean_seconds(self) -> float:
        """Seconds of a processor that a request takes on average."""
        return sum(kind.share * kind.seconds for kind in self.kinds)


@dataclass(frozen=True)
class Forecast:
    """The figures of a site.

    Attributes
    ----------
    servers
        How many there are.
    hit_ratio
        The share of blocks that are on the disk of the server that is asked.
    least_waiting, waiting
        Seconds that a request waits for processors, if all servers had one queue, and if nobody chose between them.
    latency
        Seconds until a reply is complete, with the longer wait.
    store_requests, sent
        Requests to object storage, and bytes to clients, in a second.
    """

    servers: int
    hit_ratio: float
    least_waiting: float
    waiting: float
    latency: float
    store_requests: float
    sent: float


def forecast(site: Site) -> Forecast:
    """Return what the model says of a site.

    Requests share the processors of their server, as threads do, so the wait does not depend on how unlike they are.
    The hits of a cache that forgets what was used longest ago are those of Che's approximation.
    """
    busy = site.rate * site.mean_seconds
    servers = max(1, math.ceil(busy / site.busy / site.processors - 1e-9))
    missed = 1 - hit_ratio(site.blocks, site.cached, site.popularity)
    store = sum(kind.share * kind.blocks for kind in site.kinds) * missed
    fetching = sum(kind.share * _fetching(site, kind.blocks, missed) for kind in site.kinds)
    waiting = waiting_time(site.mean_seconds, site.processors, busy / servers)
    return Forecast(
        servers,
        1 - missed,
        waiting_time(site.mean_seconds, site.processors * servers, busy),
        waiting,
        waiting + site.mean_seconds + fetching,
        site.rate * store,
        site.rate * sum(kind.share * kind.sent for kind in site.kinds),
    )


def _fetching(site: Site, blocks: int, missed: float) -> float:
    """Return the seconds until the last of some blocks is there, which are asked for side by side."""
    total, chance = 0.0, (1 - missed) ** blocks
    longest = 0.0
    for away in range(1, blocks + 1):
        chance *= (blocks - away + 1) / away * missed / (1 - missed)
        longest += 1 / away
        total += chance * (site.first_byte + site.spread * longest)
    return total


@cache
def hit_ratio(blocks: int, cached: int, popularity: float) -> float:
    """Return the share of requests for blocks that a cache answers."""
    weights = np.arange(1, blocks + 1, dtype=float) ** -popularity
    weights /= weights.sum()
    low, high = 0.0, 1e3 * blocks
    for _ in range(50):
        middle = (low + high) / 2
        held = -np.expm1(-weights * middle).sum()
        low, high = (middle, high) if held < cached else (low, middle)
    return float((weights * -np.expm1(-weights * low)).sum())


@dataclass(frozen=True)
class Simulated:
    """The figures of a simulation."""

    hit_ratio: float
    waiting: float
    latency: float
    store_requests: float
    slowest: float
    """Seconds within which 99 of 100 replies were complete."""


class _Server:
    """One processor, which all running requests have in turns of some milliseconds, and a disk for blocks."""

    def __init__(self, site: Site) -> None:
        self.open = 0
        self._queue: deque[tuple[int, float]] = deque()
        self._held: OrderedDict[int, None] = OrderedDict()
        self._most = site.cached

    def has(self, block: int) -> bool:
        """Return whether a block is on the disk; it is from now on."""
        is_held = block in self._held
        self._held[block] = None
        self._held.move_to_end(block)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return is_held

    def add(self, request: int, seconds: float) -> bool:
        """Queue a request that takes so long; return whether the processor was idle."""
        self._queue.append((request, seconds))
        return len(self._queue) == 1

    @property
    def turn(self) -> float:
        """Seconds of the turn that is running."""
        return min(_TURN, self._queue[0][1])

    def end_turn(self) -> int | None:
        """End it; return the request that is complete by it, if one is."""
        request, left = self._queue.popleft()
        if left > _TURN:
            self._queue.append((request, left - _TURN))
            return None
        return request

    @property
    def is_busy(self) -> bool:
        """True if a request waits for its turn."""
        return bool(self._queue)


class _Simulation:
    """Requests that come by chance, each to the server with the fewest that are not answered, as by ``least_conn``."""

    def __init__(self, site: Site, servers: int, requests: int, seed: int) -> None:
        self._site, self._requests, self._drawn = site, requests, random.Random(seed)
        self._ranks = list(accumulate((rank + 1) ** -site.popularity for rank in range(site.blocks)))
        self._servers = [_Server(site) for _ in range(servers)]
        self._events: list[tuple[float, int, str, int]] = []
        self._order = count()
        self._began: list[float] = []
        self._seconds: list[float] = []
        self._fetching: list[float] = []
        self._blocks: list[tuple[int, int]] = []
        self.waits: dict[int, float] = {}

    def run(self) -> Simulated:
        """Return what happened, the first quarter left out."""
        self._note(self._drawn.expovariate(self._site.rate), "comes", -1)
        while self._events:
            now, _, event, at = heapq.heappop(self._events)
            if event == "comes":
                self._come(now)
            elif event == "turn":
                self._end_turn(now, at)
            else:
                self._servers[at].open -= 1
        first = self._requests // 4
        waits = [self.waits[number] for number in range(first, self._requests)]
        numbers = range(first, self._requests)
        latencies = sorted(self.waits[number] + self._seconds[number] + self._fetching[number] for number in numbers)
        asked, missed = (sum(column) for column in zip(*self._blocks[first:], strict=True))
        seconds = self._began[-1] - self._began[first]
        mean = sum(latencies) / len(latencies)
        slowest = latencies[len(latencies) * 99 // 100]
        return Simulated(1 - missed / asked, sum(waits) / len(waits), mean, missed / seconds, slowest)

    def _note(self, time: float, event: str, at: int) -> None:
        heapq.heappush(self._events, (time, next(self._order), event, at))

    def _come(self, now: float) -> None:
        site, drawn = self._site, self._drawn
        number = len(self._began)
        kind = drawn.choices(site.kinds, [kind.share for kind in site.kinds])[0]
        fewest = min(server.open for server in self._servers)
        at = drawn.choice([at for at, server in enumerate(self._servers) if server.open == fewest])
        server = self._servers[at]
        wanted = (bisect_left(self._ranks, drawn.random() * self._ranks[-1]) for _ in range(kind.blocks))
        away = sum(not server.has(block) for block in wanted)
        waits = (site.first_byte + drawn.expovariate(1 / site.spread) for _ in range(away))
        self._began.append(now)
        self._seconds.append(kind.seconds)
        self._fetching.append(max(waits, default=0.0))
        self._blocks.append((kind.blocks, away))
        server.open += 1
        if server.add(number, kind.seconds):
            self._note(now + server.turn, "turn", at)
        if number + 1 < self._requests:
            self._note(now + drawn.expovariate(site.rate), "comes", -1)

    def _end_turn(self, now: float, at: int) -> None:
        server = self._servers[at]
        request = server.end_turn()
        if request is not None:
            self.waits[request] = now - self._began[request] - self._seconds[request]
            self._note(now + self._fetching[request], "answered", at)
        if server.is_busy:
            self._note(now + server.turn, "turn", at)


def simulate(site: Site, servers: int, requests: int, seed: int) -> Simulated:
    """Return what happens to so many requests, the first quarter of them left out; the same for the same seed."""
    return _Simulation(site, servers, requests, seed).run()


@dataclass(frozen=True)
class Prices:
    """Prices in dollars: assumed, and to be replaced by those of a provider."""

    processor_hour: float = 0.04
    gigabyte_month: float = 0.023
    million_requests: float = 0.4
    gigabyte_sent: float = 0.0


def costs(site: Site, prices: Prices, gigabytes: float) -> dict[str, float]:
    """Return the dollars of a month, by what they are for."""
    found = forecast(site)
    return {
        "processors": found.servers * site.processors * prices.processor_hour * _HOURS,
        "data": gigabytes * prices.gigabyte_month,
        "requests to the store": found.store_requests * _SECONDS / 1e6 * prices.million_requests,
        "bytes sent": found.sent * _SECONDS / 1e9 * prices.gigabyte_sent,
    }


GIGABYTES = 5_100.0
SITES = {
    "as assumed": Site(),
    "a tenth of the requests": Site(rate=1_000),
    "ten times the cells": Site(cells=1_000_000_000),
    "no blocks on disk but 1 %": Site(cached=51_000),
}


def lines() -> Iterator[str]:
    """Yield the table of the model, in Markdown."""
    yield "| Site | Servers of 8 processors | Blocks on disk | Mean wait | Mean reply | Requests to the store | Sent |"
    yield "|---|---|---|---|---|---|---|"
    for name, site in SITES.items():
        found = forecast(site)
        yield (
            f"| {name} | {found.servers} | {found.hit_ratio:.0%} | {1e3 * found.waiting:.2f} ms | "
            f"{1e3 * found.latency:.1f} ms | {found.store_requests:,.0f}/s | {found.sent / 1e9:.2f} GB/s |"
        )


@dataclass(frozen=True)
class Check:
    """One figure as the model says it, at least and at most, and as the simulation has it."""

    name: str
    least: float
    most: float
    seen: float

    @property
    def off(self) -> float:
        """By which share it is out of the bounds."""
        return max(0.0, self.least / self.seen - 1, self.seen / self.most - 1)


def checks(requests: int = _REQUESTS) -> list[Check]:
    """Return the figures of the model and of the simulation at a thousandth of the size."""
    small = Site().scaled(1000)
    said, seen = forecast(small), simulate(small, 2, requests, _SEED)
    least = said.latency - said.waiting + said.least_waiting
    store, stored = said.store_requests / small.rate, seen.store_requests / small.rate
    return [
        Check("share of blocks on disk", said.hit_ratio, said.hit_ratio, seen.hit_ratio),
        Check("mean wait, ms", 1e3 * said.least_waiting, 1e3 * said.waiting, 1e3 * seen.waiting),
        Check("mean reply, ms", 1e3 * least, 1e3 * said.latency, 1e3 * seen.latency),
        Check("requests to the store, for each request", store, store, stored),
    ]


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield how far the simulation is out of the bounds of the model, and the table of the model."""
    for check in checks():
        bounds = f"{check.least:.3g} to {check.most:.3g}"
        yield Row(f"plan: {check.name}, simulated {check.seen:.3g}", bounds, Figures((check.off,), ""), most=_MOST_OFF)
    yield Note("\n".join(lines()))


def main() -> None:
    """Print the tables."""
    print("\n".join(lines()))
    print()
    for check in checks():
        print(f"| {check.name} | {check.least:.3g} | {check.most:.3g} | {check.seen:.3g} |")
    print()
    for name, dollars in costs(Site(), Prices(), GIGABYTES).items():
        print(f"| {name} | {dollars:,.0f} |")


if __name__ == "__main__":
    main()
