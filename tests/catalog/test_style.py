"""The style in catalog.yaml: what is taken, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import load
from rnaget_server.catalog.style import MOST_LOGO_BYTES

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def styled(data: Path, *lines: str) -> Path:
    text = "".join(f"  {line}\n" for line in lines)
    (data / "catalog.yaml").write_text(f"id: c\nname: C\nstyle:\n{text}")
    return data


def test_all_keys(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "our logo.svg").write_bytes(SVG)
    lines = (
        "name: Archive",
        "logo: art/our logo.svg",
        'colour: "#ABC"',
        "footer: We",
        "footer_url: mailto:a@example.org",
    )
    catalog, problems = load(styled(tmp_path, *lines))
    assert problems == []
    assert catalog is not None
    assert catalog.service.style.model_dump() == {
        "name": "Archive",
        "logo": "art/our logo.svg",
        "colour": "#abc",
        "footer": "We",
        "footer_url": "mailto:a@example.org",
    }


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("colour: #0f5c63", 3, 'write it in quotes, as in "#0f5c63", since # begins a comment'),
        ("colour: teal", 11, "three or six hexadecimal digits"),
        ('colour: "#12345"', 11, "three or six hexadecimal digits"),
        ('colour: "#123;} body {"', 11, "three or six hexadecimal digits"),
        ("color: '#123'", 10, "did you mean 'colour'"),
        ("logo: ../logo.svg", 9, "name one in its directory"),
        ("logo: /etc/logo.png", 9, "name one in its directory"),
        ("logo: .hidden.svg", 9, "name one in its directory"),
        ("logo: a//logo.svg", 9, "name one in its directory"),
        ("logo: logo.html", 9, "name an .svg or .png file"),
        ("logo: none.svg", 9, "put it next to catalog.yaml"),
        ("logo: large.png", 9, "make it smaller"),
        ("logo: false.png", 9, "is no PNG picture"),
        ("logo: false.svg", 9, "is no SVG picture"),
        ("logo: link.svg", 9, "a link to a file outside"),
        ("footer_url: javascript:alert(1)", 15, "begin it with https://"),
        ("footer_url: https://", 15, "begin it with https://"),
        ('footer: "a\\nb"', 11, "one line of text"),
        ("name: ''", 3, "one line of text"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, line: str, column: int, message: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "outside.svg").write_bytes(SVG)
    (data / "link.svg").symlink_to(tmp_path / "outside.svg")
    (data / "large.png").write_bytes(PNG + bytes(MOST_LOGO_BYTES))
    (data / "false.png").write_bytes(SVG)
    (data / "false.svg").write_bytes(b"<html><script>alert(1)</script></html>")
    (data / "logo.html").write_bytes(SVG)
    _, problems = load(styled(data, line))
    (problem,) = map(str, problems)
    assert problem.startswith(f"{data}/catalog.yaml:4:{column}: "), problem
    assert message in problem


def test_a_logo_that_cannot_be_shown_leaves_the_rest_in_service(tmp_path: Path) -> None:
    catalog, problems = load(styled(tmp_path, "name: Archive", "logo: none.svg"))
    assert len(problems) == 1
    assert catalog is not None
    assert (catalog.service.style.name, catalog.service.style.logo) == ("Archive", None)
