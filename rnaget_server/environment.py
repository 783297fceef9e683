"""Settings that the environment may give: the variable ``RNAGET_<NAME>`` for the field of that name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

PREFIX = "RNAGET_"


class EnvironmentSettings(BaseModel):
    """Values that are given over those of the environment over the defaults.

    A variable is text, of which a validator of its field makes more than one value if need be; capitals in its name
    make no difference.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    def __init__(self, **given: Any) -> None:
        super().__init__(**{**_of_environment(type(self).model_fields), **given})


def _of_environment(names: Iterable[str]) -> dict[str, str]:
    """Return the values that variables have for these names."""
    variables = {name.upper(): value for name, value in os.environ.items()}
    found = {name: variables.get(PREFIX + name.upper()) for name in names}
    return {name: value for name, value in found.items() if value is not None}
