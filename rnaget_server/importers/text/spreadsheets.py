"""Names that a spreadsheet program has changed to dates or numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnaget_server.importers.text.fields import shortened

_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec|mrz|mär|mai|okt|dez|janv|févr|mars|avr|juin|juil|août|déc"
    r"|ene|abr|ago|dic)[a-z]*\.?"
)
_DATE = re.compile(
    rf"\d{{1,2}}[-. /]{{1,2}}{_MONTH}|{_MONTH}[-. /]\d{{1,4}}|\d{{1,2}}[-. /]{{1,2}}{_MONTH}[-. /]\d{{2,4}}"
    r"|\d{4}[-/]\d{1,2}[-/]\d{1,2}(?: 00:00(?::00)?)?|\d{1,2}/\d{1,2}/\d{2,4}",
    re.IGNORECASE,
)
# Days since 1900, from 1973 to 2064, and long numbers such as RIKEN ids (2310009E13) in scientific notation.
_DAYS = re.compile(r"[2-5]\d{4}")
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E\+\d{1,3}")
_LISTED = 5
_LONGEST = 14  # of a date that begins with its month
ADVICE = (
    "a spreadsheet program turns gene names such as MARCH1, SEPT2 and 2310009E13 into dates and numbers: take the file "
    "from before it went through one, or repair the names"
)


def is_date(name: str) -> bool:
    """Return whether a name looks like a date."""
    return _DATE.fullmatch(name.strip()) is not None


def changed_names(names: Sequence[str]) -> list[str]:
    """Return the names that look like dates, or like numbers among names."""
    # Long names that begin with a letter are neither; most of very many do, and one comparison finds them.
    likely = [name for name in names if len(name) <= _LONGEST or not ":" <= name < "\x80"]
    found = [name for name in likely if (name[:1].isdigit() and _SCIENTIFIC.fullmatch(name)) or is_date(name)]
    digits = [name for name in likely if name.isdigit()]
    if 0 < len(digits) < len(names) / 2:
        found += [name for name in digits if _DAYS.fullmatch(name)]
    return found


def remark_on(names: Sequence[str], column: str) -> str | None:
    """Return the remark for the provider on names that a spreadsheet program has changed, if there are any."""
    found = changed_names(names)
    if not found:
        return None
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    some = ", ".join(shortened(name) for name in found[:_LISTED])
    return f"{column}: {some}{more} {'look' if len(found) > 1 else 'looks'} like dates or numbers; {ADVICE}"
