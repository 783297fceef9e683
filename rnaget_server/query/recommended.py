"""The attribute names that RNAget recommends for samples, recognised however they are spelt.

RNAget 1.2.0, "Expression metadata": upper and lower case are one, and white space within a name is ignored, so
``sampleID``, ``sampleid`` and ``Sample ID`` are the same name, and ``sample_id`` is another.
"""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = (
    *("sampleID", "assayType", "samplePrepProtocol", "libraryPrepProtocol", "annotation", "analysisPipeline"),
    *("cellTypeID", "cellTypeLabel", "phenotypeID", "phenotypeLabel", "sexID", "sexTerm"),
    *("organismID", "organismLabel", "tissueID", "tissueLabel", "cellLineID", "cellLineLabel"),
)
SUFFIXES = ("", "_not", "_min", "_max")
"""The ends of the names of a filter's parameters: values, values to leave out, bounds."""


def _squeezed(name: str) -> str:
    return "".join(name.split()).lower()


_BY_SQUEEZED = {_squeezed(name): name for name in _NAMES}
_PARAMETERS = frozenset(name + suffix for name in _BY_SQUEEZED for suffix in SUFFIXES)


def recommended(name: str) -> str | None:
    """Return RNAget's own spelling of a recommended name, None if `name` is none of them."""
    return _BY_SQUEEZED.get(_squeezed(name))


def as_known(name: str, known: Iterable[str]) -> str:
    """Return which of the `known` parameters `name` is, if it spells a recommended one otherwise; else `name`."""
    squeezed = _squeezed(name)
    if squeezed not in _PARAMETERS:
        return name
    return next((name_known for name_known in known if _squeezed(name_known) == squeezed), name)
