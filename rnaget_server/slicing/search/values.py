"""The attributes of features and samples, and their values where they are few, to be searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rnaget_server.slicing.search.entries import Entries

_MOST = 200_000


@dataclass(frozen=True)
class ValuesOfAttribute:
    """An attribute of the features or samples of a matrix; `filter` is the parameter that selects by it, if any."""

    matrix: str
    axis: str
    attribute: str
    filter: str | None
    values: tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """Attributes and values of many matrices, each once; with each, where it is.

    Attributes
    ----------
    attributes, values
        To be searched; the name of a value is its attribute.
    of_attributes, of_values
        For each entry, the attributes of matrices that it is.
    """

    attributes: Entries = field(default_factory=lambda: Entries((), ()))
    values: Entries = field(default_factory=lambda: Entries((), ()))
    of_attributes: Sequence[Sequence[ValuesOfAttribute]] = ()
    of_values: Sequence[Sequence[ValuesOfAttribute]] = ()

    @classmethod
    def of(cls, attributes: Iterable[ValuesOfAttribute]) -> Values:
        """Return the values of some attributes, to be searched."""
        of_attributes: dict[str, list[ValuesOfAttribute]] = {}
        of_values: dict[tuple[str, str], list[ValuesOfAttribute]] = {}
        for attribute in attributes:
            of_attributes.setdefault(attribute.attribute, []).append(attribute)
            for value in attribute.values:
                if len(of_values) < _MOST or (value, attribute.attribute) in of_values:
                    of_values.setdefault((value, attribute.attribute), []).append(attribute)
        names, values = list(of_attributes), [value for value, _ in of_values]
        return cls(
            Entries(names, [""] * len(names)),
            Entries(values, [""] * len(values)),
            tuple(of_attributes.values()),
            tuple(of_values.values()),
        )

    @property
    def nbytes(self) -> int:
        """Memory that the names take."""
        return self.attributes.nbytes + self.values.nbytes
