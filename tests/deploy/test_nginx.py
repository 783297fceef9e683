"""The example for nginx, in front of a real server."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.conftest import ROOT, free_port
from tests.deploy.nginx import NGINX, make_certificate, running, site

GENES = "ENSG00000188976"
LETTERS = "".join(random.Random(13).choices("ACGT", k=300_000))
MD5 = hashlib.md5(LETTERS.encode()).hexdigest()
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def proxy(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx that runs the example, in front of a server of the demo catalogue with a genome."""
    directory = tmp_path_factory.mktemp("nginx")
    directory.chmod(0o755)
    data, source = directory / "data", directory / "one.fa"
    shutil.copytree(ROOT / "data", data)
    source.write_text(f">one\n{LETTERS}\n")
    imported = CliRunner().invoke(main, ["import", str(source), "--data", str(data), "--genome", "g"])
    assert imported.exit_code == 0, imported.output
    tls, plain = free_port(), free_port()
    upstream = urlsplit(serve(data, RNAGET_PUBLIC_URL=f"https://rna.example.org:{tls}")).netloc
    make_certificate(directory, "rna.example.org")
    with running(directory, site(directory, upstream, plain, tls), tls):
        yield tls


def ask(port: int, path: str, host: str = "rna.example.org", **options: object) -> requests.Response:
    """Ask the proxy by the name of the site, whose certificate is this test's own."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _NamedAdapter(host))
    method = str(options.pop("method", "GET"))
    headers = {"Host": f"{host}:{port}", **options.pop("extra", {})}  # type: ignore[dict-item]
    return session.request(
        method, f"https://127.0.0.1:{port}{path}", headers=headers, verify=False, timeout=60, **options
    )  # type: ignore[arg-type]


class _NamedAdapter(requests.adapters.HTTPAdapter):
    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, **kwargs, server_hostname=self._name, assert_hostname=False)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_tickets_through_the_proxy_have_the_address_that_clients_see(proxy: int) -> None:
    path = f"/rnaget/expressions/marioni_counts/ticket?featureIDList={GENES}"
    url = ask(proxy, path).json()["url"]
    assert url.startswith(f"https://rna.example.org:{proxy}/rnaget/")
    parts = urlsplit(url)
    reply = ask(proxy, f"{parts.path}?{parts.query}")
    assert (reply.status_code, reply.text.splitlines()[-1].split("\t")[0]) == (200, GENES)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_the_proxy_passes_parts_long_urls_and_long_bodies(proxy: int) -> None:
    path = "/rnaget/expressions/marioni_counts/bytes"
    many = ",".join([GENES, *(f"ENSX{number:011}" for number in range(2_000))])
    listed = ask(proxy, f"{path}?featureIDList={many}")
    assert listed.status_code == 200
    assert [line.split("\t")[0] for line in listed.text.splitlines() if line.startswith("ENSG")] == [GENES]
    ids = [GENES, *(f"ENSX{number:011}" for number in range(100_000, 200_000))]
    posted = ask(proxy, path, method="POST", json={"featureIDList": ids, "format": "tsv"})
    assert posted.status_code == 200
    assert ask(proxy, path, method="POST", data=b"x" * (33 << 20)).status_code == 413


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize("path", ["/sequence/", "/cram/md5/", "/ena/cram/md5/", "/ena/cram/sequence/"])
def test_the_second_request_for_a_sequence_is_answered_by_the_proxy(proxy: int, path: str) -> None:
    replies = [ask(proxy, path + MD5) for _ in range(2)]
    assert [reply.text for reply in replies] == [LETTERS] * 2
    assert [reply.headers["x-cache-status"] for reply in replies] == ["MISS", "HIT"]
    parts = [ask(proxy, f"{path}{MD5}?start=0&end=7") for _ in range(2)] if "sequence" in path else []
    assert [(part.text, part.headers["x-cache-status"]) for part in parts] == [(LETTERS[:7], "BYPASS")] * len(parts)
    ranged = ask(proxy, path + MD5, extra={"Range": "bytes=5-9"})
    assert (ranged.status_code, ranged.text, ranged.headers["x-cache-status"]) == (206, LETTERS[5:10], "BYPASS")
    fasta = ask(proxy, f"/sequence/{MD5}", extra={"Accept": "text/x-fasta"})
    assert fasta.text.startswith(">SQ.")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_other_names_are_not_served(proxy: int) -> None:
    with pytest.raises(requests.RequestException):
        ask(proxy, "/", host="evil.example.org")
