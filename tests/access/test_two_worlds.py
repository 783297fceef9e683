"""Hidden things have no effect: two catalogues that differ in nothing else are answered alike, bytes and headers.

That is more than that no mark of them is in a reply: it holds for counts, lengths, orders, suggestions and links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from rnaget_server.datasets.repository import open_repository
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import Settings
from tests.access.marked import PEOPLE, hidden_from
from tests.access.routes import Names, requests_of
from tests.access.worlds import (
    MARK,
    VISIBLE_END,
    Asked,
    Worlds,
    reply_of,
    worlds,
    write_records,
    write_regions,
    write_samples,
)
from tests.datasets.masked_material import KINDS
from tests.writers.readers import READERS

Made = Callable[[str], tuple[Path, Path]]
PAGE = {"headers": {"Accept": "text/html"}}
REGISTRY = Registry(WRITERS)
FORMATS = [format for format in READERS if "expressions" in REGISTRY[format].groups]
IDS = ("case-00", "case-0", f"case-{MARK}-0", f"case-{MARK}0-0", f"case-{MARK}0-9", f"case-{MARK}")
SELECTIONS = (
    *("", "tissue=liver", f"tissue={MARK}0+organ", f"tissue={MARK}+organ", f"tissue={MARK}0+orga", "tissu=liver"),
    *("consent=secret", "consent=secre", f"donor=d{MARK}0", "age_min=50", "age=95", "age_max=22", "units=count"),
    *(f"sampleIDList={id}" for id in IDS),
    *(f"sampleIDList_not={IDS[3]}", "featureIDList=G3,G4", "featureIDList=G7", "featureIDList=G99"),
    *("top=2", "feature_min_value=1", "feature_max_value=4", "feature_min_value=60", "feature_max_value=1000"),
    *(f"group_by={name}&summary=mean,max,n" for name in ("tissue", "donor", "consent", "age")),
    *("summary=mean,median,min,max,std,sum,fraction_nonzero,n", "top=2&group_by=tissue"),
)


def share(requests: list[Asked], least: int) -> list[Asked]:
    """All requests in the long run, else some of them."""
    once = list({json.dumps(request): request for request in requests}.values())
    step = 1 if hypothesis.settings().max_examples >= 100 else max(1, len(once) // least)
    return once[::step]


def of_matrix(id: str) -> Iterator[str]:
    data, page = f"/rnaget/expressions/{id}", f"/matrices/{id}"
    yield from (f"{data}/bytes?format=tsv&{selection}" for selection in SELECTIONS)
    yield from (f"{data}/ticket?format=h5ad&{selection}" for selection in SELECTIONS[:9])
    for format in FORMATS:
        yield f"{data}/bytes?format={format}"
        yield f"{data}/bytes?format={format}&featureIDList=G3,G5&tissue=liver"
    for asked in ("", *(f"search={word}" for word in ("case", MARK, "organ", "d")), "limit=3", "offset=11&limit=2"):
        yield f"{data}/samples?{asked}"
    yield from (f"{data}/features", f"{data}/info", data)
    yield from (f"{page}?{selection}" for selection in SELECTIONS)
    for name in ("sample", "tissue", "donor", "consent", "age", "tsne_1", "tissu"):
        yield f"{page}/values?axis=sample&attribute={name}"
        yield f"{page}/cells/groups?attribute={name}"
        yield f"{page}/cells?by={name}"
        yield f"/genes/G3?matrix={id}&group_by={name}"
        yield f"/genes/G7?matrix={id}&group_by={name}&format=json"
        yield f"/genes?matrix={id}&ids=G3,G7,G1&group_by={name}"
        yield f"/genes.json?matrix={id}&ids=G3,G7,G1&group_by={name}"
    yield from (f"{page}/embeddings/{name}" for name in ("X_umap", "tsne", "pca"))
    yield from (f"{page}/cells/values?gene={gene}" for gene in ("G3", "G4", "G7"))
    yield from (f"{page}/cells/{number}" for number in (0, 3, 11, 12, 16))
    yield from (f"/samples/{id}/{sample}" for sample in IDS)


def of_all() -> Iterator[str]:
    yield from (f"/rnaget/expressions/bytes?format=tsv&{selection}" for selection in SELECTIONS)
    yield from (f"/rnaget/expressions/bytes?format={format}" for format in FORMATS)
    yield from (
        "/",
        "/rnaget",
        "/studies/s",
        "/files",
        "/files?format=tsv",
        "/readyz?verbose",
        "/status",
        "/robots.txt",
    )
    yield from ("/rnaget/expressions/filters", "/rnaget/expressions/info", "/rnaget/studies", "/genes/G3", "/genes/G7")
    for word in ("case", MARK, f"{MARK}0", "organ", "secret", "9", f"d{MARK}", *IDS):
        yield from (f"/search?q={word}", f"/search/suggestions?q={word}")
    for result in ("study", "sample", "analysis"):
        for query in ("", "&fields=all", "&query=study_accession=%22s%22", f"&query=sample_accession=%22*{MARK}*%22"):
            yield from (f"/ena/portal/api/{route}?result={result}&format=json{query}" for route in ("search", "count"))
    for id in (*IDS, *KINDS):
        yield f"/ena/portal/api/filereport?accession={id}&result=analysis&format=json&fields=all"
        yield from (f"/ena/browser/api/{kind}/{id}" for kind in ("xml", "text", "summary"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Makes the worlds whose samples are hidden, by what others see of them; tests only read them."""

    @cache
    def made(others_see: str) -> tuple[Path, Path]:
        directory = tmp_path_factory.mktemp("samples")
        return write_samples(directory / "0", 0, others_see), write_samples(directory / "1", 1, others_see)

    return made


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The worlds whose regions are hidden."""
    directory = tmp_path_factory.mktemp("regions")
    return write_regions(directory / "0", 0), write_regions(directory / "1", 1)


@pytest.mark.parametrize("others_see", ["omit", "NaN"])
def test_hidden_samples_have_no_effect(others_see: str, samples: Made) -> None:
    urls = [*(url for id in KINDS for url in of_matrix(id)), *of_all()]
    asked = share([("GET", url, {} if url.startswith(("/rnaget/", "/ena")) else PAGE) for url in urls], 60)
    with worlds(*samples(others_see)) as both:
        assert not both.differences(ANYONE, asked)
        assert both.differences(Principal("ann", frozenset(("grant-a",))), asked[:30]), "the worlds are the same"


@pytest.mark.parametrize("limit", [{"max_cells": 100}, {"max_bytes": 1500}])
def test_limits_and_what_they_advise_know_nothing_of_hidden_samples(limit: dict[str, int], samples: Made) -> None:
    asked: list[Asked] = []
    for id in KINDS:
        data = f"/rnaget/expressions/{id}/bytes"
        asked += [("GET", f"{data}?format={format}", {}) for format in ("tsv", "json", "h5ad", "loom")]
        asked += [("GET", f"{data}?format=tsv&{part}", {}) for part in ("tissue=liver", "top=2", "group_by=tissue")]
        asked += [("GET", url, PAGE) for url in (f"/matrices/{id}", f"/genes/G3?matrix={id}&group_by=tissue")]
    asked += [("GET", "/rnaget/expressions/bytes?format=tsv", {})]
    with worlds(*samples("omit"), **limit) as both:
        assert not both.differences(ANYONE, asked)
        assert sum(both.one.get(url).status_code == 413 for _, url, _ in asked) > 5


def near(url: str, hidden: list[str]) -> Iterator[str]:
    """Yield addresses of what has almost the name of something hidden, for which others may be suggested."""
    if any(mark in url for mark in hidden):
        yield re.sub("(zq[a-y])x", r"\1z", url)
        yield url.replace("zq", "Zq")


@pytest.mark.parametrize("who", [who for who in PEOPLE if who not in ("operator", "both grants")])
def test_hidden_records_have_no_effect(who: str, tmp_path: Path) -> None:
    principal = PEOPLE[who]
    hidden = [place.mark for place in hidden_from(principal)]
    made = write_records(tmp_path, hidden)
    view = open_repository(Settings(data=made[0], reload_seconds=0)).visible_to(OPERATOR)
    pages = ("/", "/rnaget", "/search", "/studies/<id>", "/matrices/<id>", "/tracks/<id>", "/genes/<path:name>")
    pages += ("/search/suggestions", "/samples/<matrix>/<path:id>", "/status", "/readyz", "/matrices/<id>/values")
    asked: list[Asked] = []
    for request in requests_of(Names(view), pages):
        more = {"headers": dict(request.headers)} | ({"json": request.body} if request.body is not None else {})
        asked.append((request.method, request.url, more))
        asked += [(request.method, url, more) for url in near(request.url, hidden)]
        if request.method == "GET":
            asked.append(("HEAD", request.url, more))
    for mark in ("zqox", *hidden):
        words = (
            mark,
            mark[:3],
            f"sample-{mark}",
            f"SYM{mark.upper()}",
            f"{mark} sapiens",
            f"m-{mark}",
            f"{mark} paper",
        )
        asked += [("GET", f"/search{route}?q={word}", PAGE) for word in words for route in ("", "/suggestions")]
        names = {"featureIDList": f"gene-{mark}-9", "sampleIDList": f"sample-{mark}-1", "studyID": f"s-{mark}"}
        names |= {
            "units": f"{mark}-unit",
            f"{mark}_tissue": f"{mark} live",
            f"{mark}_tissu": "x",
            "tags": f"{mark}-tag",
        }
        routes = ("/rnaget/expressions/bytes", "/rnaget/expressions/m-zqox/bytes", "/rnaget/expressions/filters")
        routes += ("/rnaget/projects", "/rnaget/studies")
        asked += [("GET", f"{route}?{name}={value}", {}) for route in routes for name, value in names.items()]
    # It knows the checksums of files that somebody has asked for, and these are of visible ones as well.
    asked = [request for request in asked if "/checksum/" not in request[1]]
    with worlds(*made, max_inline_bytes=0) as both:
        assert not both.differences(principal, share(asked, 60))


def region_requests() -> Iterator[str]:
    beyond = VISIBLE_END + 1
    regions = ["", "&class=header", "&referenceName=chr1", "&referenceName=chr2&start=0&end=10", "&referenceName=*"]
    ends = [(0, VISIBLE_END), (0, beyond), (100, 200), (990, VISIBLE_END), (5, 5), (VISIBLE_END, beyond)]
    regions += [f"&referenceName=chr1&start={start}&end={end}" for start, end in ends]
    regions += ["&referenceName=chr3", "&referenceName=chr1&start=700&end=900&fields=QNAME,POS"]
    for format, kind in (("BAM", "reads"), ("CRAM", "reads"), ("VCF", "variants"), ("BCF", "variants")):
        yield from (f"/{kind}/a?format={format}{region}" for region in regions)
    yield from ("/studies/s", "/files", "/", "/readyz?verbose", f"/search?q={MARK}0")
    yield from (f"/ena/portal/api/search?result={result}&format=json&fields=all" for result in ("read_run", "analysis"))


def sent_by_tickets(both: Worlds, url: str) -> None:
    """Check the bytes behind the URLs of a ticket."""
    tickets = [client.get(url).json()["htsget"]["urls"] for client in (both.one, both.other)]
    for one, other in zip(*tickets, strict=True):
        if not one["url"].startswith("data:"):
            replies = [client.get(part["url"]) for client, part in ((both.one, one), (both.other, other))]
            assert replies[0].status_code == 200 and MARK.encode() not in replies[0].content
            assert reply_of(replies[0]) == reply_of(replies[1]), url


@pytest.mark.parametrize("inline", [0, 1 << 20])
def test_hidden_regions_have_no_effect(inline: int, regions: tuple[Path, Path]) -> None:
    asked: list[Asked] = [(method, url, {}) for url in region_requests() for method in ("GET", "HEAD")]
    with worlds(*regions, max_inline_bytes=inline) as both:
        for principal in (ANYONE, Principal("somebody")):
            assert not both.differences(principal, asked)
        given = [url for _, url, _ in asked if "format=" in url and both.one.get(url).status_code == 200]
        assert len(given) > 15
        for url in dict.fromkeys(given):
            if not url.startswith("/ena"):
                sent_by_tickets(both, url)
        assert both.differences(OPERATOR, asked), "the worlds are the same"
