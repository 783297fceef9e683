"""The rules for samples of a matrix that are about no sample, for ``rnaget-server check``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnaget_server.errors import unknown_name
from rnaget_server.model.access import SampleAccess, SampleRule
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts

_MOST_NAMED = 20


def vain_rules(access: SampleAccess | None, samples: Axis) -> Iterator[str]:
    """Yield what rules name that no sample has. Missing attributes are left to `validate_against_catalog`."""
    for rule in access.rules if access is not None else ():
        if all(name in samples.attributes for name in rule.where):
            yield from _vain_values(rule, samples)


def _vain_values(rule: SampleRule, samples: Axis) -> Iterator[str]:
    concerned = np.ones(samples.size, bool)
    for name, values in rule.where.items():
        texts = as_texts(samples.column(name))
        absent = values.difference(texts)
        for value in sorted(absent):
            known = samples.values(name, _MOST_NAMED) or ()
            yield f"access: {unknown_name(f'value of the sample attribute {name}', value, known)}"
        if absent:
            return
        concerned &= np.array([text in values for text in texts], bool)
    if not concerned.any():
        said = ", ".join(f"{name} {' or '.join(sorted(values))}" for name, values in rule.where.items())
        yield f"access: no sample has {said} together, so the rule is about none"
