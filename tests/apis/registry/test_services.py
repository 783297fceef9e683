"""The service registry: every standard with a service-info, and the peers of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from rnaget_server.settings import Settings
from tests.conftest import client_of


def test_every_standard_is_listed_as_its_own_service_info_says(client: TestClient) -> None:
    services = client.get("/services").json()
    for service in services:
        url = service.pop("url")
        info = client.get(f"{url}/service-info").json()
        assert {name: info[name] for name in service} == service
        assert client.get(f"/services/{service['id']}").json() == {**service, "url": url}
    artifacts = [service["type"]["artifact"] for service in services]
    assert artifacts == ["rnaget", "refget", "refget-seqcol", "htsget", "htsget", "drs", "service-registry"]
    types = client.get("/services/types").json()
    assert types[0] == "org.ga4gh:rnaget:1.2.0" and types.count("org.ga4gh:htsget:1.3.0") == 1
    assert len({service["id"] for service in services}) == len(services)
    missing = client.get("/services/nothing")
    assert missing.status_code == 404 and "/services" in missing.json()["message"]


def test_peers(demo: Path) -> None:
    entry = {"url": "https://b.example.org/rnaget/", "type": "org.ga4gh:rnaget:1.2.0", "name": "B", "version": "3"}
    for client in client_of(demo, peers=["https://rna.example.org:8443/below", entry]):
        first, second = client.get("/services").json()[-2:]
        assert (first["id"], first["url"]) == ("org.example.rna.8443.below", "https://rna.example.org:8443/below")
        assert first["type"] == {"group": "org.ga4gh", "artifact": "service-registry", "version": "1.0.0"}
        assert second == {
            "id": "org.example.b.rnaget",
            "name": "B",
            "type": {"group": "org.ga4gh", "artifact": "rnaget", "version": "1.2.0"},
            "organization": {"name": "b.example.org", "url": "https://b.example.org"},
            "version": "3",
            "url": "https://b.example.org/rnaget",
        }
        assert client.get("/services/org.example.b.rnaget").json() == second


def test_peers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_PEERS", "https://a.org, http://b.org:80/x/")
    assert [peer.url for peer in Settings().peers] == ["https://a.org", "http://b.org:80/x"]


@pytest.mark.parametrize(
    "peer",
    [
        "a.org",
        "ftp://a.org",
        "https://user:word@a.org",
        "https://a.org/#x",
        "https://a.org:x",
        "https://[",
        'https://a.org/"',
        {"url": "https://a.org", "type": "rnaget"},
        {"url": "https://a.org", "color": "red"},
        *({"url": "https://a.org", "id": id} for id in ("types", "service-info", "a/b", "a b", "..")),
        {},
    ],
)
def test_wrong_peers(peer: object) -> None:
    with pytest.raises(ValidationError):
        Settings(peers=[peer])  # type: ignore[list-item]


def test_a_peer_twice() -> None:
    with pytest.raises(ValidationError, match="same id"):
        Settings(peers=["https://a.org", "https://a.org/"])  # type: ignore[list-item]
