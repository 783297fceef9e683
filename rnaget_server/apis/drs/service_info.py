"""The service-info of DRS."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.drs.context import Context
from rnaget_server.apis.drs.objects import MOST_AT_ONCE
from rnaget_server.delivery.tagged import ASKED_EACH_TIME, with_tag
from rnaget_server.errors import RnagetError

_VERSION = "1.5.0"
_NEWER = ("1.5", "1.5.0")


def get_service_info(context: Context) -> Response:
    """Return what this server is; with the parameter `version` what DRS 1.4 and 1.5 add, which 1.2 forbids."""
    version = context.parameters("version").choice("version", ("1.2", "1.2.0", *_NEWER))
    payload = context.service_info(".drs", "drs", _VERSION)
    if version in _NEWER:
        payload |= {"maxBulkRequestLength": MOST_AT_ONCE, "drs": _numbers(context)}
    return with_tag(context.request, context.respond(payload, "Service info"), ASKED_EACH_TIME)


def _numbers(context: Context) -> dict[str, Any]:
    count = size = 0
    for file in context.view.files.all():
        context.cancellation.check()
        count += 1
        try:
            size += context.view.files.size(file)
        except RnagetError:
            continue
    return {"maxBulkRequestLength": MOST_AT_ONCE, "objectCount": count, "totalObjectSize": size}
