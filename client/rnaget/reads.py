"""Reads and variants, by htsget."""

from __future__ import annotations

from os import PathLike
from typing import Any, BinaryIO

from rnaget.api import field, segment
from rnaget.downloads import Request
from rnaget.getting import Progress, Received, fetch, request_address, shown_progress
from rnaget.items import Item, _text
from rnaget.regions import Region, region_of


class ReadSet(Item):
    """Alignments, or variants, of samples."""

    kind = "reads"

    @property
    def route(self) -> str:
        """The one of htsget's two routes it is on: ``reads`` or ``variants``."""
        return _text(field(self.data, "kind")) or "reads"

    @property
    def study(self) -> str | None:
        """The id of its study."""
        return _text(field(self.data, "studyID", "study"))

    @property
    def url(self) -> str:
        """The address of its tickets, for samtools, bcftools and others."""
        return f"{self._server.site}/{self.route}/{segment(self.id, '/')}"

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        names = ("formats", "samples", "bytes")
        return {"id": self.id, "kind": self.route, "study": self.study, **{one: field(self.data, one) for one in names}}

    def facts(self) -> dict[str, Any]:
        """Return what is worth showing."""
        return {**self.row(), "url": self.url}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return [f'server.reads[{self.id!r}].fetch("region.bam", "…:1,000-2,000")']

    def fetch(
        self,
        output: str | PathLike[str] | BinaryIO,
        region: str | tuple[str, int | None, int | None] | Region | None = None,
        *,
        format: str | None = None,
        fields: Any = None,
        tags: Any = None,
        notags: Any = None,
        workers: int = 4,
        progress: bool | Progress = False,
        resume: bool = False,
    ) -> Received:
        """Write all records, or those of a region such as ``chr1:1000-2000``, to a file."""
        found = Region("") if region is None else region_of(region)
        lists = {"fields": fields, "tags": tags, "notags": notags}
        url = request_address(self.url, found.name or None, None, found.start, found.end, format, **lists)
        settings = self._server.api.settings._replace(workers=workers, wanted=format)
        with shown_progress(progress) as report:
            session = self._server.api.session
            return fetch(session, Request(url), output, settings._replace(progress=report), resume)
