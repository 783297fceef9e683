"""Requests become one frozen value each before any file is opened. Pure: no I/O, no web framework."""

from rnaget_server.query.matrix import MatrixQuery, parse_matrix_query
from rnaget_server.query.parameters import Parameters

__all__ = ["MatrixQuery", "Parameters", "parse_matrix_query"]
