"""The service-info of both parts of htsget."""

from __future__ import annotations

import json

from starlette.responses import Response

from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.plan import can_transcode
from rnaget_server.catalog.models import KIND_OF_FORMAT
from rnaget_server.http.accept import preferred
from rnaget_server.http.request import list_header

_VERSION = "1.3.0"
_JSON = "application/json"


async def get_service_info(context: Context) -> Response:
    """Return what this server is, and what of htsget it can do."""
    context.parameters()
    kind = context.api.kind
    payload = {
        **context.service_info(f".htsget.{kind}", "htsget", _VERSION),
        "htsget": {
            "datatype": kind,
            "formats": [format for format, of in KIND_OF_FORMAT.items() if of == kind],
            "fieldsParameterEffective": can_transcode(kind),
            "tagsParametersEffective": can_transcode(kind),
        },
    }
    # GA4GH's service-info is plain JSON for every standard.
    if preferred(list_header(context.request, "accept"), (_JSON,)) is not None:
        return Response(json.dumps(payload), headers={"Content-Type": _JSON, "Vary": "Accept"})
    return context.respond(payload, "Service info")
