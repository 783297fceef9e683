"""The colour of a provider: readable on every ground, in light and dark."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.web import STATIC, style_sheet
from rnaget_server.web.house import contrast

PAIR = r"--{}: var\(--light, (#[0-9a-f]{{6}})\) var\(--dark, (#[0-9a-f]{{6}})\);"


def parsed(colour: str) -> tuple[float, float, float]:
    number = int(colour[1:], 16)
    return (number >> 16) / 255, (number >> 8 & 255) / 255, (number & 255) / 255


def both(css: str, name: str) -> tuple[str, str]:
    """Return a colour as it is in light and in dark."""
    found = re.search(PAIR.format(name), css)
    assert found, (name, css)
    return found[1], found[2]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#0000ff", "#ffffff", 8.59), ("#ff0000", "#ff0000", 1)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    # By the examples that are widely given: https://webaim.org/resources/contrastchecker
    assert contrast(parsed(one), parsed(other)) == pytest.approx(expected, abs=0.01)
    assert contrast(parsed(other), parsed(one)) == contrast(parsed(one), parsed(other))


@given(st.integers(0, 0xFFFFFF))
def test_every_colour_becomes_readable(number: int) -> None:
    css, site = style_sheet(f"#{number:06x}"), (STATIC / "site.css").read_text()
    grounds = [
        both(css, "accent-soft"),
        *(both(site.replace("#fff)", "#ffffff)"), name) for name in ("page", "card", "inset")),
    ]
    for theme in (0, 1):
        for ground in grounds:
            assert contrast(parsed(both(css, "accent")[theme]), parsed(ground[theme])) >= 4.5


def test_a_readable_colour_stays_as_it_is() -> None:
    assert both(style_sheet("#0f5c63"), "accent")[0] == "#0f5c63"
    assert both(style_sheet("#fc9"), "accent")[1] == "#ffcc99"
    # And one that is not keeps its hue: orange becomes a darker orange.
    red, green, blue = parsed(both(style_sheet("#ff8800"), "accent")[0])
    assert red > green > blue
