"""``rnaget-server doctor --url`` behind a real nginx: the example below a path, and one that does all wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.conftest import free_port, one_study
from tests.deploy.nginx import NGINX, below, make_certificate, running, site

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
# What nginx does unless it is said otherwise, and compression.
WRONG = "server {{ listen 127.0.0.1:{port}; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1; {location} }}"
PATH = "/rnaget/expressions/marioni_counts/bytes"


class Site:
    """Addresses of one server: a good one, with TLS and a path, and a bad one; and the catalogue."""

    def __init__(self, data: Path, certificate: Path, good: str, bad: str) -> None:
        self.data, self.certificate, self.good, self.bad = data, certificate, good, bad

    def ask(self, path: str, method: str = "GET", **options: object) -> requests.Response:
        return requests.request(method, self.good + path, verify=str(self.certificate), timeout=60, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def proxied(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("proxied")
    directory.chmod(0o755)
    data = one_study(directory / "data")
    tls, plain, bad = free_port(), free_port(), free_port()
    good = f"https://localhost:{tls}/rna"
    upstream = urlsplit(serve(data, RNAGET_PUBLIC_URL=good)).netloc
    certificate = make_certificate(directory, "localhost")
    text = below(site(directory, upstream, plain, tls).replace("rna.example.org", "localhost"), "/rna")
    text += WRONG.format(port=bad, location=f"location / {{ proxy_pass http://{upstream}; }}")
    with running(directory, text, tls):
        yield Site(data, certificate, good, f"http://127.0.0.1:{bad}")


def test_a_path_of_its_own(proxied: Site) -> None:
    ticket = proxied.ask("/rnaget/expressions/marioni_counts/ticket?format=tsv").json()["url"]
    assert ticket.startswith(f"{proxied.good}/rnaget/")
    whole = proxied.ask(ticket.removeprefix(proxied.good))
    part = proxied.ask(ticket.removeprefix(proxied.good), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    body = {"featureIDList": ["ENSG00000188976", *(f"X{number:015}" for number in range(200_000))], "format": "tsv"}
    assert 3 << 20 < len(json.dumps(body)) < 8 << 20
    assert len(proxied.ask(PATH, "POST", json=body).text.splitlines()) == 2
    page = proxied.ask("/")
    assert 'href="/rna/' in page.text and 'href="/static' not in page.text
    assert proxied.ask("/readyz").text.startswith("ready")


def findings(proxied: Site, url: str, public_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    monkeypatch.setenv("SSL_CERT_FILE", str(proxied.certificate))
    monkeypatch.setenv("RNAGET_PUBLIC_URL", public_url)
    result = CliRunner().invoke(main, ["doctor", str(proxied.data), "--url", url, "--json"])
    found = json.loads(result.stdout)
    wrong = [one for one in found["findings"] if one["level"] == "error"]
    assert (result.exit_code, found["ok"]) == ((1, False) if wrong else (0, True))
    assert all(one["remedy"] for one in found["findings"] if one["level"] != "ok")
    return {one["check"]: (one["level"], one["message"]) for one in found["findings"]}


def test_all_is_well_behind_the_example(proxied: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(proxied, proxied.good, proxied.good, monkeypatch)
    asked = ("proxy", "tickets", "ranges", "long URLs", "large bodies", "content coding", "buffering")
    assert [found[check][0] for check in asked] == ["ok"] * len(asked), found
    assert "public_url" not in found
    # It is made for two days.
    assert found["certificate"][0] == "warning" and "1 more days" in found["certificate"][1]


def test_each_mistake_of_a_proxy_is_found(proxied: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(proxied, proxied.bad, "", monkeypatch)
    levels = {check: found[check][0] for check in found}
    assert levels["proxy"] == "ok", found["proxy"]
    assert levels["public_url"] == "warning"
    assert (levels["tickets"], levels["buffering"]) == ("error", "error"), found
    assert [levels[check] for check in ("long URLs", "large bodies", "content coding")] == ["warning"] * 3, found


def test_an_address_of_another_and_of_none(proxied: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(proxied, proxied.good.removesuffix("/rna"), proxied.good, monkeypatch)
    assert found["proxy"][0] == "error" and "404" in found["proxy"][1]
    monkeypatch.setattr(proxied, "certificate", "/dev/null")
    found = findings(proxied, proxied.good, proxied.good, monkeypatch)
    assert found["certificate"][0] == "error" and "self-signed" in found["certificate"][1]
    found = findings(proxied, f"http://127.0.0.1:{free_port()}", proxied.good, monkeypatch)
    assert found["proxy"][0] == "error" and "does not answer" in found["proxy"][1]
