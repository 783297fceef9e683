"""Warnings on matrices that may not be what was meant: by their ids, and by their values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from rnaget_server.importers.base import SourceMatrix
from rnaget_server.importers.odd_values import CellPlace
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.tables import listed

# Genes and transcripts of Ensembl, with or without version.
_FEATURE = re.compile(r"ENS[A-Z]*[GT][0-9]{11}(?:\.[0-9]+)?(?:_PAR_Y)?")
_LOOKED_AT = 1000
_NEVER_NEGATIVE = re.compile(r"(?:raw |read )?counts?|tpm|[fr]pkm(?:-uq)?|[cr]pm|coverage|umis?", re.IGNORECASE)


def doubts_about(source: SourceMatrix, units: str) -> tuple[str, ...]:
    """Return warnings on values that are rarely meant, and on axes that may be the wrong way round."""
    features, samples = (axis.columns[axis.id] for axis in (source.features, source.samples))

    def words(place: CellPlace, by_sample: bool) -> str:
        feature, sample = (place.across, place.line) if by_sample else (place.line, place.across)
        ids = shortened(str(features[feature])), shortened(str(samples[sample]))
        return f"{place.value:g} of the feature {ids[0]} in the sample {ids[1]}"

    orientation = _on_orientation(features, samples)
    warnings = [orientation] if orientation else []
    for name, cells in ((units, source.cells), *source.further):
        odd = cells.odd
        if odd.negative is not None and _NEVER_NEGATIVE.fullmatch(name.strip()):
            warnings.append(
                f"warning: {name} are never negative, and there are negative values, as "
                f"{words(odd.negative, cells.by_sample)}: see whether these are logarithms or corrected values, and "
                "name their units so"
            )
        if odd.infinite is not None:
            warnings.append(
                f"warning: there are infinite values, as {words(odd.infinite, cells.by_sample)}: where they come from "
                "divisions by 0, write NA in their place"
            )
    return tuple(warnings)


def _on_orientation(features: Iterable[object], samples: Iterable[object]) -> str | None:
    """Return a warning if most of the samples, and none of the features, are called as Ensembl calls genes."""
    named = [str(id) for id in islice(samples, _LOOKED_AT)]
    if 2 * _count(named) <= len(named) or _count(list(map(str, islice(features, _LOOKED_AT)))):
        return None
    return (
        f"warning: the samples are called like genes ({listed(named[:3])}), and the features are not: if rows and "
        "columns are the wrong way round, import the source again with --replace and --transpose, or transposed by the "
        "program that wrote it where that option does not apply, as to AnnData, loom and 10x"
    )


def _count(ids: Iterable[str]) -> int:
    return sum(_FEATURE.fullmatch(id) is not None for id in ids)
