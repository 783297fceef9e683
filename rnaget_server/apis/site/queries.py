"""Queries a reader can copy and run: the same slice by curl, pandas and R."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from rnaget_server.catalog.records import Tsv


@dataclass(frozen=True)
class Query:
    """One slice and how to get it: its address, and a command or program for each tool."""

    title: str
    url: str
    curl: str
    python: str
    r: str


@dataclass(frozen=True)
class Source:
    """What the queries on one matrix have in common: its address and the form of its TSV."""

    base: str
    matrix_id: str
    feature_id: str
    tsv: Tsv

    def part(self, title: str, parameters: dict[str, str]) -> Query:
        """Return the query for a slice small enough to be shown on a screen."""
        return self._query(title, parameters, "curl {}")

    def whole(self, title: str) -> Query:
        """Return the query for the whole matrix, saved under the name that the server gives it."""
        return self._query(title, {}, "curl -OJ {}")

    def _query(self, title: str, parameters: dict[str, str], command: str) -> Query:
        asked = urlencode({**parameters, "format": "tsv"}, quote_via=quote)
        url = f"{self.base}/rnaget/expressions/{quote(self.matrix_id)}/bytes?{asked}"
        return Query(title, url, command.format(shlex.quote(url)), self._python(url), self._r(url))

    @property
    def _labelled_by_id(self) -> bool:
        """Whether the first column can name the rows: names of features may repeat, ids do not."""
        return self.tsv.labels[:1] == (self.feature_id,)

    def _python(self, url: str) -> str:
        options = ['sep="\\t"']
        if self._labelled_by_id:
            options.append("index_col=0")
        if self.tsv.comments:
            options.append('comment="#"')
        return f"import pandas as pd\n\nurl = {json.dumps(url)}\ntable = pd.read_csv(url, {', '.join(options)})"

    def _r(self, url: str) -> str:
        options = ["check.names = FALSE"]
        if self._labelled_by_id:
            options.append("row.names = 1")
        if self.tsv.comments:
            options.append('comment.char = "#"')
        return f"url <- {json.dumps(url)}\ntable <- read.delim(url, {', '.join(options)})"
