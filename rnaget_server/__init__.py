"""A server for RNA expression data and signal tracks by the GA4GH RNAget standard."""

__version__ = "0.1.0"
