"""Densities of many values, for violin plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POINTS = 64
_BINS = 1_024
_DIGITS = 5


@dataclass(frozen=True)
class Density:
    """A density: its height at values of equal distance from `start` to `stop`, as shares of the greatest height.

    Of a logarithmic one, `start` and `stop` are log10(x + 1).
    """

    start: float
    stop: float
    heights: tuple[float, ...]


def density(values: NDArray[Any], shape: str) -> Density | None:
    """Return the density of some values, by Gaussian kernels as wide as Scott's rule has them.

    It is cut at the least and greatest value. More than a thousand values are counted in a thousand bins first.

    Parameters
    ----------
    values
        Without NaN.
    shape
        ``linear``, or ``log`` for the density of log10(x + 1).

    Returns
    -------
    The density; None if there are fewer than two different values, or one is infinite.
    """
    numbers = values.astype(np.float64)
    if shape == "log":
        numbers = np.log10(numbers + 1)
    if len(numbers) < 2 or not np.isfinite(numbers).all() or numbers.min() == numbers.max():
        return None
    width = numbers.std(ddof=1) * len(numbers) ** -0.2
    low, high = float(numbers.min()), float(numbers.max())
    weights = np.ones(len(numbers))
    if len(numbers) > _BINS:
        weights, borders = np.histogram(numbers, _BINS, (low, high))
        numbers = (borders[1:] + borders[:-1]) / 2
    points = np.linspace(low, high, _POINTS)
    heights = np.exp(-0.5 * ((points[:, np.newaxis] - numbers) / width) ** 2) @ weights
    return Density(low, high, tuple(np.round(heights / heights.max(), _DIGITS).tolist()))
