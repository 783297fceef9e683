"""A real server of two workers that is watched in every way, and what it says of itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass
class Served:
    """A running server, and the addresses of its data and of its metrics."""

    root: str
    metrics: str
    log: Path
    data: Path

    def numbers(self) -> dict[tuple[str, Labels], float]:
        """Return all samples of the metrics."""
        reply = requests.get(f"{self.metrics}/metrics", timeout=30)
        assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain; version=")
        return samples(reply.text)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of its log that are whole."""
        return [json.loads(line) for line in self.log.read_text().splitlines(True) if line.endswith("\n")]

    def workers(self) -> set[int]:
        """Return the process ids of the last two workers that the log names as started."""
        started = [line["message"] for line in self.lines() if "Booting worker" in line["message"]]
        return {int(message.rpartition(" ")[2]) for message in started[-2:]}

    def master(self) -> int:
        """Return the process id of the one that starts them."""
        return next(line["process"] for line in self.lines() if "Listening at" in line["message"])

    def count(self, name: str, **labels: str) -> float:
        """Return a metric; -1 if the worker that was asked has just ended."""
        try:
            return total(self.numbers(), name, **labels)
        except requests.ConnectionError:
            return -1

    def alive(self) -> float:
        """Return how many workers say that they live."""
        return self.count("rnaget_workers")


def samples(text: str) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(numbers: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    """Return the sum of the samples of a name whose labels have these values."""
    return sum(value for (found, of), value in numbers.items() if found == name and set(labels.items()) <= set(of))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
