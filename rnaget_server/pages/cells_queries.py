"""Commands to copy that fetch the table of cells which a page shows."""

from __future__ import annotations

import json
import shlex

from rnaget_server.pages.queries import Query


def table_query(url: str) -> Query:
    """Return how to get the table of cells at an address by curl, pandas and R."""
    address = json.dumps(url)
    python = f'import pandas as pd\n\nurl = {address}\ncells = pd.read_csv(url, sep="\\t", index_col=0)'
    r = f"url <- {address}\ncells <- read.delim(url, row.names = 1, check.names = FALSE)"
    programs = (("Python (pandas)", python), ("R", r))
    return Query("These cells as a table", url, f"curl -OJ {shlex.quote(url)}", "Python and R", programs)
