"""The rules of tximport: transcripts summed to genes, the lengths of genes, and counts from abundances.

Of each gene, counts and abundances are the sums of those of its transcripts. Its length in a sample is the mean of
their effective lengths, weighted by abundance. Where a gene has no abundance in a sample, the length is the geometric
mean of those in the other samples, and where it has none in any, the plain mean over its transcripts.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
CountsFromAbundance = Literal["no", "scaledTPM", "lengthScaledTPM"]


class GeneSums:
    """Sums transcripts to genes, sample by sample.

    Parameters
    ----------
    places
        For each transcript the place of its gene, or -1: it is left out.
    genes
        Number of genes.
    """

    def __init__(self, places: NDArray[np.int64], genes: int) -> None:
        self._kept = places >= 0
        self._places = places[self._kept]
        self._genes = genes

    def of(self, values: Numbers) -> Numbers:
        """Return the sum of the transcripts of each gene."""
        return np.bincount(self._places, values[self._kept], self._genes).astype(np.float64)

    def mean(self, values: Numbers) -> Numbers:
        """Return the mean over the transcripts of each gene."""
        return self.of(values) / np.bincount(self._places, minlength=self._genes)

    def lengths(self, abundance: Numbers, lengths: Numbers) -> Numbers:
        """Return the mean length of each gene in a sample, weighted by abundance; NaN where it has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.of(abundance * lengths) / self.of(abundance))


class MeanLengths:
    """The mean over all samples of the lengths of features, with missing ones filled as tximport does."""

    def __init__(self, features: int) -> None:
        self._sum = np.zeros(features)
        self._logs = np.zeros(features)
        self._known = np.zeros(features, np.int64)
        self._plain = np.zeros(features)
        self._samples = 0
        self._first: Any = None
        self._same = True

    def add(self, lengths: Numbers, plain: Numbers) -> None:
        """Take the lengths in a sample, NaN where they are missing, and what stands for those missing everywhere."""
        known = ~np.isnan(lengths)
        self._sum[known] += lengths[known]
        with np.errstate(divide="ignore"):
            self._logs[known] += np.log(lengths[known])
        self._known += known
        self._plain += plain
        self._samples += 1
        if self._first is None:
            self._first = lengths
        self._same = self._same and np.array_equal(self._first, lengths, equal_nan=True)

    @property
    def same(self) -> bool:
        """True if all samples have the same lengths."""
        return self._same

    def mean(self) -> Numbers:
        """Return the mean of each feature."""
        with np.errstate(invalid="ignore", divide="ignore"):
            filling = np.exp(self._logs / self._known)
        means = (self._sum + (self._samples - self._known) * np.where(self._known > 0, filling, 0)) / self._samples
        return np.asarray(np.where(self._known > 0, means, self._plain / self._samples))


def counts_from_abundance(abundance: Numbers, total: float, mean_lengths: Numbers | None) -> Numbers:
    """Return counts of a sample that sum to `total`, in proportion to abundance (times mean lengths, if given)."""
    counts = abundance if mean_lengths is None else abundance * mean_lengths
    whole = float(counts.sum())
    return counts * (total / whole) if whole > 0 else np.zeros_like(counts)
