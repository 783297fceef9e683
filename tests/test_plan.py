"""The model of ``docs/scale.md`` against its simulation, in short, and against what the page says."""

from __future__ import annotations

import math

import pytest

from benchmarks.plan import Prices, Site, checks, costs, forecast, lines, simulate
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_simulation_is_within_the_bounds_of_the_model() -> None:
    for check in checks(requests=12_000):
        assert check.off < 0.15, check


def test_the_simulation_is_the_same_for_the_same_seed() -> None:
    small = Site().scaled(1000)
    first, again, other = (simulate(small, 2, 2_000, seed) for seed in (3, 3, 4))
    assert first == again != other
    assert first.latency < first.slowest < 1


def test_the_queue_of_the_model_is_the_one_of_the_books() -> None:
    # Of one processor, half busy: a request waits as long as it takes (M/M/1).
    few = {"blocks": 5_100, "cached": 510, "busy": 0.5}  # which have nothing to do with the queue
    mean_seconds = Site().mean_seconds
    site = Site(rate=0.5 / mean_seconds, processors=1, **few)  # type: ignore[arg-type]
    assert forecast(site).waiting == pytest.approx(mean_seconds)
    # Of two processors, each half busy: a third of it (Erlang C of 1/3, over 2 - 1).
    site = Site(rate=1 / mean_seconds, processors=2, **few)  # type: ignore[arg-type]
    assert forecast(site).waiting == pytest.approx(mean_seconds / 3)
    assert forecast(Site(blocks=51_000, cached=50_999)).hit_ratio == pytest.approx(1, abs=0.02)


def test_the_page_says_what_the_model_says() -> None:
    for line in lines():
        assert line in PAGE, line
    for name, dollars in costs(Site(), Prices(), 5_100.0).items():
        assert f"| {name} | {dollars:,.0f} |" in PAGE
    busy = Site().rate * Site().mean_seconds
    assert f"keep {busy:.0f} processors busy" in PAGE
    large = Site().kinds[-1]
    assert math.isclose(large.share * large.seconds / Site().mean_seconds, 0.5, abs_tol=0.03)
    assert sum(kind.share for kind in Site().kinds) == pytest.approx(1)
