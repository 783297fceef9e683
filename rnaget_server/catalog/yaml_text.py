"""YAML read as text, with the place of every value.

Scalars stay the text they were written as (``version: 1.0`` is ``"1.0"``), since a version or an id
that turns into a number is another version or id. Only an empty value or ``null`` is None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rnaget_server.errors import Problem
from rnaget_server.storage.local import regular_bytes

Key = str | int
_DEEPEST = 100
_MOST_MERGED = 10_000


class _TextLoader(yaml.CSafeLoader):
    """PyYAML's C loader that resolves only null, and refuses a key given twice and what grows without bounds."""

    depth = 0

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML reads it from the class)
        first: [
            (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
        ]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        # The C library calls itself for each level, and where the stack is used up the process ends.
        self.depth += 1
        if self.depth > _DEEPEST:
            mark = None if current_node is None else current_node.start_mark
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {_DEEPEST} deep", mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        # A mapping that merges another twice, which does the same, and so on, is doubled at each step.
        if len(node.value) - before > _MOST_MERGED:
            raise yaml.constructor.ConstructorError(
                None, None, f"more than {_MOST_MERGED:,} keys are merged by '<<'", node.start_mark
            )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice: remove one", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> tuple[Any, list[Problem]]:
    """Return the content of the file as dicts, lists and text, and the problems that forbid it (then None).

    Never raises for a bad file: a missing or unreadable file, or text that is no YAML, is a problem.
    """
    try:
        return yaml.load(_text(path), Loader=_TextLoader), []
    except OSError as error:
        return None, [Problem(path, None, None, f"the file cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Problem(path, None, None, f"the file is not UTF-8 text (byte {error.start}): save it as UTF-8")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        return None, [Problem(path, line, column, f"this is not YAML: {error.problem or error.context}")]
    except yaml.YAMLError as error:
        return None, [Problem(path, None, None, f"this is not YAML: {error}")]


def _text(path: Path) -> str:
    return regular_bytes(path).decode("utf-8-sig")


class Places:
    """The line and column of every value of one YAML file, for error messages.

    The file is parsed a second time, by node, which is slower: only done once something is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = yaml.compose(_text(path), Loader=_TextLoader)

    def problem(self, where: tuple[Key, ...], message: str) -> Problem:
        """Return the problem at the value `where` (keys and indices from the root), or at its nearest parent."""
        node, at = self._root, self._root
        for key in where:
            child = _child(node, key)
            if child is None:
                break
            at, node = child
        mark = at.start_mark if at is not None else None
        return Problem(self._path, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, message)


def _child(node: Any, key: Key) -> tuple[Any, Any] | None:
    """Return (the node to point at, the value node) of `key`."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                # An unknown key is the mistake itself; for a wrong value the value is.
                return (value if isinstance(value, yaml.ScalarNode) and value.value else name), value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None
