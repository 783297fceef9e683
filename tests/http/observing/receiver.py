"""A small receiver of traces, which keeps the spans that come by OTLP over HTTP."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of_request(self, id: str) -> dict[str, Any]:
        """Return the spans of the trace of a request by their names; none if that one has not come."""
        spans = list(self.spans)
        root = next((span for span in spans if attributes(span).get("rnaget.request_id") == id), None)
        return {span.name: span for span in spans if root is not None and span.trace_id == root.trace_id}


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            for of_service in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {each.key: each.value.string_value for each in of_service.resource.attributes}
                self.server.services.add(names["service.name"])
                for of_scope in of_service.scope_spans:
                    self.server.spans.extend(of_scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *values: object) -> None:
        pass


def attributes(span: Any) -> dict[str, str | int]:
    """Return what a span says of its request."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
