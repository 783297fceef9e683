"""The state of a gene page, which is all in its address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rnaget_server.errors import InvalidQuery, shown

_CHOICES = {
    "scale": ("linear", "log"),
    "plot": ("box", "violin"),
    "outliers": ("true", "false"),
    "format": ("html", "json"),
    "embed": ("1",),
}
_TEXTS = ("matrix", "group_by", "units")


@dataclass(frozen=True)
class GeneState:
    """The choices that make a view of a gene.

    Attributes
    ----------
    matrix
        The matrix that the choices are for; None: all.
    group_by
        The attribute or filter of samples whose values are the groups; empty: one group; None: what is chosen for a
        reader.
    units
        The units of the values, where a matrix has several.
    scale
        ``linear`` or ``log``.
    plot
        ``box`` or ``violin``.
    outliers
        Whether values beyond the whiskers are drawn.
    as_json
        Whether the numbers are asked for and not the page.
    filters
        Names and values of the filters of samples.
    """

    matrix: str | None = None
    group_by: str | None = None
    units: str | None = None
    scale: str = "linear"
    plot: str = "box"
    outliers: bool = True
    as_json: bool = False
    filters: tuple[tuple[str, str], ...] = ()

    def of_all(self) -> GeneState:
        """Return what of the choices suits other matrices: how it is drawn."""
        return replace(self, matrix=None, group_by=None, units=None, filters=())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the parameters of the view, without those that say what everybody gets."""
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None:
                yield name, value
        if self.scale != "linear":
            yield "scale", self.scale
        if self.plot != "box":
            yield "plot", self.plot
        if not self.outliers:
            yield "outliers", "false"
        yield from self.filters


def read_state(pairs: Iterable[tuple[str, str]]) -> GeneState:
    """Return the state in the parameters of a request. Those that are none of the page are filters of a matrix.

    Raises
    ------
    InvalidQuery
        If a parameter of the page is none of its values, or given twice; or if there are filters for no matrix.
    """
    own: dict[str, str] = {}
    filters = []
    for name, value in pairs:
        if name not in _CHOICES and name not in _TEXTS:
            filters.append((name, value))
        elif name in own:
            raise InvalidQuery(f"{name} is given twice: give it once")
        elif name in _CHOICES and value not in _CHOICES[name]:
            raise InvalidQuery(f"{name} must be {_either(_CHOICES[name])}, not {shown(value)}")
        else:
            own[name] = value
    if filters and not own.get("matrix"):
        raise InvalidQuery(f"{shown(filters[0][0])} selects samples of one matrix: say of which by matrix=")
    return GeneState(
        own.get("matrix") or None,
        own.get("group_by"),
        own.get("units") or None,
        own.get("scale", "linear"),
        own.get("plot", "box"),
        own.get("outliers") != "false",
        own.get("format") == "json",
        tuple(filters),
    )


def _either(values: Sequence[str]) -> str:
    return " or ".join(values)
