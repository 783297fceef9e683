"""New contents of the YAML files of a catalogue: written all together or not at all, with comments and order kept."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from rnaget_server.catalog.load import load
from rnaget_server.catalog.records import Catalog
from rnaget_server.errors import CatalogError
from rnaget_server.storage.files import commit, default_mode, new_temporary

_WIDE = 1 << 16
# Other YAML readers would take these for numbers, truth values or nothing, or stumble over the marks within.
_QUOTED = re.compile(r"[-+.:\d].*|.*[{}?\x85].*|true|false|yes|no|on|off|null|~|", re.IGNORECASE | re.DOTALL)


class YamlChanges:
    """The files of the catalogue in `data` that are about to change. Nothing is written before `commit`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._contents: dict[Path, tuple[bytes | None, str | None]] = {}

    def text(self, path: Path, default: str = "") -> str:
        """Return the text that a file is to have, or has; the default if there is none."""
        new = self._contents[path][1] if path in self._contents else None
        if new is not None:
            return new
        return path.read_text(encoding="utf-8-sig") if path.exists() else default

    def set(self, path: Path, text: str | None) -> None:
        """Give a file a new text; None: the file is to be removed."""
        before = path.read_bytes() if path.exists() else None
        self._contents[path] = (before, text)

    def update(self, path: Path, values: Mapping[str, str]) -> None:
        """Give keys of a file new values; a key that is new comes behind the id."""
        yaml, content = parsed(self.text(path))
        at = list(content).index("id") + 1
        for key, value in values.items():
            if key in content:
                content[key] = styled(value)
            else:
                content.insert(at, key, styled(value))
                at += 1
        self.set(path, dumped(yaml, content))

    def commit(self) -> None:
        """Write the files, and load the catalogue; if it does not check, put the old files back.

        Raises
        ------
        CatalogError
            If the catalogue would not check. It is then as it was.
        OSError
            If a file cannot be written. The catalogue is then as it was.
        """
        written: list[Path] = []
        try:
            for path, (_, text) in self._contents.items():
                written.append(path)
                if text is None:
                    path.unlink()
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                write_yaml(path, text)
            problems = load(self.data)[1]
            if problems:
                raise CatalogError(problems)
        except BaseException:
            for path in reversed(written):
                self._restore(path)
            raise

    def _restore(self, path: Path) -> None:
        before = self._contents[path][0]
        with contextlib.suppress(OSError):
            if before is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, before)


class _TextResolver(VersionedResolver):
    """Takes every scalar for the text it is written as, so that it is written again as it was."""

    @property
    def versioned_resolver(self) -> dict[Any, list[Any]]:
        kept = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
        return {
            first: [(tag, pattern) for tag, pattern in resolvers if tag in kept]
            for first, resolvers in super().versioned_resolver.items()
        }


def checked_catalog(data: Path) -> Catalog | None:
    """Return the catalogue, or None if the directory has none yet.

    Raises
    ------
    CatalogError
        If it does not check.
    """
    if not (data / "catalog.yaml").exists() and not any(data.glob("*/project.yaml")):
        return None
    catalog, problems = load(data)
    if problems:
        raise CatalogError(problems)
    return catalog


def parsed(text: str) -> tuple[YAML, CommentedMap]:
    """Return the content of a YAML file with all that people wrote into it, and what writes it again in its style."""
    yaml = YAML()
    yaml.Resolver = _TextResolver
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    indented = re.search(r"^( *)- ", text, re.MULTILINE)
    offset = len(indented[1]) if indented else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml, yaml.load(text)


def dumped(yaml: YAML, content: CommentedMap) -> str:
    """Return a content as text."""
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def styled(value: Any) -> Any:
    """Return a value as it is to be written: maps and lists in one line, text that could be misread in quotes."""
    if isinstance(value, Mapping):
        mapping = CommentedMap({styled(key): styled(item) for key, item in value.items()})
        mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq([styled(item) for item in value])
        sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, bool):
        return str(value).lower()
    return DoubleQuotedScalarString(value) if _QUOTED.fullmatch(value) else value


def quoted(id: str) -> str:
    """Return an id as YAML; ids hold no quotes themselves."""
    return f'"{id}"' if _QUOTED.fullmatch(id) else id


def write_yaml(path: Path, text: str) -> None:
    """Write a temporary file next to `path`, then rename it to that."""
    _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    temporary = new_temporary(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else default_mode())
        commit(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
