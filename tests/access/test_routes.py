"""All routes for several people: what is hidden from one is in no reply, and is asked for as if it had never been."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import hypothesis
import pytest

from rnaget_server.datasets.repository import open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.http.mount import SIGN_IN_PATHS
from rnaget_server.model.principal import OPERATOR, Principal
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import Settings
from tests.access.marked import ABSENT, PEOPLE, PLACES, Client, hidden_from, secrets_of
from tests.access.routes import Names, Request, absent, requests_of

# Not of records, or of such as this catalogue has not: cells, embeddings, libraries and the documentation.
WITHOUT_RECORDS = (
    *("/static", "/assets", "/help", "/style.css", "/logo"),
    *("/matrices/<id>/cells", "/matrices/<id>/embeddings"),
)
# These answer 403 without the URL of a ticket; see test_tickets.py.
BY_TICKET = "/_block/"
KEPT = {
    *("get /rnaget/expressions/units", "get /rnaget/expressions/filters", "get /rnaget/continuous/filters"),
    *("get /ena/portal/api/returnFields", "get /ena/portal/api/results", "get /rnaget/expressions/bytes"),
    *("page /search/suggestions", "page /readyz", "get /reads/{id}", "get /sequence/{id}"),
}
# What depends on the time, or on how long a reply is.
SIGNED = re.compile(r"_rights=[\w-]+&_expires=\d+&_signature=[0-9a-f]+")
PASSING = ("x-request-id", "date", "content-length", "age")
OTHERS = [who for who in PEOPLE if who != "operator"]


@dataclass(frozen=True)
class Server:
    client: Client
    requests: tuple[Request, ...]
    secrets: dict[str, tuple[str, ...]]

    def ask(self, principal: Principal, request: Request) -> httpx.Response:
        self.client.principal = principal
        headers = dict(request.headers)
        return self.client.request(
            request.method, request.url, json=request.body, headers=headers, follow_redirects=False
        )

    def hidden(self, principal: Principal) -> tuple[str, ...]:
        """The texts by which something that is hidden from a principal would be given away."""
        return tuple(secret for place in hidden_from(principal) for secret in self.secrets[place.mark])

    def share(self, who: str) -> tuple[Request, ...]:
        """The requests that are tried for somebody: all in the long run, else others for each."""
        step = 1 if hypothesis.settings().max_examples >= 100 else len(OTHERS)
        return self.requests[list(PEOPLE).index(who) % step :: step]


@pytest.fixture(scope="module")
def server(marked: Path, client: Client) -> Server:
    settings = Settings(data=marked, reload_seconds=0)
    repository = open_repository(settings)
    view = repository.visible_to(OPERATOR)
    rules = create_pages(Site(repository, Formats(Registry(WRITERS)), settings)).url_map.iter_rules()
    # They answer where people can sign in, and show nothing of the data.
    rules = [rule for rule in rules if rule.rule not in SIGN_IN_PATHS]
    pages = sorted({rule.rule for rule in rules if not rule.rule.startswith(WITHOUT_RECORDS)})
    secrets = {place.mark: tuple(secrets_of(place, view)) for place in PLACES}
    return Server(client, tuple(requests_of(Names(view), pages)), secrets)


@pytest.mark.long
def test_every_route_is_asked_with_what_it_answers(server: Server) -> None:
    best: dict[str, int] = defaultdict(lambda: 999)
    for request in server.requests:
        if best[request.route] >= 400:
            best[request.route] = min(best[request.route], server.ask(OPERATOR, request).status_code)
    assert not {route: status for route, status in best.items() if status >= 400 and BY_TICKET not in route}


@pytest.mark.parametrize("who", OTHERS)
def test_nothing_hidden_is_in_a_reply(server: Server, who: str) -> None:
    principal = PEOPLE[who]
    hidden = [secret.lower() for secret in server.hidden(principal)]
    asked = [request for request in server.share(who) if not any(secret in request.words.lower() for secret in hidden)]
    assert len(asked) > 20
    for request in asked:
        reply = server.ask(principal, request)
        text = _text(reply)
        assert not [secret for secret in hidden if secret in text], request
        assert reply.status_code < 500, (request, reply.text)


def test_what_was_kept_for_one_is_not_given_to_another(server: Server) -> None:
    """Routes whose replies are made from something that is kept in memory or on disk."""
    asked = [request for request in server.requests if request.route in KEPT]
    assert {request.route for request in asked} == KEPT
    for who in ("operator", *OTHERS, "none"):
        hidden = [secret.lower() for secret in server.hidden(PEOPLE[who])]
        for request in asked:
            if not any(secret in request.words.lower() for secret in hidden):
                text = _text(server.ask(PEOPLE[who], request))
                assert not [secret for secret in hidden if secret in text], (who, request)


@pytest.mark.parametrize("who", OTHERS)
def test_what_is_hidden_is_answered_like_what_never_was(server: Server, who: str) -> None:
    principal = PEOPLE[who]
    hidden = server.hidden(principal)
    for request in server.share(who):
        named = [secret for secret in hidden if secret.lower() in request.words.lower()]
        if named:
            reply, other = server.ask(principal, request), server.ask(principal, _replaced(request, named))
            assert reply.status_code == other.status_code, request
            assert _without(_text(reply), named) == _text(other), request


@pytest.mark.parametrize("who", ["registered", "one grant", "both grants"])
def test_what_is_visible_is_answered_as_to_operators(server: Server, who: str) -> None:
    principal = PEOPLE[who]
    hidden = [secret.lower() for secret in server.hidden(principal)]
    # What holds something hidden may be answered by less.
    seen = {place.mark for place in PLACES if place.is_for(principal)}.intersection(("zqrx", "zqax", "zqgx", "zqmx"))
    for request in server.share(who):
        words = request.words.lower()
        if any(mark in words for mark in seen) and not any(secret in words for secret in hidden):
            assert server.ask(principal, request).status_code == server.ask(OPERATOR, request).status_code, request


def _text(reply: httpx.Response) -> str:
    headers = {name: value for name, value in reply.headers.items() if name not in PASSING}
    # What is signed names the request for it.
    content = SIGNED.sub("", reply.content.decode("latin-1"))
    return f"{json.dumps(headers)}\n{content}".lower()


def _replaced(request: Request, named: list[str]) -> Request:
    body = None if request.body is None else json.loads(_without(json.dumps(request.body), named))
    return replace(request, path=_without(request.path, named), query=_without(request.query, named), body=body)


def _without(text: str, named: list[str]) -> str:
    """Return a text with names of nothing in the place of names of something."""
    for name in named:
        other = ABSENT if name.startswith("zq") else absent(name)
        for old, new in ((name, other), (name.lower(), other.lower()), (name.upper(), other.upper())):
            text = text.replace(old, new)
    return text
