"""Objects: each by its id, many at once, and the addresses of their bytes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.responses import Response

from rnaget_server.apis.drs import EXAMPLE_BODY
from rnaget_server.apis.drs.context import Context
from rnaget_server.catalog import OfferedFile, Study
from rnaget_server.catalog.offered import offered_id
from rnaget_server.datasets.files import Computing, FileFacts
from rnaget_server.delivery.stored_files import file_address
from rnaget_server.delivery.tagged import ASKED_EACH_TIME, with_tag
from rnaget_server.errors import InvalidQuery, RnagetError, UnknownId, http_status, shown
from rnaget_server.model.limits import check_objects

ACCESS_ID = "https"
MOST_AT_ONCE = 1000
"""How many objects one request may ask for."""

_MOST_WITH_CONTENTS = 100_000

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LATER = 202


class NotYetError(Exception):
    """The checksums of an object are being computed."""


def get_object(context: Context, id: str) -> Response:
    """Return what is known of an object."""
    # All that is in a bundle is in it directly, with `expand` or without.
    context.parameters("expand")
    return _one(context, id)


def post_object(context: Context, id: str) -> Response:
    """Return what is known of an object; passports are taken, and nothing here needs one."""
    _body_of(context, ("passports", "expand"))
    return _one(context, id)


def get_access(context: Context, id: str, access: str) -> Response:
    """Return the address of the bytes of an object."""
    context.parameters()
    return _tagged(context, {"url": _address(context, id, access)}, "Access")


def post_access(context: Context, id: str, access: str) -> Response:
    """Return the address of the bytes of an object; passports are taken, and nothing here needs one."""
    _body_of(context, ("passports",))
    return context.respond({"url": _address(context, id, access)}, "Access")


def post_objects(context: Context) -> Response:
    """Return what is known of many objects, and which of them are not here."""
    body = _body_of(context, ("passports", "bulk_object_ids", "expand"))
    ids = _texts(body.get("bulk_object_ids"), "bulk_object_ids", EXAMPLE_BODY)
    check_objects(len(ids), MOST_AT_ONCE)
    # A study of many files that is named a thousand times would else be a reply without bounds.
    contents = (times * _size_of_bundle(context, id) for id, times in Counter(ids).items())
    check_objects(len(ids) + sum(contents), _MOST_WITH_CONTENTS)
    computing = Computing(context.view.files)
    found, failed = _each([(id, partial(_by_id, context, computing, id)) for id in ids])
    return context.respond({**_summary(len(ids), failed), "resolved_drs_object": found}, "Objects")


def post_accesses(context: Context) -> Response:
    """Return the addresses of the bytes of many objects, and which of them are not here."""
    example = '{"bulk_object_access_ids": [{"bulk_object_id": "…", "bulk_access_ids": ["https"]}]}'
    wanted = _body_of(context, ("passports", "bulk_object_access_ids")).get("bulk_object_access_ids")
    if not isinstance(wanted, list) or not all(isinstance(entry, dict) for entry in wanted):
        raise InvalidQuery(f"bulk_object_access_ids must be a list of objects: {example}")
    pairs = []
    for entry in wanted:
        (id,) = _texts([entry.get("bulk_object_id")], "bulk_object_id", example)
        pairs += [(id, access) for access in _texts(entry.get("bulk_access_ids"), "bulk_access_ids", example)]
    check_objects(len(pairs), MOST_AT_ONCE)
    found, failed = _each([(id, partial(_access, context, id, access)) for id, access in pairs])
    payload = {**_summary(len(pairs), failed), "resolved_drs_object_access_urls": found}
    return context.respond(payload, "Accesses")


def get_by_checksum(context: Context, checksum: str) -> Response:
    """Return the files that have a checksum."""
    context.parameters()
    digits = checksum.lower()
    # Most files need not be looked at.
    paths = context.view.offer.checksums.paths_with(digits)
    found = []
    for file in _wanted(context, context.view.files.all() if paths else ()):
        if file.path not in paths:
            continue
        try:
            facts = context.view.files.facts(file)
        except RnagetError:
            continue
        if facts.sums is not None and digits in facts.sums:
            found.append(_file(context, file, facts))
    if not found:
        raise UnknownId(f"no file has the checksum {shown(checksum)}, as far as checksums have been computed")
    return context.respond({**_summary(len(found), {}), "resolved_drs_object": found}, "Objects")


def _one(context: Context, id: str) -> Response:
    try:
        return _tagged(context, _by_id(context, Computing(context.view.files), id), "Object")
    except NotYetError:
        message = "the checksums are being computed: ask again soon"
        response = context.respond({"msg": message, "status_code": _LATER}, "Object", status=_LATER)
        response.headers["Retry-After"] = str(context.view.offer.checksums.seconds_left())
        return response


def _by_id(context: Context, computing: Computing, id: str) -> dict[str, Any]:
    found = context.object(id)
    if isinstance(found, Study):
        return _bundle(context, computing, found)
    return _file(context, found, computing.facts(found))


def _access(context: Context, id: str, access: str) -> dict[str, Any]:
    return {"drs_object_id": id, "drs_access_id": access, "url": _address(context, id, access)}


def _file(context: Context, file: OfferedFile, facts: FileFacts) -> dict[str, Any]:
    if facts.sums is None:
        raise NotYetError
    checksums = {"sha-256": facts.sums.sha256, "md5": facts.sums.md5}
    payload = {
        **_common(context, file.id, file.name, facts.size, facts.changed, checksums),
        "version": facts.sums.md5,
        "mime_type": file.media_type,
        "access_methods": [_access_method(context, file)],
        "description": f"{file.kind} ({file.format}) of {file.record} in the study {file.study_id}",
        "aliases": [file.record],
    }
    return payload


def _bundle(context: Context, computing: Computing, study: Study) -> dict[str, Any]:
    files = [(file, computing.facts(file)) for file in _wanted(context, context.view.files.of_study(study.id))]
    sums = [facts.sums for _, facts in files if facts.sums is not None]
    if len(sums) < len(files):
        raise NotYetError
    checksums = {
        "sha-256": hashlib.sha256("".join(sorted(each.sha256 for each in sums)).encode()).hexdigest(),
        "md5": hashlib.md5("".join(sorted(each.md5 for each in sums)).encode(), usedforsecurity=False).hexdigest(),
    }
    changed = max((facts.changed for _, facts in files), default=_NEVER)
    size = sum(facts.size for _, facts in files)
    contents = [{"name": file.name, "id": file.id, "drs_uri": [_uri(context, file.id)]} for file, _ in files]
    return {
        **_common(context, offered_id("studies", study.id), study.id, size, changed, checksums),
        "version": study.version,
        "description": study.description or study.name or f"the files of the study {study.id}",
        "aliases": [study.id],
        "contents": contents,
    }


def _size_of_bundle(context: Context, id: str) -> int:
    """Return how many files a bundle has; none if the id is of something else."""
    try:
        found = context.object(id)
    except UnknownId:
        return 0
    return sum(1 for _ in context.view.files.of_study(found.id)) if isinstance(found, Study) else 0


def _wanted(context: Context, files: Iterable[OfferedFile]) -> Iterator[OfferedFile]:
    """Yield files for as long as the client is there."""
    for file in files:
        context.cancellation.check()
        yield file


def _common(
    context: Context, id: str, name: str, size: int, changed: datetime, checksums: Mapping[str, str]
) -> dict[str, Any]:
    time = changed.strftime(_TIME)
    return {
        "id": id,
        "name": name,
        "self_uri": _uri(context, id),
        "size": size,
        "created_time": time,
        "updated_time": time,
        "checksums": [{"type": type, "checksum": digits} for type, digits in checksums.items()],
    }


def _access_method(context: Context, file: OfferedFile) -> dict[str, Any]:
    method: dict[str, Any] = {"type": "https", "access_id": ACCESS_ID}
    if not context.api.settings.require_tickets:  # signed addresses are given when they are asked for
        method["access_url"] = {"url": file_address(context, file)}
    return method


def _address(context: Context, id: str, access: str) -> str:
    """Return the address of the bytes of an object.

    Raises
    ------
    UnknownId
        If there is no such file, or no such access to it.
    """
    file = context.object(id)
    if isinstance(file, Study):
        raise UnknownId(f"{shown(id)} is a bundle: the objects in its contents have bytes")
    if access != ACCESS_ID:
        raise UnknownId(f"there is no access {shown(access)} to {id}: there is {ACCESS_ID}")
    return file_address(context, file)


def _uri(context: Context, id: str) -> str:
    return f"drs://{urlsplit(context.root).netloc}/{quote(id, safe='')}"


def _tagged(context: Context, payload: Mapping[str, Any], title: str) -> Response:
    response = context.respond(payload, title)
    return with_tag(context.request, response, ASKED_EACH_TIME) if context.request.method != "POST" else response


def _each(
    wanted: Iterable[tuple[str, Callable[[], dict[str, Any]]]],
) -> tuple[list[dict[str, Any]], dict[int, list[str]]]:
    """Return what is found, and the ids of what is not by the status that each alone would have."""
    found: list[dict[str, Any]] = []
    failed: dict[int, list[str]] = {}
    for id, make in wanted:
        try:
            found.append(make())
        except NotYetError:
            failed.setdefault(_LATER, []).append(id)
        except RnagetError as error:
            failed.setdefault(http_status(error), []).append(id)
    return found, failed


def _summary(requested: int, failed: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    unresolved = sum(map(len, failed.values()))
    return {
        "summary": {"requested": requested, "resolved": requested - unresolved, "unresolved": unresolved},
        "unresolved_drs_objects": [{"error_code": status, "object_ids": ids} for status, ids in failed.items()],
    }


def _body_of(context: Context, known: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object of a body, empty if there is none.

    Raises
    ------
    InvalidQuery
        If it is something else.
    """
    try:
        body = json.loads(context.received.body or b"{}")
    except (ValueError, RecursionError):
        raise InvalidQuery(f"the body is not JSON: send an object such as {EXAMPLE_BODY}") from None
    if not isinstance(body, dict):
        raise InvalidQuery(f"the body must be a JSON object, such as {EXAMPLE_BODY}")
    unknown = next((name for name in body if name not in known), None)
    if unknown is not None:
        raise InvalidQuery(f"{shown(unknown)} is not known here: known are {', '.join(known)}")
    return body


def _texts(value: Any, name: str, example: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise InvalidQuery(f"{name} must be a list of texts, as in {example}")
