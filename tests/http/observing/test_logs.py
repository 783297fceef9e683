from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from rnaget_server.http.auth.token_file import new_token
from rnaget_server.http.observing.logs import JsonLines, RequestLines, TextLines, without_secrets
from rnaget_server.model.observation import CURRENT, Observation

SECRET = "s3cretThatNobodyMayKnow"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2VjcmV0LXNpZ25hdHVyZQ"
HOSTILE = 'x\n2026-01-01 ERROR forged: "line"\r\u2028\x1b[31m\u202e\ud800'


def record(message: str, *values: object, **others: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "n", "levelname": "ERROR", "msg": message, "args": values, **others})


@pytest.fixture
def observation() -> Iterator[Observation]:
    token = CURRENT.set(Observation("the-id", "GET", "/x"))
    yield CURRENT.get()  # type: ignore[misc]
    CURRENT.reset(token)


@pytest.mark.parametrize(
    "text",
    [
        f"GET /rnaget/expressions/m/bytes?_expires=1&_signature={SECRET}&x=1 failed",
        f"/x?_signature%3D{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"{{'authorization': 'Basic {SECRET}'}}",
        f"[(b'authorization', b'Bearer {SECRET}'), (b'x', b'y')]",
        f"Cookie: a=b; session={SECRET}",
        f"Set-Cookie: session={SECRET}; Path=/",
        f"sent bearer {SECRET} by mistake",
        f"/callback?code={SECRET}&state=1",
        f"access_token={SECRET}",
        f"{{'access_token': '{SECRET}'}}",
        f"redis://user:{SECRET}@host:6379/0 is away",
    ],
)
def test_no_secret_is_in_a_line(text: str) -> None:
    assert SECRET not in TextLines().format(record("%s", text))
    assert SECRET not in json.loads(JsonLines().format(record("%s", text)))["message"]


def test_a_token_is_known_by_its_form_alone() -> None:
    assert JWT not in without_secrets(f"the token {JWT} has expired")
    assert without_secrets(f"a {JWT} b") == "a *** b"
    token, record = new_token("Anna's pipeline")
    assert without_secrets(f"GET /sequence/{token}/x") == f"GET /sequence/rnaget_{record.id}_***/x"


@pytest.mark.parametrize(
    "text", ["the barcode=AACC of sample 3", "exit status 1", "a token is needed: send one", "12%"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_what_clients_send_makes_no_lines() -> None:
    line = TextLines("%(levelname)s %(message)s").format(record("for %s", HOSTILE))
    assert len(line.splitlines()) == 1 and line.isprintable() and line.startswith("ERROR for x\\n2026")
    whole = JsonLines().format(record("for %s", HOSTILE))
    assert len(whole.splitlines()) == 1 and whole.isascii()
    assert json.loads(whole)["message"] == f"for {HOSTILE}"


def test_what_was_raised_makes_no_lines_of_the_log_and_has_no_secrets() -> None:
    try:
        raise ValueError(f"{HOSTILE} _signature={SECRET}")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    text = TextLines("%(levelname)s %(message)s").format(record("failed", exc_info=info))
    assert text.splitlines()[0] == "ERROR failed"
    assert all(line.startswith("  ") for line in text.split("\n")[1:])
    line = json.loads(JsonLines().format(record("failed", exc_info=info)))
    assert line["message"] == "failed" and "ValueError" in line["exception"]
    assert SECRET not in text and SECRET not in line["exception"]


@pytest.mark.parametrize(
    "part", ["a.", "eyJ", "eyJaaaaaaaa.", "cookie ", "bearer ", "token=", "a://", "token': ", "://a", "_signature=&"]
)
def test_no_text_takes_long(part: str) -> None:
    text = "=" + part * (16_384 // len(part))
    began = time.thread_time()
    without_secrets(text)
    assert time.thread_time() - began < 0.5


def test_long_messages_are_cut() -> None:
    assert len(JsonLines().format(record("x" * 1_000_000))) < 20_000


def test_lines_have_the_id_of_their_request(observation: Observation) -> None:
    assert TextLines("%(levelname)s %(message)s").format(record("a")) == "ERROR [the-id] a"
    line = json.loads(JsonLines().format(record("a")))
    assert line["request_id"] == "the-id" and "trace_id" not in line
    observation.trace_id = "abc"
    assert json.loads(JsonLines().format(record("a")))["trace_id"] == "abc"
    assert list(line)[:5] == ["time", "level", "logger", "process", "message"]


def test_lines_of_no_request_have_no_id() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(JsonLines().format(record("a"))))
    thread.start()
    thread.join()
    assert "request_id" not in json.loads(found[0])


def test_a_line_for_a_request(caplog: pytest.LogCaptureFixture, observation: Observation) -> None:
    caplog.set_level(logging.INFO)
    observation.path = f"/a\nb/token={SECRET}"
    observation.route, observation.status, observation.sent = "/{id}", 200, 12
    RequestLines().ended(observation)
    line = json.loads(JsonLines().format(caplog.records[-1]))
    assert {name: line[name] for name in ("method", "path", "route", "status", "bytes")} == {
        "method": "GET",
        "path": "/a\nb/token=***",
        "route": "/{id}",
        "status": 200,
        "bytes": 12,
    }
    text = TextLines("%(levelname)s %(message)s").format(caplog.records[-1])
    assert text.startswith(r"INFO [the-id] GET /a\nb/token=*** 200, 12 bytes, ")
