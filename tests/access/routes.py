"""Requests for every route of the server: those of the OpenAPI documents, and the pages.

A route is filled in with values for the parameters in its path, and is asked with each of some queries. A parameter or
a route that nothing here says anything of fails the tests: to add one, say what it is to be asked with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import quote

import yaml

from rnaget_server.catalog import Catalog
from rnaget_server.datasets.repository import View
from tests.access.marked import ABSENT, CHROMOSOME, PLACES, SHARED_SEQUENCE, own_sequence
from tests.conftest import ROOT

_FIELD = re.compile(r"\{([^}]+)\}|<(?:\w+:)?(\w+)>")
_DIGITS = str.maketrans("0123456789abcdef", "fedcba9876543210")


@dataclass(frozen=True)
class Request:
    """A request, the route that it is for, and the values of its path that are names of records."""

    route: str
    path: str
    names: tuple[str, ...] = ()
    query: str = ""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @property
    def url(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def words(self) -> str:
        """All that the client says."""
        return f"{self.url} {self.body or ''}"


def absent(name: str) -> str:
    """Return a name of the same form that nothing has."""
    if re.fullmatch("[0-9a-f]{32,}", name):
        return name.translate(_DIGITS)
    if "zq" in name:
        return re.sub("zq[a-y]x", ABSENT, name)
    return name[:3] + name[3:][::-1]  # a digest in base64


class Names:
    """The names by which records are asked for, by the names of parameters, from the view of an operator."""

    def __init__(self, view: View) -> None:
        catalog = view.catalog
        files = [id for id, file in catalog.files.items() if file.kind in ("matrix", "index")]
        matrices = [id for id in files if catalog.files[id].kind == "matrix"]
        letters = [SHARED_SEQUENCE, own_sequence("zqex"), own_sequence("zqgx")]
        stores = {genome.id: view.stores.open_genome(genome) for genome in catalog.genomes.values()}
        self.md5s = [hashlib.md5(text.encode()).hexdigest() for text in letters]
        collections = [store.collection() for store in stores.values()]
        self.files_of_marks = {mark: [id for id in files if mark in catalog.files[id].name] for mark in _marks()}
        self._of: dict[str, Sequence[str]] = {
            **{"projectId": list(catalog.projects), "studyId": list(catalog.studies)},
            **{"expressionId": list(catalog.matrices), "continuousId": list(catalog.track_sets)},
            **{"genome": list(catalog.genomes), "sequence": [], "md5": self.md5s},
            "sha1": [hashlib.sha1(text.encode()).hexdigest() for text in letters],
            **{key: [collection.digest for collection in collections] for key in ("digest", "first", "second")},
            "/seqcol/attribute": [collection.digests["names"] for collection in collections],
            **{"attribute": ["names"], "access_id": ["https"]},
            "checksum": [hashlib.md5(catalog.files[id].path.read_bytes()).hexdigest() for id in matrices],
            "accession": [*_accessions(catalog), *self.md5s],
            "/files/{id}": files,
            "/ga4gh/drs/v1": [*matrices, *catalog.bundles],
            "/reads": [id for kind, id in catalog.read_sets if kind == "reads"],
            "/variants": [id for kind, id in catalog.read_sets if kind == "variants"],
            "/sequence": [*self.md5s, *(f"{id}:chr-{id[2:]}" for id in stores), *(f"chr-{id[2:]}" for id in stores)],
            "/services": ["org.example"],
            "/genomes/{genome}/features/{name}": [f"gene-{mark}-1" for mark in _marks()],
            "/ena/taxonomy/rest/tax-id": ["7001001", "7001002"],
            "/ena/taxonomy/rest": [f"{mark} {what}" for mark in _marks() for what in ("sapiens", "animal")],
            **{"/matrices": list(catalog.matrices), "/studies/<id>": list(catalog.studies)},
            **{"/tracks": list(catalog.track_sets), "matrix": list(catalog.matrices)},
            "/samples": [f"sample-{mark}-1" for mark in _marks()],
            "/genes": [*(f"gene-{mark}-1" for mark in _marks()), "SYMZQOX1", "gene-of-all"],
            **{"number": ["0"], "/assets": ["plotly.js"], "/help": ["catalogue"], "directory": ["examples"]},
            "/help/source": ["none"],
            "/matrices/<id>/embeddings": ["umap"],
        }

    def of(self, route: str, parameter: str) -> Sequence[str]:
        """Return the names for a parameter: those of the longest part of the route that has some, or of its name."""
        if parameter in ("id", "name", "digest"):
            starts = [key for key in self._of if key.startswith("/") and route.startswith(key)]
            if starts:
                return self._of[max(starts, key=len)]
        return self._of[parameter]


def _marks() -> list[str]:
    return [place.mark for place in PLACES]


def _accessions(catalog: Catalog) -> Iterator[str]:
    yield from (*catalog.projects, *catalog.studies, *catalog.matrices)
    yield from (f"sample-{mark}-1" for mark in _marks())
    yield from (id for kind, id in catalog.read_sets if kind == "reads")


def documents() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the paths of all OpenAPI documents below each of their servers, with the operations."""
    for file in sorted((ROOT / "openapi").glob("*.yaml")):
        document = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for server in document["servers"]:
            for path, operations in document["paths"].items():
                yield f"{server['url'].rstrip('/')}{path}", operations


def requests_of(names: Names, pages: Sequence[str]) -> Iterator[Request]:
    """Yield requests for all routes, those of the pages by the rules of Flask."""
    for route, operations in documents():
        methods = [method for method in ("get", "post") if method in operations]
        for path, used in _paths(names, route):
            if "get" in methods:
                for query in queries(route):
                    yield Request(f"get {route}", path, used, query)
            if "post" in methods:
                for body in bodies(route, names):
                    yield Request(f"post {route}", path, used, body=body)
    for rule in pages:
        for path, used in _paths(names, rule):
            for query in queries(rule):
                yield Request(f"page {rule}", path, used, query, headers={"Accept": "text/html, */*;q=0.5"})


def _paths(names: Names, route: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    fields = [braces or angles for braces, angles in _FIELD.findall(route)]
    several = [names.of(route, name) for name in fields]
    for values in product(*several):
        if len({mark for value in values for mark in re.findall("zq[a-z]x", value.lower())}) > 1:
            continue  # of two records
        filled = iter(values)
        yield _FIELD.sub(lambda _, filled=filled: quote(next(filled), safe="/:"), route), values  # type: ignore[misc]


_SLICE = ("", "format=json")
_GRAPHQL = (
    "{genomes(by_keyword: {}) {genome_id name collection}}",
    *(
        f'{{genes(by_symbol: {{genome_id: "g-{mark}", symbol: "SYM{mark.upper()}1"}}) {{stable_id symbol}}}}'
        for mark in ("zqex", "zqgx")
    ),
)
_RESULTS = ("study", "sample", "read_run", "analysis", "sequence", "taxon", "read_study", "read_experiment")
_ANY = "study_accession=%22*%22"
_QUERIES: Mapping[str, Sequence[str]] = {
    "/rnaget/expressions/ticket": ("format=tsv", "format=json&studyID=s-zqox"),
    "/rnaget/expressions/bytes": ("format=tsv", "format=json", "format=tsv&featureIDList=gene-of-all"),
    "/rnaget/expressions/{expressionId}/bytes": ("format=tsv", "format=json", "summary=mean&group_by=zqox_tissue"),
    "/rnaget/expressions/{expressionId}/features": ("", "search=gene"),
    "/rnaget/expressions/{expressionId}/samples": ("", "search=sample"),
    "/rnaget/expressions/{expressionId}": _SLICE,
    "/rnaget/continuous/ticket": (f"format=tsv&chr={CHROMOSOME}&start=0&end=9",),
    "/rnaget/continuous/bytes": (f"format=tsv&chr={CHROMOSOME}&start=0&end=9",),
    "/rnaget/continuous/{continuousId}/bytes": (f"chr={CHROMOSOME}&start=0&end=9", "chr=chr9&start=0&end=9"),
    "/rnaget/continuous/{continuousId}/ticket": (f"chr={CHROMOSOME}&start=0&end=9",),
    "/rnaget/projects": ("", "tags=zqox-tag"),
    "/rnaget/studies": ("", "version=1.0"),
    "/rnaget/expressions/filters": ("", "type=feature"),
    "/ga4gh/drs/v1/service-info": ("", "version=1.5.0"),
    "/ga4gh/drs/v1/objects/{id}": ("", "expand=true"),
    "/files": ("", "format=tsv", "study=s-zqox&format=curl"),
    "/genomes/{genome}": ("", "page=1"),
    "/genomes/{genome}/genes": ("sequence=chr-zqex&start=0&end=60", "sequence=chr-zqgx&start=0&end=60"),
    "/genomes/{genome}/features": ("name=SYMZQEX1", "name=SYMZQGX1"),
    "/graphql": tuple(f"query={quote(query)}" for query in _GRAPHQL),
    "/reads/{id}": ("", f"referenceName={CHROMOSOME}&start=0&end=9", "class=header"),
    "/variants/{id}": ("", f"referenceName={CHROMOSOME}&start=0&end=9"),
    "/sequence/{id}": ("", "start=2&end=9"),
    "/seqcol/list/collection": ("", "names=x"),
    "/seqcol/collection/{digest}": ("", "level=1"),
    "/genes": ("", "ids=gene-of-all,gene-zqox-1"),
    "/genes.json": ("ids=gene-of-all,gene-zqox-1",),
    "/genes/<path:name>": ("", "format=json"),
    "/search": ("q=sample", "q=zq", "q=liver"),
    "/search/suggestions": ("q=sample", "q=zq", "q=gene", "q=liver"),
    "/readyz": ("", "verbose"),
    "/matrices/<id>/values": ("axis=sample&attribute=sample",),
    "/tracks/<id>": ("", f"region={CHROMOSOME}:1-9"),
    **{
        f"/ena/portal/api{version}/{route}": tuple(
            f"result={result}{more}" for result in _RESULTS for more in (all_of_them, "&query=description%3D%22*zq*%22")
        )
        for version in ("", "/v2.0")
        for route, all_of_them in (("search", "&format=json&fields=all&limit=0"), ("count", "&format=json"))
    },
    **{
        f"/ena/portal/api{version}/{route}": tuple(f"result={result}" for result in _RESULTS)
        for version in ("", "/v2.0")
        for route in ("searchFields", "returnFields")
    },
    **{
        f"/ena/portal/api{version}/filereport": tuple(
            f"accession={accession}&result={result}&format=json&fields=all"
            for accession in ("p-zqox", "s-zqox", "sample-zqox-1")
            for result in ("read_run", "analysis")
        )
        for version in ("", "/v2.0")
    },
}


def queries(route: str) -> Sequence[str]:
    """Return the queries that a route is asked with."""
    return _QUERIES.get(route, ("",))


def bodies(route: str, names: Names) -> Sequence[Any]:
    """Return the bodies that are posted to a route."""
    if route.startswith("/rnaget"):
        if "/continuous" in route:
            return ({"format": "tsv", "chr": CHROMOSOME, "start": 0, "end": 9},)
        return ({"format": "tsv"},) if route.endswith(("ticket", "bytes")) else ({},)
    if route.startswith("/ga4gh"):
        ids = names.files_of_marks["zqox"] + names.files_of_marks["zqax"]
        if route.endswith("/access"):
            return ({"bulk_object_access_ids": [{"bulk_object_id": id, "bulk_access_ids": ["https"]} for id in ids]},)
        return ({"bulk_object_ids": ids},) if route.endswith("/objects") else ({},)
    if route.startswith(("/reads", "/variants")):
        return ({"regions": [{"referenceName": CHROMOSOME, "start": 0, "end": 9}]},)
    if route == "/sequence/metadata":
        return ({"ids": names.md5s[:2]},)
    if route.startswith("/seqcol"):
        return ({"names": ["shared"], "lengths": [70], "sequences": ["SQ.x"]},)
    if route == "/graphql":
        return tuple({"query": query} for query in _GRAPHQL)
    return ()  # forms of the archive, which GET has as well
