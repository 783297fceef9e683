"""The style of one provider: the name in the bar, the logo, the colour made readable, the line at the end."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

_STEPS = 100
_ENOUGH = 4.5
"""The contrast that small text needs (WCAG 2, level AA)."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class House:
    """The style of a provider.

    Attributes
    ----------
    name
        The text in the bar.
    has_logo
        Whether ``/logo`` is there.
    has_colours
        Whether ``/style.css`` is there.
    footer, footer_url
        The line at the end of every page, and where it leads.
    """

    name: str = "RNAget"
    has_logo: bool = False
    has_colours: bool = False
    footer: str | None = None
    footer_url: str | None = None


@dataclass(frozen=True)
class Theme:
    """The colours that text in the accent stands on: of pages and cards, and how much of the accent a soft one has."""

    grounds: tuple[Colour, ...]
    card: Colour
    soft: float


def _parsed(colour: str) -> Colour:
    digits = colour[1:] if len(colour) == 7 else "".join(letter * 2 for letter in colour[1:])
    return (int(digits[0:2], 16) / 255, int(digits[2:4], 16) / 255, int(digits[4:6], 16) / 255)


# As site.css has them.
LIGHT = Theme((_parsed("#f7f8f8"), _parsed("#ffffff"), _parsed("#f1f4f4")), _parsed("#ffffff"), 0.12)
DARK = Theme((_parsed("#12181a"), _parsed("#1a2224"), _parsed("#141b1d")), _parsed("#1a2224"), 0.16)


def style_sheet(colour: str) -> str:
    """Return the CSS that gives pages a colour, made lighter or darker until text in it can be read.

    Parameters
    ----------
    colour
        Three or six hexadecimal digits after a ``#``.
    """
    light, dark = (_accents(colour, theme) for theme in (LIGHT, DARK))
    # See site.css.
    lines = [f"  --{name}: var(--light, {light[name]}) var(--dark, {dark[name]});" for name in light]
    return "\n".join([":root {", *lines, "}", ""])


def _accents(colour: str, theme: Theme) -> dict[str, str]:
    accent = readable(_parsed(colour), theme)
    return {"accent": _written(accent), "key": _written(accent), "accent-soft": _written(_soft(accent, theme))}


def readable(colour: Colour, theme: Theme) -> Colour:
    """Return the colour of the same hue, the nearest in lightness, that is readable on all grounds of a theme."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*colour)
    for step in range(_STEPS + 1):
        for sign in (1, -1):
            tried = lightness + sign * step / _STEPS
            if 0 <= tried <= 1:
                # As written, so that rounding takes nothing away.
                made = _parsed(_written(colorsys.hls_to_rgb(hue, tried, saturation)))
                if all(contrast(made, ground) >= _ENOUGH for ground in (*theme.grounds, _soft(made, theme))):
                    return made
    raise AssertionError("black or white is readable on any ground of a theme")


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _soft(accent: Colour, theme: Theme) -> Colour:
    mixed = (theme.soft * part + (1 - theme.soft) * ground for part, ground in zip(accent, theme.card, strict=True))
    red, green, blue = mixed
    return _parsed(_written((red, green, blue)))


def _written(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)
