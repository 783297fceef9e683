from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.app import create_app
from rnaget_server.http.observing.layer import CLIENT_GONE, Observed, Watcher
from rnaget_server.model.observation import CURRENT, Observation
from rnaget_server.settings import Settings
from tests.conftest import one_study


class Notes(Watcher):
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def ended(self, observation: Observation) -> None:
        self.seen.append(observation)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_study(tmp_path_factory.mktemp("layer") / "demo")


@pytest.fixture(scope="module")
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def client(data: Path, notes: Notes) -> TestClient:
    app = create_app(Settings(data=data))
    assert isinstance(app, Observed)
    return TestClient(Observed(app._app, [notes], "X-Proxy-Id"), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("method", "path", "standard", "route", "status"),
    [
        ("GET", "/rnaget/projects", "/rnaget", "/rnaget/projects", 200),
        ("GET", "/rnaget/projects/nothing", "/rnaget", "/rnaget/projects/{projectId}", 404),
        (
            "HEAD",
            "/rnaget/expressions/marioni_counts/bytes",
            "/rnaget",
            "/rnaget/expressions/{expressionId}/bytes",
            200,
        ),
        ("GET", "/rnaget/never/heard/of", "/rnaget", "other", 404),
        ("DELETE", "/rnaget/projects", "/rnaget", "other", 405),
        ("GET", "/files", "/files", "/files", 200),
        ("GET", "/matrices/marioni_counts", "pages", "/matrices/<id>", 200),
        ("GET", "/no-page/at%0aall", "pages", "other", 404),
        ("GET", "/healthz", "pages", "/healthz", 200),
    ],
)
def test_requests_are_noted_by_template(
    client: TestClient, notes: Notes, method: str, path: str, standard: str, route: str, status: int
) -> None:
    reply = client.request(method, path)
    noted = notes.seen[-1]
    assert (noted.standard, noted.route, noted.status) == (standard, route, status)
    assert reply.status_code == status
    assert noted.sent == len(reply.content)
    assert 0 < noted.seconds < 60


def test_ids_are_new_or_those_of_the_proxy(client: TestClient) -> None:
    def id_for(*headers: tuple[str, str]) -> str:
        reply = client.get("/rnaget/projects", headers=list(headers))
        return ", ".join(reply.headers.get_list("x-request-id"))

    assert id_for(("X-Proxy-Id", "a.b:C-1_2")) == "a.b:C-1_2"
    for bad in ("", "a b", "a" * 65, "é", 'a"b', "a,b", "${jndi}"):
        assert id_for(("X-Proxy-Id", bad.encode())) not in ("", bad)  # type: ignore[arg-type]
    assert len(id_for(("X-Proxy-Id", "one"), ("X-Proxy-Id", "two"))) == 32
    # Another header is not believed.
    assert id_for(("X-Request-Id", "mine")) != "mine"


def test_scripts_of_other_sites_may_read_the_id(client: TestClient) -> None:
    reply = client.get("/rnaget/projects", headers={"Origin": "https://other.example"})
    assert "X-Request-Id" in reply.headers["access-control-expose-headers"]


def answer(app: ASGIApp, notes: Notes) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

    async def run() -> None:
        await Observed(app, [notes])(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(run())
    return sent


def test_a_failure_is_noted_and_goes_on(notes: Notes) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        assert CURRENT.get() is not None
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(fails, notes)
    assert notes.seen[-1].status == 500


def test_a_client_that_goes_is_noted(notes: Notes) -> None:
    async def answers_nothing(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    assert answer(answers_nothing, notes) == []
    assert notes.seen[-1].status == CLIENT_GONE
