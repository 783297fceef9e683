"""Densities of many values, for violin plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POINTS = 64
_STEPS = 16
"""The values are counted at so many places for each point that is returned."""

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

    It is cut at the least and greatest value. The values are shared out among a thousand places first, so that many
    take no longer than few.

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
    if len(numbers) < 2 or not np.isfinite(np.ptp(numbers)) or not np.ptp(numbers):
        return None
    width = numbers.std(ddof=1) * len(numbers) ** -0.2
    low, high = float(numbers.min()), float(numbers.max())
    size = (_POINTS - 1) * _STEPS + 1
    places = (numbers - low) / (high - low) * (size - 1)
    left = places.astype(np.int64)
    share = places - left
    weights: NDArray[Any] = np.bincount(left, 1 - share, size + 1) + np.bincount(left + 1, share, size + 1)
    heights = _smoothed(weights[:size], width * (size - 1) / (high - low))[::_STEPS]
    return Density(low, high, tuple(np.round(heights / heights.max(), _DIGITS).tolist()))


def _smoothed(weights: NDArray[Any], width: float) -> NDArray[np.float64]:
    """Return weights in a row with a Gaussian kernel around each; `width` is its standard deviation in places."""
    size = len(weights)
    length = 1 << (2 * size - 1).bit_length()
    distance = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    smoothed = np.fft.irfft(np.fft.rfft(weights, length) * np.fft.rfft(kernel), length)[:size]
    return np.maximum(smoothed, 0)
