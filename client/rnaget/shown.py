"""Tables as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rnaget.errors import one_line

_WIDEST = 60
_LEFT = ' style="text-align:left"'
"""For text in tables, which Jupyter moves to the right as it does numbers."""


def cell(value: Any) -> str:
    """Return a value as text on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return one_line(", ".join(map(str, value)))
    return one_line(value)


def text_table(rows: Sequence[Mapping[str, Any]], header: bool = True, widest: int = _WIDEST) -> str:
    """Return rows as a table for a terminal; columns that are empty everywhere are left out."""
    columns = filled_columns(rows)
    table = [[_short(cell(row.get(column)), widest) for column in columns] for row in rows]
    if header and columns:
        table.insert(0, list(columns))
    widths = [max((len(row[number]) for row in table), default=0) for number in range(len(columns))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)


def filled_columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the columns that have a value in some row, in order."""
    columns: dict[str, None] = {}
    for row in rows:
        columns.update({name: None for name, value in row.items() if value not in (None, "", [], ())})
    order = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in order if name in columns]


def html_table(title: str, rows: Sequence[Mapping[str, Any]], more: str, hints: Sequence[str]) -> str:
    """Return rows as a table for a notebook, with code to go on with."""
    columns = filled_columns(rows)
    sides = {name: "" if _is_number(rows, name) else _LEFT for name in columns}
    head = "".join(f"<th{side}>{escape(one_line(name))}</th>" for name, side in sides.items())
    body = "".join(
        "<tr>" + "".join(f"<td{side}>{escape(cell(row.get(name)))}</td>" for name, side in sides.items()) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f"<div><strong>{escape(title)}</strong>{table}{_paragraph(more)}{html_hints(hints)}</div>"


def html_facts(title: str, facts: Mapping[str, Any], hints: Sequence[str]) -> str:
    """Return what is known of one thing for a notebook, with code to go on with."""
    rows = "".join(
        f"<tr><th{_LEFT}>{escape(one_line(name))}</th><td{_LEFT}>{escape(cell(value))}</td></tr>"
        for name, value in facts.items()
        if value not in (None, "", [], ())
    )
    return f"<div><strong>{escape(title)}</strong><table><tbody>{rows}</tbody></table>{html_hints(hints)}</div>"


def html_hints(hints: Sequence[str]) -> str:
    """Return code to go on with."""
    return _paragraph("Next:") + "".join(f"<pre>{escape(hint)}</pre>" for hint in hints) if hints else ""


def _is_number(rows: Iterable[Mapping[str, Any]], column: str) -> bool:
    """Return whether a column has numbers alone."""
    return all(isinstance(row.get(column), int | float | None) for row in rows)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _short(text: str, widest: int) -> str:
    return text if len(text) <= widest else f"{text[: widest - 1]}…"
