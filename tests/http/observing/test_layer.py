from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.app import create_app
from rnaget_server.http.observing.layer import CLIENT_GONE, Notes, Observed, Watcher
from rnaget_server.model.observation import CURRENT, Observation
from rnaget_server.settings import Settings
from tests.conftest import one_study


class Seen(Watcher):
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def ended(self, observation: Observation) -> None:
        self.seen.append(observation)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_study(tmp_path_factory.mktemp("layer") / "demo")


@pytest.fixture(scope="module")
def notes() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def client(data: Path, notes: Seen) -> TestClient:
    app = create_app(Settings(data=data, log_requests=True, request_id_header="X-Proxy-Id"))
    assert isinstance(app, Observed)
    app._watchers = (notes,)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def unwatched(data: Path) -> TestClient:
    app = create_app(Settings(data=data, request_id_header="X-Proxy-Id"))
    assert not isinstance(app, Observed)
    return TestClient(app, raise_server_exceptions=False)


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
    client: TestClient, notes: Seen, method: str, path: str, standard: str, route: str, status: int
) -> None:
    reply = client.request(method, path)
    noted = notes.seen[-1]
    assert (noted.standard, noted.route, noted.status) == (standard, route, status)
    assert reply.status_code == status
    assert noted.sent == len(reply.content)
    assert 0 < noted.seconds < 60


@pytest.mark.parametrize("watching", ["client", "unwatched"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_ids_are_new_or_those_of_the_proxy(request: pytest.FixtureRequest, watching: str, method: str) -> None:
    client = request.getfixturevalue(watching)
    preflight = {"Origin": "https://other.example", "Access-Control-Request-Method": "GET"}

    def id_for(*headers: tuple[str, str]) -> str:
        given = [*headers, *(preflight.items() if method == "OPTIONS" else ())]
        reply = client.request(method, "/rnaget/projects", headers=given)
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


def answer(app: ASGIApp, notes: Seen) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

    async def run() -> None:
        await Observed(app, [notes], Notes())(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(run())
    return sent


def test_a_failure_is_noted_and_goes_on(notes: Seen) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        assert CURRENT.get() is not None
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(fails, notes)
    assert notes.seen[-1].status == 500


def test_a_client_that_goes_is_noted(notes: Seen) -> None:
    async def answers_nothing(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    assert answer(answers_nothing, notes) == []
    assert notes.seen[-1].status == CLIENT_GONE


def test_requests_at_once_have_notes_of_their_own(data: Path) -> None:
    """Those of one connection, as a server of HTTP/1.1 or 2 has them: each in a task of its own."""
    app = create_app(Settings(data=data))

    async def id_of(path: str) -> tuple[str, str]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            observation = CURRENT.get()
            assert observation is not None
            sent.append({**message, "noted": (observation.path, observation.request_id)})

        async def receive() -> Message:
            await asyncio.sleep(60)
            raise AssertionError

        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
        await app({**scope, "query_string": b"", "scheme": "http", "server": ("localhost", 80)}, receive, send)
        (noted,) = {message["noted"] for message in sent}
        assert noted == (path, dict(sent[0]["headers"])[b"x-request-id"].decode())
        return noted

    async def run() -> list[tuple[str, str]]:
        return await asyncio.gather(*(id_of(f"/rnaget/{group}") for group in ("projects", "studies", "expressions")))

    assert len({id for _, id in asyncio.run(run())}) == 3
    assert CURRENT.get() is None
