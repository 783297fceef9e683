"""Matrices: what they have, and slices of them as tables."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

from rnaget.api import FileReply, field, segment
from rnaget.errors import ClientError, one_line
from rnaget.formats import format_for
from rnaget.getting import Progress, Received, shown_progress
from rnaget.items import Item, _text
from rnaget.tables import (
    anndata_of_frame,
    frame_of_arrow,
    frame_of_records,
    frame_of_tsv,
    is_installed,
    needed,
    read_arrow,
    read_h5ad,
)
from rnaget.transport import StatusError

if TYPE_CHECKING:
    import anndata
    import pandas
    import pyarrow

Ids = str | Iterable[Any]
_IDS = re.compile(r"(ENS[A-Z]*\d{6,}|WBGene\d+|FBgn\d+|NM_\d+|NR_\d+)(\.\d+)?", re.IGNORECASE)
"""Ids that are never names of genes."""

_KINDS = ("pandas", "anndata", "arrow")
_NOT_FOUND = 404
_REMARKS = {"missing": "rnaget-missing", "omitted": "rnaget-omitted", "ungrouped": "rnaget-ungrouped"}
_FORMAT_NAMES = ("tsv", "loom", "h5ad", "h5", "json", "csv")
"""Some servers write the format where the units should be."""


class Sliced(Item):
    """Something that is asked for by parts; its routes are below `_route`."""

    _group = "expressions"

    @property
    def _route(self) -> str:
        return f"{self._group}/{segment(self.id)}"

    @property
    def study(self) -> str | None:
        """The id of its study."""
        return _text(field(self.data, "studyID", "study"))

    @property
    def formats(self) -> list[str]:
        """The formats that it is offered in."""
        given = field(self.data, "formats")
        return [str(one) for one in given] if isinstance(given, list) else self._server.formats(self._group)

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The filters that it knows, as far as the server says so."""
        own = field(self.data, "filters")
        known = self._server.filters(self._group)
        return [one for one in known if one.get("filter") in own] if isinstance(own, list) else known

    def download(
        self, output: str | PathLike[str] | BinaryIO, *, progress: bool | Progress = False, **query: Any
    ) -> Received:
        """Write a slice to a file, whose name chooses the format; `query` is what `fetch` takes, or `format`."""
        asked = self._query(query)
        if isinstance(output, str | PathLike) and (format := format_for(str(output), asked.get("format"))):
            asked["format"] = format
        with shown_progress(progress) as report:
            settings = self._server.api.settings._replace(progress=report)
            return self._server.download(self._route, asked, output, settings)

    def _query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a request; raise ClientError if one has no value or two of them."""
        given = dict(given)
        where = dict(given.pop("where", None) or {})
        query: dict[str, Any] = {"sampleIDList": ids(given.pop("samples", None)), **given}
        query = {key: value for key, value in query.items() if value is not None}
        if clash := sorted(set(query) & set(where)):
            raise ClientError(f"{', '.join(clash)}: given twice, in where as well")
        query |= {key: value if isinstance(value, str | bool) else _listed(value) for key, value in where.items()}
        if empty := [key for key, value in query.items() if value is None or value == []]:
            raise ClientError(f"{', '.join(empty)} is an empty list: leave it out for all")
        return query

    def _offers(self, *names: str) -> str | None:
        """Return the first of some formats that is offered."""
        offered = {name.lower(): name for name in self.formats}
        return next((offered[name] for name in names if name in offered), None)

    def _attrs(self, reply: FileReply, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return where a table comes from."""
        headers = {name.lower(): value for name, value in reply.headers.items()}
        units = _text(field(reply.about, "units"))
        if units is not None and units.lower() in _FORMAT_NAMES:
            units = None
        attrs: dict[str, Any] = {
            "server": self._server.root,
            self.kind: self.id,
            "study": _text(field(reply.about, "studyID")) or self.study,
            "version": _text(field(reply.about, "version")) or self.version,
            "units": units or _text(query.get("units")),
            "license": _text(field(self.data, "license")),
            "query": {key: value for key, value in query.items() if value is not None},
            "etag": headers.get("etag"),
        }
        for name, header in _REMARKS.items():
            if header in headers:
                attrs[name] = [unquote(one) for one in headers[header].split(",")]
        return {key: value for key, value in attrs.items() if value not in (None, "")}


class Matrix(Sliced):
    """A matrix of expression: features × samples."""

    kind = "matrix"

    @property
    def shape(self) -> tuple[int, int] | None:
        """The number of features and of samples, if the server says so."""
        shape = field(self.data, "shape")
        known = shape if isinstance(shape, Mapping) else {}
        features, samples = known.get("features"), known.get("samples")
        return (features, samples) if isinstance(features, int) and isinstance(samples, int) else None

    @property
    def units(self) -> list[str]:
        """The units that it has, the main ones first."""
        units = field(self.data, "units")
        if isinstance(units, list):
            return [str(one) for one in units]
        return [] if units is None or str(units).lower() in _FORMAT_NAMES else [str(units)]

    @property
    def obs(self) -> pandas.DataFrame:
        """The samples with their attributes, by id."""
        return self._axis("samples", "sampleID")

    @property
    def var(self) -> pandas.DataFrame:
        """The features with their attributes, by id."""
        return self._axis("features", "featureID")

    def _axis(self, axis: str, id: str) -> pandas.DataFrame:
        needed("pandas")
        records = self._server.all_rows(f"{self._route}/{axis}")
        return frame_of_records(records, _text(field(self.data, id)))

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        features, samples = self.shape or (None, None)
        return {
            "id": self.id,
            "study": self.study,
            "units": self.units,
            "features": features,
            "samples": samples,
            "name": self.name,
        }

    def facts(self) -> dict[str, Any]:
        """Return what is worth showing."""
        more = {"version": self.version, "license": _text(field(self.data, "license")), "genome": self.genome}
        filters = field(self.data, "filters")
        return {**self.row(), **more, "filters": filters, "description": self.description}

    @property
    def genome(self) -> str | None:
        """The genome that it is on."""
        return _text(field(self.data, "genome"))

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        filters = field(self.data, "filters")
        where = f", where={{{filters[0]!r}: …}}" if isinstance(filters, list) and filters else ""
        matrix = f"server.matrices[{self.id!r}]"
        return [f"{matrix}.fetch(genes=[…]{where})", f"{matrix}.obs", f"{matrix}.var"]

    def fetch(
        self,
        genes: Ids | None = None,
        samples: Ids | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        units: str | None = None,
        group_by: str | None = None,
        summary: str | None = None,
        top: int | None = None,
        to: str = "pandas",
    ) -> Any:
        """Return a slice as a table.

        Parameters
        ----------
        genes
            Features: ids, or names such as gene symbols where none is an id. Objects with an id are understood.
        samples
            Ids of samples.
        where
            Values by filter, such as ``{"Tissue": ["Liver", "Kidney"], "length_min": 2000}``.
        units
            The units of the values.
        group_by, summary
            One column for each value of an attribute of samples, with this summary of its samples, or
            for each of several summaries, such as ``q1,median,q3``.
        top
            The features among so many highest of some sample.
        to
            ``pandas`` for a DataFrame of values (features as rows; where it comes from in ``attrs``), ``anndata`` or
            ``arrow``.

        Raises
        ------
        ClientError
            If the server refuses, cannot be reached, or has none of what was asked for.
        ImportError
            If the package that makes the table is not installed.
        """
        if to not in _KINDS:
            raise ClientError(f"to={to!r}: a table is made for one of {', '.join(_KINDS)}")
        given = {"genes": genes, "samples": samples, "where": where, "units": units}
        query = self._query({**given, "group_by": group_by, "summary": summary, "top": top})
        return {"anndata": self._anndata, "arrow": self._arrow, "pandas": self._frame}[to](query)

    def _query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(given)
        features = {"featureIDList": ids(given.pop("genes", None)), "featureNameList": ids(given.pop("names", None))}
        return super()._query({**features, **given})

    def _file(self, query: dict[str, Any], format: str | None) -> FileReply:
        """Return the file of a query; genes that are no ids here are asked for by name."""
        asked = {**query, "format": format} if format else dict(query)
        try:
            reply = self._server.api.file(self._route, asked)
        except StatusError as error:
            genes = query.get("featureIDList")
            if error.code != _NOT_FOUND or not genes or all(_IDS.fullmatch(gene) for gene in genes):
                raise
            asked["featureNameList"] = asked.pop("featureIDList")
            try:
                reply = self._server.api.file(self._route, asked)
            except StatusError as second:
                raise (second if second.code == _NOT_FOUND else error) from None
        headers = {name.lower(): value for name, value in reply.headers.items()}
        if missing := headers.get("rnaget-missing"):
            warnings.warn(one_line(f"{self.id} does not have {unquote(missing)}"), stacklevel=4)
        return reply

    def _frame(self, query: dict[str, Any]) -> pandas.DataFrame:
        needed("pandas")
        place = f"{self._server.root}/{self._route}"
        arrow = self._offers("arrow") if is_installed("pyarrow") else None
        reply = self._file(query, arrow or self._offers("tsv") or "tsv")
        known = field(self.data, "featureAttributes")
        attributes = known if isinstance(known, list) else ()
        if arrow:
            frame = frame_of_arrow(read_arrow(reply.body, place), attributes)
        else:
            frame = frame_of_tsv(reply.body, place, attributes, _text(field(self.data, "featureID")))
        frame.attrs = dict(self._attrs(reply, query)) | dict(frame.attrs)
        return frame

    def _arrow(self, query: dict[str, Any]) -> pyarrow.Table:
        package = needed("pyarrow")
        if arrow := self._offers("arrow"):
            return read_arrow(self._file(query, arrow).body, f"{self._server.root}/{self._route}")
        frame = self._frame(query)
        return package.Table.from_pandas(frame.reset_index())

    def _anndata(self, query: dict[str, Any]) -> anndata.AnnData:
        needed("anndata")
        if h5ad := self._offers("h5ad", "anndata"):
            return read_h5ad(self._file(query, h5ad).body, f"{self._server.root}/{self._route}")
        frame = self._frame(query)
        obs = var = None
        if self.shape is not None:  # of a server that lists features and samples
            obs, var = (None if query.get("group_by") else self.obs), self.var
        return anndata_of_frame(frame, obs, var)


def ids(values: Ids | None) -> list[str] | None:
    """Return ids as a list of texts; of objects, their ids."""
    if values is None:
        return None
    found: list[str] = _listed([values] if isinstance(values, str) or hasattr(values, "id") else values)
    return found


def _listed(values: Any) -> Any:
    if isinstance(values, Mapping) or not hasattr(values, "__iter__"):
        return values
    return [str(getattr(value, "id", value)) for value in values]
