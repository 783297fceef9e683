"""The official compliance suites, run against a server that this package starts."""
