"""The file that the setting ``auth`` may name, so that secrets of providers need not be in a catalogue."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.catalog.explained import explained
from rnaget_server.catalog.yaml_text import read_yaml
from rnaget_server.errors import CatalogError, Problem


def read_auth(auth: AuthSettings, base: Path) -> AuthSettings:
    """Return the settings of signing in, those of the file where they name one, with paths that are absolute.

    Parameters
    ----------
    auth
        As they were given.
    base
        The directory from which paths in them are meant; in a file, they are meant from its own.

    Raises
    ------
    CatalogError
        If the file cannot be read, or has a mistake.
    """
    if auth.file is None:
        return auth if auth.tokens is None else auth.model_copy(update={"tokens": base / auth.tokens})
    path = (base / auth.file).absolute()
    content, problems = read_yaml(path)
    if not problems and not isinstance(content, dict):
        problems = [Problem(path, 1, 1, "the file must have `key: value` lines, such as `tokens: tokens.json`")]
    if not problems and "file" in content:
        problems = [Problem(path, 1, 1, "the key 'file' is not known here: the file itself has the settings")]
    if problems:
        raise CatalogError(problems)
    try:
        return read_auth(AuthSettings.model_validate(content), path.parent)
    except ValidationError as error:
        raise CatalogError(list(explained(path, error))) from None
