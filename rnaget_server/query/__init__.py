"""Requests become one frozen value each before any file is opened. Pure: no I/O, no web framework."""

from rnaget_server.query.conditions import Condition
from rnaget_server.query.matrix import MatrixQuery, parse_matrix_query
from rnaget_server.query.parameters import Parameters
from rnaget_server.query.region import RegionQuery, parse_region_query

__all__ = ["Condition", "MatrixQuery", "Parameters", "RegionQuery", "parse_matrix_query", "parse_region_query"]
