"""Composed column labels such as ``DO1 - normal, carcinoma, kidney``, split by a template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rnaget_server.catalog.models import template_fields, template_literals
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.fields import shortened


class LabelTemplate:
    """A template such as ``{Sample}, {Condition}, {Tissue}``.

    Raises
    ------
    ImportFailure
        If it is not well formed, names a field twice, or has two fields with nothing between them.
    """

    def __init__(self, template: str) -> None:
        try:
            self.fields = template_fields(template)
        except ValueError as error:
            raise ImportFailure(f"--column: {error}") from None
        if not self.fields:
            raise ImportFailure(f"--column: the template {template!r} names no field: write one as {{Sample}}")
        if len(set(self.fields)) < len(self.fields):
            raise ImportFailure(f"--column: the template {template!r} names a field twice")
        self.template = template
        # The shortest and the longest way to split; where they agree there is no other.
        self._lazy, self._greedy = (self._pattern(quantifier) for quantifier in (".*?", ".*"))

    def split(self, labels: Sequence[str], path: Path, line: int) -> dict[str, list[str]]:
        """Return the values of each field, one per label.

        Raises
        ------
        ImportFailure
            If the template does not fit a label, or fits it in more than one way.
        """
        values: dict[str, list[str]] = {name: [] for name in self.fields}
        for label in labels:
            shortest, longest = self._lazy.fullmatch(label), self._greedy.fullmatch(label)
            if shortest is None or longest is None:
                raise ImportFailure(
                    f"the column label {shortened(label)} is not of the form {self.template!r}", path, line
                )
            if shortest.groups() != longest.groups():
                raise ImportFailure(
                    f"the column label {shortened(label)} can be split by {self.template!r} in more than one "
                    f"way: as {shortest.groups()} and as {longest.groups()}",
                    path,
                    line,
                )
            for name, value in zip(self.fields, shortest.groups(), strict=True):
                values[name].append(value)
        return values

    def _pattern(self, quantifier: str) -> re.Pattern[str]:
        literals = (re.escape(literal) for literal in template_literals(self.template))
        return re.compile(f"({quantifier})".join(literals), re.DOTALL)
