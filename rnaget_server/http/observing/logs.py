"""The lines of the log: as text or JSON, with the id of the request, without secrets, and one line for each event."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from rnaget_server.http.observing.layer import Watcher
from rnaget_server.model.observation import CURRENT, Observation

Format = Literal["text", "json"]
_log = logging.getLogger(__name__)
FIELDS = "fields"
"""The attribute of a log record (given by ``extra``) whose items become keys of a JSON line."""

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LONGEST = 16 << 10
_LONGEST_PATH = 1024
_LEFT_OUT = "***"
_MILLISECONDS = 1000
# A text with none of them has no secret that is known by its form: most lines need no further look.
_MARKS = ("=", ":", "%3d", "authorization", "cookie", "bearer", "basic", "eyj", "rnaget_")
# What follows these names is a secret: in a query, a header, or a dictionary as Python writes it.
_NAMED = re.compile(
    r"(?i)(?<![a-z])((?:_signature|signature|(?:access_|id_|refresh_)?token|client_secret|password|passwd|api_?key|code)"
    r"(?:=|%3d|['\"]\s*:\s*b?['\"]))[^&\s'\"<>;,]+"
)
_HEADERS = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)\b(['\"]?\s*[:=,]\s*)[^\r\n]+")
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*")
# A token of this server; the id by which its owner finds it stays.
_OWN = re.compile(r"(?i)(rnaget_[0-9a-f]{12}_)[0-9a-f]{16,}")
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)[^/\s@]+@")


def without_secrets(text: str) -> str:
    """Return a text without what lets somebody in: signatures, tokens, passwords, cookies."""
    small = text.lower()
    if not any(mark in small for mark in _MARKS):
        return text
    text = _HEADERS.sub(rf"\1\2{_LEFT_OUT}", text)
    text = _NAMED.sub(rf"\1{_LEFT_OUT}", text)
    text = _CREDENTIALS.sub(rf"\1 {_LEFT_OUT}", text)
    text = _JWT.sub(_LEFT_OUT, text)
    text = _OWN.sub(rf"\1{_LEFT_OUT}", text)
    return _USER.sub(rf"\1{_LEFT_OUT}@", text)


def in_one_line(text: str) -> str:
    """Return a text whose line ends and other invisible characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TextLines(logging.Formatter):
    """Lines for people: as the format says, with the id of the request in front of the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what was raised follows in lines of its own."""
        message, observation = _message(record), CURRENT.get()
        copy = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None, "stack_info": None})
        copy.msg, copy.args = in_one_line(message), None
        if observation is not None:
            copy.msg = f"[{observation.request_id}] {copy.msg}"
        # Indented, so that no line in what was raised passes for one of the log.
        return "\n  ".join([super().format(copy), *_trace(self, record)])


class JsonLines(logging.Formatter):
    """One JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": _message(record),
        }
        observation = CURRENT.get()
        if observation is not None:
            line["request_id"] = observation.request_id
            if observation.trace_id:
                line["trace_id"] = observation.trace_id
        line.update(getattr(record, FIELDS, {}))
        trace = _trace(self, record)
        if trace:
            line["exception"] = "\n".join(trace)
        return json.dumps(line)


class RequestLines(Watcher):
    """Writes a line for each request, without its query, who sent it, or where from."""

    def ended(self, observation: Observation) -> None:
        """Write the line of a request."""
        path = without_secrets(observation.path[:_LONGEST_PATH])
        fields = {
            "method": observation.method[:_LONGEST_PATH],
            "path": path,
            "route": observation.route,
            "status": observation.status,
            "bytes": observation.sent,
            "milliseconds": round(observation.seconds * _MILLISECONDS, 3),
        }
        text = "{method} {path} {status}, {bytes} bytes, {milliseconds} ms"
        _log.info("%s", text.format(**fields), extra={FIELDS: fields})


def format_lines(handlers: Iterable[logging.Handler], format: Format, text: str = _TEXT) -> None:
    """Have handlers write lines in a format; `text` is that of lines for people, as `logging.Formatter` takes it."""
    for handler in handlers:
        dates = handler.formatter.datefmt if handler.formatter is not None else None
        handler.setFormatter(JsonLines() if format == "json" else TextLines(text, dates))


def _message(record: logging.LogRecord) -> str:
    return without_secrets(record.getMessage()[:_LONGEST]).strip()


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """Return the lines of what was raised, without secrets; none if nothing was."""
    if not record.exc_info or record.exc_info[0] is None:
        return []
    text = without_secrets(formatter.formatException(record.exc_info))[-_LONGEST:]
    return [in_one_line(line) for line in text.split("\n")]
