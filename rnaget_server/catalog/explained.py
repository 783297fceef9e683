"""The mistakes that pydantic finds in a YAML file, in words for the provider, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rnaget_server.auth_settings import AuthSettings, PassportsEntry, ProviderEntry, VisaIssuerEntry
from rnaget_server.catalog.fields import KEYS
from rnaget_server.catalog.yaml_text import Places
from rnaget_server.errors import Problem
from rnaget_server.settings import Settings
from rnaget_server.spelling import did_you_mean

_MODELS = (Settings, AuthSettings, ProviderEntry, PassportsEntry, VisaIssuerEntry)
_OF_SETTINGS = {key for model in _MODELS for key in model.model_fields}


def explained(path: Path, error: ValidationError, below: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield the problems of a file.

    Parameters
    ----------
    path
        The file.
    error
        The mistakes in it.
    below
        The keys under which the values are that were checked.
    """
    try:
        places = Places(path)
    except (OSError, yaml.YAMLError):  # the file changed between two reads
        return
    for mistake in error.errors():
        where = (*below, *(part for part in mistake["loc"] if part != "[key]"))
        yield places.problem(where, _message(mistake))


def _message(mistake: Any) -> str:
    key = str(mistake["loc"][-1]) if mistake["loc"] else ""
    kind = mistake["type"]
    if kind == "missing":
        return f"the key {key!r} is missing: add it"
    if kind == "extra_forbidden":
        return f"the key {key!r} is not known here: {did_you_mean(key, sorted(KEYS | _OF_SETTINGS)) or 'remove it'}"
    if kind == "value_error":
        return str(mistake["ctx"]["error"])
    if kind == "too_short":
        return f"the value of {key!r} is empty: there must be one at least"
    if kind in ("string_type", "none_required"):
        return f"the value of {key!r} must be text"
    if kind in ("tuple_type", "list_type"):
        return f"the value of {key!r} must be a list: lines that start with '- '"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return f"the value of {key!r} must be `key: value` lines"
    return f"the value of {key!r} is wrong: {mistake['msg']}"
