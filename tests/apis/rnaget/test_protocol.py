"""The requirements of HTTP for every address: methods, conditions, slashes, pages of lists, and names of files."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.conftest import ROOT, client_of

MATRIX = "/rnaget/expressions/marioni_counts"
BYTES = f"{MATRIX}/bytes"
DOCUMENT = yaml.load((ROOT / "openapi" / "rnaget.yaml").read_text(), yaml.CSafeLoader)
IDS = {"projectId": "demo", "studyId": "marioni", "expressionId": "marioni_counts", "continuousId": "none"}
ROUTES = {
    "/rnaget" + re.sub(r"\{(\w+)\}", lambda match: IDS[match[1]], path): {method.upper() for method in operations}
    for path, operations in DOCUMENT["paths"].items()
}
PAGES = ["/", "/docs", "/rnaget", "/healthz", "/readyz", "/robots.txt", "/favicon.svg", "/favicon.ico"]
PAGES += ["/static/site.css", "/static/docs.css", "/rnaget/openapi.json", "/rnaget/openapi.yaml"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    for client in client_of(ROOT / "data"):
        client.follow_redirects = False
        yield client


def allowed(value: str) -> set[str]:
    return {method.strip() for method in value.split(",")}


@pytest.mark.parametrize("path", [*ROUTES, *PAGES])
def test_allow_lists_exactly_the_methods_that_work(client: TestClient, path: str) -> None:
    url = f"{path}?format=tsv" if path.endswith("/bytes") or path.endswith("/ticket") else path
    options = client.options(url)
    assert options.status_code in (200, 204)
    methods = allowed(options.headers["Allow"])
    works = {method for method in METHODS if client.request(method, url).status_code != 405}
    assert methods == {*works, "OPTIONS"}
    assert works == {"HEAD", *ROUTES.get(path, {"GET"})} or path not in ROUTES
    for method in set(METHODS) - works:
        refused = client.request(method, url, headers={"Origin": "https://page.example"})
        assert (refused.status_code, allowed(refused.headers["Allow"])) == (405, methods)
        assert refused.headers["Access-Control-Allow-Origin"] == "*"


def test_an_address_that_is_none_has_no_methods(client: TestClient) -> None:
    for method in ("GET", "OPTIONS", "PUT"):
        reply = client.request(method, "/rnaget/nothing")
        assert (reply.status_code, "message" in reply.json(), "Allow" in reply.headers) == (404, True, False)
        elsewhere = client.request(method, "/nothing", headers={"Accept": "text/html"})
        assert (elsewhere.status_code, elsewhere.headers["Content-Type"][:9]) == (404, "text/html")
        assert "Accept" in elsewhere.headers["Vary"]


@pytest.mark.parametrize("path", [*ROUTES, *PAGES, f"{BYTES}?format=loom", f"{BYTES}?nonsense=1", "/nothing"])
def test_head_has_the_headers_of_get(client: TestClient, path: str) -> None:
    url = f"{path}?format=tsv" if path in ("/rnaget/expressions/bytes", "/rnaget/expressions/ticket") else path
    got, head = client.get(url), client.head(url)
    assert (head.status_code, head.content) == (got.status_code, b"")
    without = {"date", "expires", "x-request-id"}
    assert {name: value for name, value in head.headers.items() if name not in without} == {
        name: value for name, value in got.headers.items() if name not in without
    }


@pytest.mark.parametrize("prefix", ["", "/deep/down"])
@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_slashes_at_the_end_lead_where_none_do(demo: Path, prefix: str, slash: str) -> None:
    app = create_app(Settings(data=demo))
    with TestClient(app, root_path=prefix, follow_redirects=False) as client:
        for path in ("/rnaget/projects", "/rnaget/openapi.json", "/docs", "/healthz", "/static/site.css", BYTES):
            plain, reply = client.get(prefix + path), client.get(f"{prefix}{path}{slash}")
            assert (reply.status_code, reply.content) == (200, plain.content)
        moved = client.get(f"{prefix}/rnaget{slash}?page=1")
        assert (moved.status_code, moved.headers["Location"]) == (302, f"{prefix}/?page=1")
        assert client.get(moved.headers["Location"]).status_code == 200
        assert client.get(f"{prefix}/rnaget{slash}").headers["Location"] == f"{prefix}/"


@pytest.mark.parametrize(
    ("settings", "root_path", "asked", "address"),
    [
        ({}, "", "", "http://testserver"),
        ({}, "/deep", "/deep", "http://testserver/deep"),
        ({"public_url": "https://rna.example.org/deep"}, "", "", "https://rna.example.org/deep"),
        ({"public_url": "https://rna.example.org/rnaget"}, "", "", "https://rna.example.org/rnaget"),
    ],
)
def test_addresses_below_a_prefix(
    demo: Path, settings: dict[str, str], root_path: str, asked: str, address: str
) -> None:
    prefix = urlsplit(address).path
    app = create_app(Settings(data=demo, **settings))  # type: ignore[arg-type]
    with TestClient(app, root_path=root_path, follow_redirects=False) as client:
        page = client.get(f"{asked}/docs").text
        (document,) = set(re.findall(r'data-spec="([^"]*)"', page))
        assert document == f"{prefix}/rnaget/openapi.json"
        assert client.get(f"{asked}/rnaget/openapi.json").json()["servers"] == [{"url": f"{prefix}/rnaget"}]
        ticket = client.get(f"{asked}{MATRIX}/ticket?format=tsv").json()["url"]
        assert ticket == f"{address}{BYTES}?format=tsv"
        for path in ("/rnaget", "/sequence", "/seqcol"):
            assert client.get(f"{asked}{path}/service-info").json()["documentationUrl"] == f"{address}/docs"
        for path in ("/rnaget/projects", "/rnaget/projects/none", "/rnaget/none"):
            shown = client.get(asked + path, headers={"Accept": "text/html"}).text
            assert f'href="{prefix}/static/site.css"' in shown
            assert f"{address}{path}" in shown
        assert client.get(f"{asked}/rnaget").headers["Location"] == f"{prefix}/"


def test_conditions_on_downloads_and_files(client: TestClient) -> None:
    for url in (BYTES, f"{BYTES}?format=loom", f"{MATRIX}?featureIDList=ENSG00000188976", "/static/site.css"):
        reply = client.get(url)
        tag = reply.headers["ETag"]
        for method in ("GET", "HEAD"):
            for headers, status in (
                ({"If-Match": tag}, 200),
                ({"If-Match": "*"}, 200),
                ({"If-Match": f'"other", {tag}'}, 200),
                ({"If-Match": '"other"'}, 412),
                ({"If-Match": f"W/{tag}"}, 412),
                ({"If-Unmodified-Since": formatdate(0, usegmt=True)}, 412),
                ({"If-Unmodified-Since": formatdate(4e9, usegmt=True)}, 200),
                ({"If-Unmodified-Since": "some day"}, 200),
                ({"If-Match": tag, "If-Unmodified-Since": formatdate(0, usegmt=True)}, 200),
                ({"If-Match": tag, "If-None-Match": tag}, 304),
                ({"If-Match": '"other"', "If-None-Match": tag}, 412),
                ({"If-Match": '"other"', "Range": "bytes=0-1"}, 412),
                ({"If-Match": tag, "Range": "bytes=0-1"}, 206 if method == "GET" else 200),
            ):
                conditional = client.request(method, url, headers=headers)
                if url.startswith("/static") and status in (206, 200) and "Range" in headers:
                    assert conditional.status_code in (200, 206)
                    continue
                assert conditional.status_code == status, (url, method, headers)
                if status == 412 and method == "GET":
                    assert "message" in conditional.json()
                if status == 304:
                    assert conditional.headers["ETag"] == tag
                    for name in ("Vary", "Cache-Control"):
                        assert conditional.headers.get(name) == reply.headers.get(name)
    assert client.get("/rnaget/expressions/none/bytes", headers={"If-Match": '"x"'}).status_code == 404


def test_a_changed_catalogue_is_a_change(demo: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    for client in client_of(demo, reload_seconds=0.001):
        now = {"If-Unmodified-Since": formatdate(usegmt=True)}
        assert client.get(BYTES, headers=now).status_code == 200
        time.sleep(1.1)
        study.write_text(study.read_text().replace("labels: [gene_id]", "labels: [gene_id, Chr]"))
        client.get("/rnaget/projects")
        assert client.get(BYTES, headers=now).status_code == 412


def test_lines_of_one_header_are_joined(client: TestClient) -> None:
    tag = client.get(BYTES).headers["ETag"]
    for headers, status in (
        ([("If-None-Match", '"x"'), ("If-None-Match", tag)], 304),
        ([("If-Match", '"x"'), ("If-Match", tag)], 200),
        ([("Accept", "image/png"), ("Accept", "text/tab-separated-values")], 200),
        ([("Accept", "image/png"), ("Accept", "image/gif")], 406),
    ):
        assert client.get(BYTES, headers=headers).status_code == status
    reply = client.get("/rnaget/projects", headers=[("Accept", "image/png"), ("Accept", "application/json")])
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
    page = client.get("/nothing", headers=[("Accept", "image/png"), ("Accept", "text/html")])
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused(client: TestClient, coding: str) -> None:
    for path in (BYTES, f"{MATRIX}/ticket", f"{MATRIX}/samples", "/rnaget/projects"):
        reply = client.post(path, content=b"\x1f\x8b...", headers={"Content-Encoding": coding})
        assert (reply.status_code, reply.headers["Accept-Encoding"]) == (415, "identity")
        assert "Content-Encoding" in reply.json()["message"]


def test_a_body_that_says_it_is_plain_is_taken(client: TestClient) -> None:
    reply = client.post(BYTES, json={"format": "tsv"}, headers={"Content-Encoding": "identity"})
    assert (reply.status_code, reply.content) == (200, client.get(BYTES).content)


def links(header: str) -> dict[str, str]:
    return {relation: url for url, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', header)}


@pytest.mark.parametrize("by_post", [False, True])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (f"{MATRIX}/samples", {"limit": 3}),
        (f"{MATRIX}/samples", {"limit": 2, "Tissue": "Liver", "_": "a,b"}),
        (f"{MATRIX}/features", {}),
        (f"{MATRIX}/features", {"limit": 1, "featureIDList": ["ENSG00000188976", "ENSG00000187634", "none,such"]}),
    ],
)
def test_pages_of_a_list_lead_to_all_of_it(client: TestClient, path: str, asked: dict, by_post: bool) -> None:
    everything = client.post(path, json={**asked, "limit": 0}).json()
    page = client.post(path, json=asked) if by_post else client.get(path, params=asked)
    found, before = [*page.json()["data"]], None
    assert len(found) == asked.get("limit", 100) < everything["total"] == page.json()["total"]
    while "next" in page.json():
        url = page.json()["next"]
        assert links(page.headers["Link"])["next"] == url
        page, before = client.get(url), page
        found += page.json()["data"]
        assert client.get(links(page.headers["Link"])["prev"]).json()["data"] == before.json()["data"]
        assert client.get(links(page.headers["Link"])["first"]).json()["data"] == found[: len(before.json()["data"])]
    assert found == everything["data"]
    assert "next" not in everything and "next" not in links(page.headers["Link"])
    assert page.headers.get("RNAget-Missing") == (before.headers.get("RNAget-Missing") if before else None)


@pytest.mark.parametrize("list", [f"{MATRIX}/samples", f"{MATRIX}/features"])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_beyond_the_end_the_previous_page_is_the_last(client: TestClient, list: str, limit: int) -> None:
    everything = client.get(f"{list}?limit=0").json()
    last = everything["data"][(everything["total"] - 1) // limit * limit :]
    for offset in (everything["total"] + limit, 2**31 - 1):
        page = client.get(f"{list}?offset={offset}&limit={limit}")
        assert page.json()["data"] == [] and "next" not in page.json()
        assert client.get(links(page.headers["Link"])["prev"]).json()["data"] == last


def test_links_name_the_address_that_clients_see(demo: Path) -> None:
    for client in client_of(demo, public_url="https://rna.example.org/deep"):
        reply = client.get("/rnaget/expressions/marioni_counts/samples/?limit=1&Tissue=Liver")
        address = f"https://rna.example.org/deep{MATRIX}/samples?Tissue=Liver&offset=1&limit=1"
        assert (reply.json()["next"], links(reply.headers["Link"])) == (address, {"next": address})
        assert "Link" in client.get(BYTES, headers={"Origin": "https://x.org"}).headers["Access-Control-Expose-Headers"]


def test_matrices_are_listed_by_pages(demo: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    text = study.read_text()
    entry = text[text.index("  - id:") :]
    study.write_text(text.rstrip("\n") + "\n" + entry.replace("marioni_counts\n", "second\n", 1))
    for client in client_of(demo):
        reply = client.get("/rnaget/expressions/info?limit=1&studyID=marioni").json()
        assert parse_qs(urlsplit(reply["next"]).query) == {"studyID": ["marioni"], "offset": ["1"], "limit": ["1"]}
        assert [matrix["id"] for matrix in client.get(reply["next"]).json()["data"]] == ["second"]


def names(reply: object) -> tuple[str, str]:
    """Return the two names of a file in a reply, decoded."""
    header = reply.headers["Content-Disposition"]  # type: ignore[attr-defined]
    plain = re.fullmatch(
        r"(?:attachment|inline); filename=\"([A-Za-z0-9._+-]+)\"(?:; filename\*=UTF-8''(\S+))?", header
    )
    assert plain is not None, header
    return plain[1], unquote(plain[2] or plain[1])


def test_every_slice_has_a_name_of_its_own(client: TestClient) -> None:
    ids = ",".join(f"ENSG{number:011}" for number in range(188_000, 189_000))
    queries = [
        *("featureIDList=ENSG00000188976", "featureIDList=ENSG00000187634", "featureIDList=ENSG00000188976&top=5"),
        *(
            "featureIDList=ENSG00000188976,ENSG00000187634",
            "featureIDList=ENSG00000188976,none",
            f"featureIDList={ids}",
        ),
        *("Tissue=Liver", "Tissue=Kidney", "Tissue_not=Liver", "group_by=Tissue", "group_by=Tissue&summary=max"),
        *(
            "feature_min_value=5",
            "feature_max_value=5",
            "units=counts",
            "Tissue=Liver,%2F..%2Fetc",
            "Tissue=Liver,%22%0d%0a",
        ),
    ]
    found = {}
    for query in queries:
        reply = client.get(f"{BYTES}?{query}")
        assert reply.status_code == 200, reply.text
        name = names(reply)[0]
        assert name.startswith("marioni_counts-") and name.endswith(".tsv") and len(name) <= 80
        assert ".." not in name
        assert names(client.get(f"{BYTES}?format=tsv&{query}&_=7")) == names(reply)
        assert names(client.get(f"{BYTES}?format=tsv.gz&{query}"))[0] == f"{name}.gz"
        found[name] = query
    assert len(found) == len(queries)
    assert names(client.get(f"{BYTES}?featureIDList=ENSG00000188976"))[0].startswith("marioni_counts-ENSG00000188976-")


def test_a_whole_matrix_is_called_by_its_id(client: TestClient) -> None:
    for query in ("", "?format=tsv", "?_=1"):
        assert names(client.get(BYTES + query)) == ("marioni_counts.tsv", "marioni_counts.tsv")
    assert names(client.get(f"{BYTES}?format=loom"))[0] == "marioni_counts.loom"


def test_other_letters_are_in_the_other_name(client: TestClient) -> None:
    plain, full = names(client.get(f"{BYTES}?Tissue=Liver,%C3%A9t%C3%A9&sampleIDList_not=%E8%82%9D%2Cx"))
    assert plain.isascii() and "肝_x" in full and full.isprintable()


def test_names_of_searches_and_of_orders(client: TestClient) -> None:
    search = "/rnaget/expressions/bytes?format=tsv"
    assert names(client.get(f"{search}&Tissue=Liver")) != names(client.get(f"{search}&Tissue=Kidney"))
    same = {
        names(client.get(f"{BYTES}?{query}"))
        for query in ("Tissue=Liver&sampleIDList=R1L2Liver,R1L4Liver", "sampleIDList=R1L4Liver,R1L2Liver&Tissue=Liver")
    }
    assert len(same) == 1
