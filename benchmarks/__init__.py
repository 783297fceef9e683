"""Measures the server's parts against limits and peers, in one run: ``python -m benchmarks``."""
