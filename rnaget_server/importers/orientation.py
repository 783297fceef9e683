"""A warning if the ids of the axes say that they are the wrong way round."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from rnaget_server.importers.text.tables import listed

# Genes and transcripts of Ensembl, with or without version.
_FEATURE = re.compile(r"ENS[A-Z]*[GT][0-9]{11}(?:\.[0-9]+)?(?:_PAR_Y)?")
_LOOKED_AT = 1000


def remark_on_orientation(features: Iterable[object], samples: Iterable[object]) -> str | None:
    """Return a warning if most of the samples, and few of the features, are called as Ensembl calls genes."""
    named = [str(id) for id in islice(samples, _LOOKED_AT)]
    if 2 * _count(named) <= len(named) or _count(list(map(str, islice(features, _LOOKED_AT)))):
        return None
    return (
        f"warning: the samples are called like genes ({listed(named[:3])}), and the features are not: if rows and "
        "columns are the wrong way round, import the source again with --transpose and --replace, or transpose it"
    )


def _count(ids: Iterable[str]) -> int:
    return sum(_FEATURE.fullmatch(id) is not None for id in ids)
