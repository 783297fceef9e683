"""The address of the metrics, which is none of those of the server."""

from __future__ import annotations

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.http.observing.metrics import Metrics

METRICS_PATH = "/metrics"
_NOTHING = f"there is nothing here but {METRICS_PATH}\n"


class MetricsPage:
    """ASGI layer that answers what comes in at the port of the metrics, and lets all else through.

    Parameters
    ----------
    app
        The server.
    port
        The port of the metrics; at no other one are they to be seen.
    metrics
        Those of this worker and all others.
    """

    def __init__(self, app: ASGIApp, port: int, metrics: Metrics) -> None:
        self._app = app
        self._port = port
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not self._is_for_metrics(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"] != METRICS_PATH or scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse(_NOTHING, 404)(scope, receive, send)
            return
        self._metrics.read_measures()
        accept = Headers(scope=scope).get("accept", "")
        body, media_type = await run_sync(self._metrics.text, accept)
        headers = {"Content-Type": media_type, "Cache-Control": "no-store"}
        await Response(body, headers=headers)(scope, receive, send)

    def _is_for_metrics(self, scope: Scope) -> bool:
        """Return whether a connection was made to the port; no header of the request has a say in it."""
        server = scope.get("server")
        return server is not None and server[1] == self._port
