"""Queries a reader can copy and run: the same slice by curl, pandas and R, or in a genome browser."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rnaget_server.catalog.records import Matrix
from rnaget_server.model.lists import SEPARATOR, exact

Parameters = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names and values in a URL, where a name may come several times."""


def list_of(values: Sequence[str]) -> str:
    """Return values as one parameter of a query, with any commas that they hold."""
    return SEPARATOR.join(values) if len(values) > 1 else "".join(map(exact, values))


def data_route(by_ticket: bool) -> str:
    """Return the last part of the path of a slice: of the data, or of a ticket where only those lead to them."""
    return "ticket" if by_ticket else "bytes"


def _pairs(parameters: Parameters) -> Iterable[tuple[str, str]]:
    return parameters.items() if isinstance(parameters, Mapping) else parameters


def _quoted(text: str) -> str:
    """Return a value for a URL, with the commas of a list as they are."""
    return ",".join(quote(value, safe="") for value in text.split(SEPARATOR))


@dataclass(frozen=True)
class Query:
    """One slice and how to get it: its address, a command, and what to write in other programs (name → text)."""

    title: str
    url: str
    curl: str
    others: str
    programs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Source:
    """The common parts of the queries on one matrix or set of tracks.

    Parameters
    ----------
    base
        Address of the server.
    path
        Where the data lies below ``/rnaget``, such as ``expressions/uhlen``.
    labelled_by_id
        Whether the first column of the TSV can name the rows: names of features may repeat, ids do not.
    comments
        Whether the TSV has lines that start with ``#``.
    by_ticket
        Whether data are sent only for the URLs of tickets.
    """

    base: str
    path: str
    labelled_by_id: bool
    comments: bool
    by_ticket: bool = False

    @classmethod
    def of_matrix(cls, base: str, matrix: Matrix, by_ticket: bool) -> Source:
        """Return that of the slices of a matrix."""
        labelled_by_id = matrix.tsv.labels[:1] == (matrix.feature_id,)
        return cls(base, f"expressions/{matrix.id}", labelled_by_id, matrix.tsv.comments, by_ticket)

    def part(self, title: str, parameters: Parameters) -> Query:
        """Return the query for a slice small enough to be shown on a screen."""
        return self._table(title, parameters, "curl {}")

    def whole(self, title: str) -> Query:
        """Return the query for everything, saved under the name that the server gives it."""
        return self._table(title, {}, "curl -OJ {}")

    def browsed(self, title: str, sample: str, parameters: dict[str, str]) -> Query:
        """Return the query for one track in the formats of genome browsers."""
        asked = {"sampleIDList": sample, **parameters}
        url, intervals = self._url({**asked, "format": "bigwig"}), self._url({**asked, "format": "bedgraph"})
        track = json.dumps({"type": "wig", "format": "bigwig", "name": sample, "url": url}, indent=2)
        locus = f"{parameters['chr']}:{int(parameters['start']) + 1}-{parameters['end']}"
        return Query(
            title,
            url,
            f"curl -OJ {shlex.quote(url)}",
            "igv.js and the UCSC browser",
            (
                ("igv.js", f"browser.search({json.dumps(locus)});\nbrowser.loadTrack({track});"),
                ("UCSC genome browser, as a custom track", intervals),
            ),
        )

    def _table(self, title: str, parameters: Parameters, command: str) -> Query:
        url = self._url([*_pairs(parameters), ("format", "tsv")])
        programs = (("Python (pandas)", self._python(url)), ("R", self._r(url)))
        address = shlex.quote(url)
        if self.by_ticket:
            address = f'"$(curl -s {address} | python3 -c \'import json, sys; print(json.load(sys.stdin)["url"])\')"'
        return Query(title, url, command.format(address), "Python and R", programs)

    def _url(self, parameters: Parameters) -> str:
        query = "&".join(f"{quote(name, safe='')}={_quoted(value)}" for name, value in _pairs(parameters))
        return f"{self.base}/rnaget/{quote(self.path)}/{data_route(self.by_ticket)}?{query}"

    def _python(self, url: str) -> str:
        options = ['sep="\\t"']
        if self.labelled_by_id:
            options.append("index_col=0")
        if self.comments:
            options.append('comment="#"')
        address = f"url = {json.dumps(url)}\n"
        if self.by_ticket:
            address = f'url = pd.read_json({json.dumps(url)}, typ="series")["url"]\n'
        return f"import pandas as pd\n\n{address}table = pd.read_csv(url, {', '.join(options)})"

    def _r(self, url: str) -> str:
        options = ["check.names = FALSE"]
        if self.labelled_by_id:
            options.append("row.names = 1")
        if self.comments:
            options.append('comment.char = "#"')
        address = f"jsonlite::fromJSON({json.dumps(url)})$url" if self.by_ticket else json.dumps(url)
        return f"url <- {address}\ntable <- read.delim(url, {', '.join(options)})"


def cells_query(url: str) -> Query:
    """Return how to get the table of cells at an address by curl, pandas and R."""
    address = json.dumps(url)
    python = f'import pandas as pd\n\nurl = {address}\ncells = pd.read_csv(url, sep="\\t", index_col=0)'
    r = f"url <- {address}\ncells <- read.delim(url, row.names = 1, check.names = FALSE)"
    programs = (("Python (pandas)", python), ("R", r))
    return Query("These cells as a table", url, f"curl -OJ {shlex.quote(url)}", "Python and R", programs)
