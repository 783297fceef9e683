"""One entry or one value of a YAML file changed, and every other line left as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rnaget_server.catalog.yaml_changes import dumped, parsed, quoted, styled

# An id: its letters need no marks of YAML, but may have quotes around them.
_TOKEN = re.compile(r"""\A(?:"[^"]*"|'[^']*'|[A-Za-z0-9._/-]+)""")


def without_entry(text: str, section: str, number: int) -> str:
    """Return the text of a YAML file without an entry of a list at its top.

    Comments within the entry go with it; those above it and below it stay.
    """
    yaml, content = parsed(text)
    lines = _without_lines(text, content, section, number)
    del content[section][number]
    if lines is not None and _plain(parsed(lines)[1]) == _plain(content):
        return lines
    return dumped(yaml, content)


def with_value(text: str, path: Sequence[str | int], value: str) -> str:
    """Return the text of a YAML file with another value at a place, such as ``("expressions", 0, "id")``."""
    yaml, content = parsed(text)
    *above, key = path
    parent = content
    for part in above:
        parent = parent[part]
    line, column = parent.lc.value(key)
    lines = text.splitlines(keepends=True)
    rest = _TOKEN.sub(lambda _: quoted(value), lines[line][column:], count=1)
    lines[line] = lines[line][:column] + rest
    parent[key] = styled(value)
    changed = "".join(lines)
    return changed if _plain(parsed(changed)[1]) == _plain(content) else dumped(yaml, content)


def _without_lines(text: str, content: CommentedMap, section: str, number: int) -> str | None:
    """Return the text without the lines of the entry; None if it has no lines of its own."""
    entries: CommentedSeq = content[section]
    lines = text.splitlines(keepends=True)
    start = entries.lc.item(number)[0]
    dash = re.match(r"( *)- ", lines[start])
    if dash is None or entries.fa.flow_style():
        return None
    below = [content.lc.key(key)[0] for key in content]
    below += [entries.lc.item(other)[0] for other in range(len(entries))]
    end = min((line for line in below if line > start), default=len(lines))
    while _is_between(lines[end - 1], len(dash[1])):
        end -= 1
    if start and end < len(lines) and not lines[start - 1].strip() and not lines[end].strip():
        end += 1  # one empty line is enough
    if len(entries) == 1:
        header = content.lc.key(section)[0]
        lines[header] = re.sub(r"^([^:]*:)", r"\1 []", lines[header], count=1)
    return "".join(lines[:start] + lines[end:])


def _is_between(line: str, indent: int) -> bool:
    """Return whether a line is empty, or a comment that stands no further to the right than the entries."""
    comment = re.match(r"( *)#", line)
    return not line.strip() or (comment is not None and len(comment[1]) <= indent)


def _plain(content: Any) -> str:
    return json.dumps(content, default=str)
