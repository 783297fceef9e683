"""The parameters of a ticket: those of a URL, or of the JSON object that is sent by POST."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rnaget_server.apis.htsget import EXAMPLE_BODY
from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.values import ReadsQuery, RequestedRegion
from rnaget_server.catalog.models import KIND_OF_FORMAT
from rnaget_server.errors import InvalidQuery, InvalidRange, UnsupportedFormat, shown, unknown_choice
from rnaget_server.model.limits import check_regions
from rnaget_server.model.lists import plain
from rnaget_server.query import Parameters
from rnaget_server.reads.transcode import FIELDS

_REGION = ("referenceName", "referenceMD5", "start", "end")
_LISTS = ("fields", "tags", "notags")
_OTHERS = ("format", "class", *_LISTS)
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]", re.ASCII)
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_MOST = 2**32 - 1
UNPLACED = "*"


def query_of_url(context: Context) -> ReadsQuery:
    """Return the query in a URL.

    Raises
    ------
    InvalidQuery
        If a parameter is wrong, or does not go with another.
    """
    pairs = context.received.pairs
    parameters = Parameters([pair for pair in pairs if pair[0] not in _LISTS], (*_REGION, *_OTHERS))
    lists = {
        name: [part for given, value in pairs if given == name for part in plain(value).split(",")] for name in _LISTS
    }
    given = {name for name, _ in pairs}
    start, end = (parameters.whole_number(name, 0, _MOST) for name in ("start", "end"))
    region = _region(parameters.text("referenceName"), parameters.text("referenceMD5"), start, end)
    return _checked(
        _format(context, parameters.text("format")),
        parameters.text("class"),
        None if region is None else (region,),
        {name: parts if name in given else None for name, parts in lists.items()},
    )


def query_of_body(context: Context) -> ReadsQuery:
    """Return the query in the body of a request.

    Raises
    ------
    InvalidQuery
        If it is no JSON object of the form that htsget describes, or a value is wrong.
    ResultTooLarge
        If it has too many regions.
    """
    if context.request.scope["query_string"]:
        raise InvalidQuery("by POST the parameters are in the body, and none in the URL: send them all as JSON")
    content = _object(context.received.body)
    _check_names(content, (*_OTHERS, "regions"), "the body")
    regions = content.get("regions")
    if regions is not None:
        if not isinstance(regions, list) or not regions or not all(isinstance(region, dict) for region in regions):
            raise InvalidQuery(f"regions must be a list of objects with at least one, as in {EXAMPLE_BODY}")
        check_regions(len(regions))
        regions = tuple(map(_region_of_object, regions))
    return _checked(
        _format(context, _text(content, "format")),
        _text(content, "class"),
        regions,
        {name: _list(content, name) for name in _LISTS},
    )


def _region_of_object(content: dict[str, Any]) -> RequestedRegion:
    _check_names(content, _REGION, "a region")
    start, end = (_number(content, name) for name in ("start", "end"))
    region = _region(_text(content, "referenceName"), _text(content, "referenceMD5"), start, end)
    if region is None:
        raise InvalidQuery(f"a region needs a referenceName, as in {EXAMPLE_BODY}")
    return region


def _region(name: str | None, md5: str | None, start: int | None, end: int | None) -> RequestedRegion | None:
    has_bounds = start is not None or end is not None
    if name is None and md5 is None:
        if has_bounds:
            raise InvalidQuery("start and end need a referenceName: name the sequence that they are of")
        return None
    if md5 is not None and not _MD5.fullmatch(md5):
        raise InvalidQuery(f"referenceMD5 must be 32 hexadecimal digits, not {shown(md5)}")
    if name == UNPLACED and (has_bounds or md5 is not None):
        raise InvalidQuery(f"referenceName={UNPLACED} is for unplaced reads, which have no place: leave out the others")
    if start is not None and end is not None and start > end:
        raise InvalidRange(f"start is {start:,} and end is {end:,}: start must not be above end")
    return RequestedRegion(name, md5 and md5.lower(), start, end)


def _format(context: Context, format: str | None) -> str | None:
    """Return the format that is asked for; the message for an unknown one offers those of this part of htsget."""
    if format is not None and format not in KIND_OF_FORMAT:
        offered = [name for name, kind in KIND_OF_FORMAT.items() if kind == context.api.kind]
        raise UnsupportedFormat(unknown_choice(f"there is no format {shown(format)}", format, offered))
    return format


def _checked(
    format: str | None,
    only: str | None,
    regions: tuple[RequestedRegion, ...] | None,
    lists: dict[str, list[str] | None],
) -> ReadsQuery:
    fields = _names("fields", lists["fields"], FIELDS)
    tags, notags = (_tags(name, lists[name]) for name in ("tags", "notags"))
    both = sorted(set(tags or ()) & set(notags or ()))
    if both:
        raise InvalidQuery(f"{', '.join(both)} cannot be in both tags and notags: leave it in one of them")
    if only is None:
        return ReadsQuery(format, None, regions, fields, tags, notags)
    if only != "header":
        raise InvalidQuery(f"class must be header, or be left out for all, not {shown(only)}")
    if regions is not None or any(given is not None for given in (fields, tags, notags)):
        raise InvalidQuery("class=header goes with format alone: leave out the others")
    return ReadsQuery(format, "header")


def _names(what: str, given: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    if not names:
        raise InvalidQuery(f"{what} is empty: name at least one, or leave it out for all")
    for name in names:
        if name not in known:
            raise InvalidQuery(unknown_choice(f"{what} has no {shown(name)}", name, known))
    return names


def _tags(what: str, given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return tags; none of them are a list too: no tag is wanted."""
    if given is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    for name in names:
        if not _TAG.fullmatch(name):
            raise InvalidQuery(
                f"{what} has {shown(name)}, which is no tag: a tag has two letters or digits, such as NM"
            )
    return names


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise InvalidQuery(f"the body is nested too deep: send an object such as {EXAMPLE_BODY}") from None
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidQuery(f"the body is not JSON{place}: send an object such as {EXAMPLE_BODY}") from None
    if not isinstance(content, dict):
        raise InvalidQuery(f"the body must be a JSON object, such as {EXAMPLE_BODY}")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidQuery("a name is given twice in an object of the body: leave one of them")
    return found


def _check_names(content: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in content:
        if name not in known:
            raise InvalidQuery(unknown_choice(f"{what} has no {shown(name)}", name, known))


def _text(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InvalidQuery(f"{name} must be a text: leave it out where nothing is wanted")
    return value if value is None else value.strip()


def _number(content: dict[str, Any], name: str) -> int | None:
    value = content.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST):
        raise InvalidQuery(f"{name} must be a whole number from 0 to {_MOST}")
    return value


def _list(content: dict[str, Any], name: str) -> list[str] | None:
    value = content.get(name)
    if value is not None and (not isinstance(value, list) or not all(isinstance(item, str) for item in value)):
        raise InvalidQuery(f"{name} must be a list of texts: leave it out where all is wanted")
    return value
