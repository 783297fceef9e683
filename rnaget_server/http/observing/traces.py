"""Traces of requests, sent by OpenTelemetry to where its own variables say; imported only where they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id, set_span_in_context
from starlette.types import Scope

from rnaget_server import __version__
from rnaget_server.http.observing.layer import Watcher
from rnaget_server.model.observation import OTHER, Observation, Stage

_NAME = "rnaget-server"
_UNNAMED = "unknown_service"
_SERVER_ERROR = 500
# Enough for the headers of any propagator that may be configured, and no more of a hostile request than that.
_LONGEST_HEADER = 2048


class Traces(Watcher):
    """Makes a span for each request, and one in it for each of its stages."""

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
            resource = resource.merge(Resource({SERVICE_NAME: _NAME}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(_NAME, __version__)
        self._spans: dict[int, Span] = {}

    def closed(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def began(self, observation: Observation, scope: Scope) -> None:
        """Begin the span of a request, which may be part of a trace that its client has begun."""
        parent = extract(_carrier(scope["headers"]))
        span = self._tracer.start_span(observation.method, parent, SpanKind.SERVER)
        if span.is_recording():
            observation.stages = []
            observation.trace_id = format_trace_id(span.get_span_context().trace_id)
            self._spans[id(observation)] = span

    def ended(self, observation: Observation) -> None:
        """End the span of a request, and make those of its stages."""
        span = self._spans.pop(id(observation), None)
        if span is None:
            return
        within = set_span_in_context(span)
        for stage in (*_halves(span, observation), *(observation.stages or ())):
            child = self._tracer.start_span(stage.name, within, start_time=stage.began)
            child.end(stage.ended)
        if observation.route != OTHER:
            span.update_name(f"{observation.method} {observation.route}")
        span.set_attributes(_attributes(observation))
        if observation.status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _halves(span: Span, observation: Observation) -> Iterator[Stage]:
    """Yield the time until the head of the reply was known, and that from then on."""
    if isinstance(span, ReadableSpan) and span.start_time is not None and observation.answered:
        yield Stage("answer", span.start_time, observation.answered)
        yield Stage("send", observation.answered, time.time_ns())


def _attributes(observation: Observation) -> dict[str, Any]:
    """Return what a span says of a request: nothing that a client chose but the method."""
    return {
        "http.request.method": observation.method,
        "http.route": observation.route,
        "http.response.status_code": observation.status,
        "http.response.body.size": observation.sent,
        "rnaget.standard": observation.standard,
        "rnaget.request_id": observation.request_id,
    }


def _carrier(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if len(value) <= _LONGEST_HEADER}
