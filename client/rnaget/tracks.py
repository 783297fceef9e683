"""Sets of signal tracks, and ranges of them as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnaget.api import field
from rnaget.errors import ClientError
from rnaget.matrices import Ids, Sliced
from rnaget.regions import Region, region_of
from rnaget.tables import frame_of_tsv, needed, read_arrow

if TYPE_CHECKING:
    import pandas


class TrackSet(Sliced):
    """A set of signal tracks: one for each sample, along the sequences of a genome."""

    kind = "tracks"
    _group = "continuous"

    @property
    def samples(self) -> list[str]:
        """The samples that have a track, if the server says so."""
        samples = field(self.data, "samples")
        return [str(one) for one in samples] if isinstance(samples, list) else []

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        units = field(self.data, "units")
        return {"id": self.id, "study": self.study, "units": units, "samples": self.samples, "name": self.name}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return [f'server.tracks[{self.id!r}].fetch("…:1,000-2,000", bins=100)']

    def fetch(
        self,
        region: str | tuple[str, int | None, int | None] | Region,
        *,
        bins: int | None = None,
        summary: str | None = None,
        samples: Ids | None = None,
        where: Mapping[str, Any] | None = None,
        units: str | None = None,
        approximate: bool | None = None,
        to: str = "pandas",
    ) -> Any:
        """Return the signal in a region: tracks as rows, bases or bins as columns by where they start, from 0.

        Parameters
        ----------
        region
            ``chr1:1000-2000``, from 1 with both ends as genome browsers have it; or ``("chr1", 999, 2000)``.
        bins
            So many columns, instead of one for each base.
        summary
            How a bin is summarised: ``mean``, ``min``, ``max`` or ``coverage``.
        samples, where, units
            Which tracks.
        approximate
            Whether bins may come from the zoom levels of the files, which is fast.
        to
            ``pandas``, or ``arrow`` for the table that the server sends.
        """
        if to not in ("pandas", "arrow"):
            raise ClientError(f"to={to!r}: signal comes as pandas or arrow")
        place = f"{self._server.root}/{self._route}"
        given = {"bins": bins, "summary": summary, "units": units, "approximate": approximate}
        query = self._query({"region": region, "samples": samples, "where": where, **given})
        if to == "arrow":
            return read_arrow(self._server.api.file(self._route, {**query, "format": "arrow"}).body, place)
        needed("pandas")
        reply = self._server.api.file(self._route, {**query, "format": self._offers("tsv") or "tsv"})
        frame = _by_position(frame_of_tsv(reply.body, place))
        frame.attrs = self._attrs(reply, query) | {"region": str(region_of(region))} | dict(frame.attrs)
        return frame

    def _query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(given)
        if (region := given.pop("region", None)) is not None:
            found = region_of(region)
            given |= {"chr": found.name, "start": found.start, "end": found.end}
        return super()._query(given)


def _by_position(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Label columns by the number at which each starts, where all are on one sequence."""
    pandas = needed("pandas")
    parts = frame.columns.astype(str).str.extract(r"^(?P<name>.*):(?P<start>\d+)(?:-\d+)?$")
    if len(parts) and not parts["start"].isna().any() and parts["name"].nunique() == 1:
        frame.columns = pandas.Index(parts["start"].astype("int64").to_numpy(), name=parts["name"].iloc[0])
    return frame
