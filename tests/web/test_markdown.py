"""Markdown as the pages show it."""

from __future__ import annotations

import pytest

from rnaget_server.web.markdown import Article, Heading, render_markdown


def rendered(text: str) -> Article:
    return render_markdown(text, lambda target: None if "gone" in target else f"/help/{target}")


def test_headings_have_the_anchors_of_github() -> None:
    article = rendered("# The `title`\n\n## A & b, c-d_e\n\n### `POST /x`\n\n## Twice\n\n## Twice\n\n#### Deep\n")
    assert article.title == "The title"
    assert article.contents == (
        Heading(2, "a--b-c-d_e", "A & b, c-d_e"),
        Heading(3, "post-x", "POST /x"),
        Heading(2, "twice", "Twice"),
        Heading(2, "twice-1", "Twice"),
    )
    assert '<h2 id="a--b-c-d_e">A &amp; b, c-d_e</h2>' in article.body
    assert '<h4 id="deep">Deep</h4>' in article.body
    assert "<h1" not in article.body


def test_links_lead_where_the_page_is_served_and_others_are_text() -> None:
    assert rendered("see [*this* `one`](a.md#b) now").body == (
        '<p>see <a href="/help/a.md#b"><em>this</em> <code>one</code></a> now</p>\n'
    )
    assert rendered("see [this](gone.md) and [that](a.md)").body == (
        '<p>see this and <a href="/help/a.md">that</a></p>\n'
    )
    assert rendered("![A plot](plot.png)").body == '<p><img src="/help/plot.png" alt="A plot" /></p>\n'
    assert rendered("![A plot](gone.png) of [![x](gone.png)](a.md)").body == (
        '<p>A plot of <a href="/help/a.md">x</a></p>\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "```<script>\n<script>alert(1)</script>\n```",
        "    <script>alert(1)</script>",
        "# x\n\n## <script>alert(1)</script>",
        "| <script>alert(1)</script> |\n|---|\n| <b>x</b> |",
        '[x](<a"><script>alert(1)</script>>)',
        "![<script>](a.png)",
    ],
)
def test_html_is_text(text: str) -> None:
    article = rendered(text)
    assert "<script" not in article.body
    assert "<img src=x" not in article.body
    assert "<b>" not in article.body
    assert "&lt;" in article.body or "%3C" in article.body


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "data:text/html,x", "vbscript:x"])
def test_links_run_nothing(scheme: str) -> None:
    assert "<a" not in render_markdown(f"[x]({scheme})", lambda target: target).body


def test_code_can_be_copied_and_keeps_its_text() -> None:
    body = rendered("```sh\ncurl 'a' && b <c>\n\n  d\n```\n").body
    assert "<figcaption>Shell</figcaption>" in body
    assert "<pre data-copy><code>curl &#x27;a&#x27; &amp;&amp; b &lt;c&gt;\n\n  d</code></pre>" in body
    assert "<figcaption>TOML</figcaption>" in rendered("```toml\na = 1\n```").body
    assert "<figcaption>Text</figcaption>" in rendered("    plain\n").body


def test_long_names_may_be_broken() -> None:
    assert rendered("`a_b/<c>`").body == "<p><code>a_<wbr>b/<wbr>&lt;c&gt;</code></p>\n"


def test_tables_have_heads_and_no_styles() -> None:
    body = rendered("| Name | Size |\n|---|---:|\n| a | 1 |\n\n| x |\n|---|\n").body
    assert '<th scope="col">Name</th>' in body
    assert '<th scope="col" class="number">Size</th>' in body
    assert '<td class="number">1</td>' in body
    assert "style=" not in body
    assert 'aria-label="Table 1"' in body
    assert 'aria-label="Table 2"' in body
