"""Markdown as HTML for the pages: headings with anchors, tables that scroll, code to copy, and no HTML of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_LANGUAGES = {
    "": "Text",
    "js": "JavaScript",
    "json": "JSON",
    "python": "Python",
    "r": "R",
    "sh": "Shell",
    "text": "Text",
}
_LISTED = (2, 3)
"""The levels of the headings in a table of contents."""

Linked = Callable[[str], str | None]
"""The address for the target of a link or picture; None for one that is not served, which is shown as text."""


@dataclass(frozen=True)
class Heading:
    """A heading that a link can lead to: its level from 1, its anchor and its text."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Article:
    """A page of Markdown: its title, what follows the title as HTML, and its table of contents."""

    title: str
    body: Markup
    contents: tuple[Heading, ...]


def render_markdown(text: str, linked: Linked) -> Article:
    """Return Markdown as HTML; `linked` gives the address of each link and picture in it.

    Anchors are named as on GitHub, so that links between pages lead to the same place here and there.
    """
    parser = _parser()
    tokens = parser.parse(text)
    headings = tuple(_add_anchors(tokens))
    title = ""
    if headings and tokens[0].tag == "h1":
        title, tokens = headings[0].text, tokens[3:]
    for token in tokens:
        if token.children:
            token.children = list(_with_addresses(token.children, linked))
    body = Markup(parser.renderer.render(tokens, parser.options, {"tables": 0}))
    return Article(title, body, tuple(heading for heading in headings if heading.level in _LISTED))


@dataclass(frozen=True)
class Section:
    """A heading with the text below it, up to the next one; without marks, in one line."""

    heading: Heading
    text: str


def sections_of(text: str) -> list[Section]:
    """Return the sections of Markdown, the first of which has the title."""
    tokens = _parser().parse(text)
    headings = iter(_add_anchors(tokens))
    found: list[tuple[Heading, list[str]]] = []
    before = ""
    for token in tokens:
        if token.type == "heading_open":
            found.append((next(headings), []))
        elif token.type in ("inline", "fence", "code_block") and found and before != "heading_open":
            parts = [
                Token("text", "", 0, content=" ") if part.type == "softbreak" else part for part in token.children or ()
            ]
            found[-1][1].append(_text(parts) if parts else token.content)
        before = token.type
    return [Section(heading, " ".join(" ".join(texts).split())) for heading, texts in found]


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    parser.add_render_rule("code_inline", _inline_code)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    parser.add_render_rule("th_open", lambda _, tokens, at, *__: f'<th scope="col"{_alignment(tokens[at])}>')
    parser.add_render_rule("td_open", lambda _, tokens, at, *__: f"<td{_alignment(tokens[at])}>")
    return parser


def _add_anchors(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Yield each heading, and give it its anchor."""
    used: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = _text(inline.children or ())
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            used[anchor] += 1
            if used[anchor] > 1:
                anchor = f"{anchor}-{used[anchor] - 1}"
            opening.attrSet("id", anchor)
            yield Heading(int(opening.tag[1:]), anchor, text)


def _text(tokens: Iterable[Token]) -> str:
    """Return the text of a heading or a picture, without its marks."""
    return "".join(_text(token.children) if token.children else token.content for token in tokens)


def _with_addresses(tokens: Iterable[Token], linked: Linked) -> Iterator[Token]:
    """Yield the parts of a paragraph, with the addresses of links, and without links to what is not served."""
    kept: list[bool] = []
    for token in tokens:
        if token.type in ("link_open", "image"):
            name = "href" if token.type == "link_open" else "src"
            address = linked(str(token.attrGet(name)))
            if token.type == "link_open":
                kept.append(address is not None)
            if address is not None:
                token.attrSet(name, address)
                yield token
            elif token.type == "image":
                yield Token("text", "", 0, content=token.content)
        elif token.type != "link_close" or kept.pop():
            yield token


def _code(_: Any, tokens: Sequence[Token], at: int, *__: Any) -> str:
    language = tokens[at].info.strip().lower()
    label = escape(_LANGUAGES.get(language, language.upper()))
    return (
        f'<figure class="code"><figcaption>{label}</figcaption>'
        f"<pre data-copy><code>{escape(tokens[at].content.rstrip())}</code></pre></figure>\n"
    )


def _inline_code(_: Any, tokens: Sequence[Token], at: int, *__: Any) -> str:
    """Return a name with the places where a narrow column may break it."""
    return f"<code>{re.sub('(?<=[_/])', '<wbr>', escape(tokens[at].content))}</code>"


def _table_open(_: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, int]) -> str:
    env["tables"] += 1
    return f'<div class="scrolled" role="region" tabindex="0" aria-label="Table {env["tables"]}"><table class="grid">\n'


def _alignment(token: Token) -> str:
    """Return the class of a cell of numbers: the parser writes a style, which the policy of the pages forbids."""
    return ' class="number"' if "right" in str(token.attrGet("style") or "") else ""
