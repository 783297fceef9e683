"""Holds openapi/rnaget.yaml against the facts of RNAget 1.2.0, both ways."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from rnaget_server.http.rate_limit import LIMIT_HEADERS

ROOT = Path(__file__).parent.parent
FACTS: dict[str, Any] = json.loads((ROOT / "tests/data/rnaget-1.2.0.json").read_text(encoding="utf-8"))
DOCUMENT: dict[str, Any] = yaml.load((ROOT / "openapi/rnaget.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)

ROUTES = sorted(FACTS["routes"])

# What the document has beyond the facts. Anything else is an error.
OF_THE_NEXT_VERSION = (
    *("/expressions/info", "/expressions/{expressionId}", "/expressions/{expressionId}/info"),
    *("/expressions/{expressionId}/features", "/expressions/{expressionId}/samples"),
)
POSTED = (
    *("/projects", "/studies", "/expressions/info", "/expressions/{expressionId}"),
    *("/expressions/{expressionId}/features", "/expressions/{expressionId}/samples"),
    *(f"/expressions/{part}{what}" for part in ("", "{expressionId}/") for what in ("ticket", "bytes")),
    *(f"/continuous/{part}{what}" for part in ("", "{continuousId}/") for what in ("ticket", "bytes")),
)
EXTRA_ROUTES = {("get", path) for path in OF_THE_NEXT_VERSION} | {("post", path) for path in POSTED}
EXTRA_ERRORS = {"400", "401", "403", "404", "406", "413", "429", "503"}
EXTRA_OF_BYTES = {"206", "403", "412", "416"}
EXTRA_MEDIA = {
    "json": {"application/vnd.ga4gh.rnaget.v1.2.0+json"},
    "bytes": {
        *("application/json", "application/gzip", "application/zstd", "application/vnd.hdfgroup.hdf5"),
        *("application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"),
    },
}
EXTRA_TRACK_MEDIA = {"text/x-bedgraph", "application/x-bigwig"}
EXTRA_MATRIX_MEDIA = {"application/zip"}
TRACKS = "/continuous/"
BY_ID_DATA = re.compile(r"/(expressions|continuous)/\{\w+\}/(ticket|bytes)")
EXTRA_BY_ID = {"format": {"in": "query", "required": False, "type": "string"}}
COMPRESSION = {"in": "query", "required": False, "type": "string"}
TRACK_DATA = re.compile(r"/continuous/(\{\w+\}/)?(ticket|bytes)")
EXTRA_OF_TRACKS = {
    "compression": COMPRESSION,
    "bins": {"in": "query", "required": False, "type": "integer", "format": "int32", "minimum": 1},
    "summary": {"in": "query", "required": False, "type": "string"},
    "approximate": {"in": "query", "required": False, "type": "boolean"},
    "units": FACTS["parameters"]["units"],
    "sampleIDList": FACTS["parameters"]["sampleIDList"],
}
MATRIX_DATA = re.compile(r"/expressions/(\{\w+\}/)?(ticket|bytes)")
EXTRA_OF_MATRICES = {
    "compression": COMPRESSION,
    "group_by": {"in": "query", "required": False, "type": "string"},
    "summary": {
        "in": "query",
        "required": False,
        "type": "array",
        "items": "string",
        "style": "form",
        "explode": False,
    },
    "top": {"in": "query", "required": False, "type": "integer", "format": "int32", "minimum": 1},
}
EXTRA_PROPERTIES = {"project": {"tags"}, "study": {"license", "tags"}, "ticket": {"sequenceCollection"}}


def resolved(part: Any) -> Any:
    """Follow a $ref inside the document."""
    while isinstance(part, dict) and "$ref" in part:
        target: Any = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def operation(path: str) -> dict[str, Any]:
    return dict(DOCUMENT["paths"][path]["get"])


def parameters(path: str) -> dict[str, dict[str, Any]]:
    item = DOCUMENT["paths"][path]
    listed = [resolved(one) for one in [*item.get("parameters", []), *item["get"].get("parameters", [])]]
    assert len({one["name"] for one in listed}) == len(listed)
    return {one["name"]: as_fact(one) for one in listed}


def as_fact(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    fact = {"in": parameter["in"], "required": parameter.get("required", False), "type": schema["type"]}
    fact |= {key: schema[key] for key in ("format", "minimum") if key in schema}
    if schema["type"] == "array":
        fact |= {"items": schema["items"]["type"], "style": parameter["style"], "explode": parameter["explode"]}
    return fact


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_document_is_valid_openapi() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["servers"][0]["url"] == "/rnaget"
    assert DOCUMENT["info"]["version"] == FACTS["version"]


def test_document_has_nothing_a_template_engine_would_read() -> None:
    text = (ROOT / "openapi/rnaget.yaml").read_text(encoding="utf-8")
    assert not re.search(r"\{\{|\{%|\{#", text)


def test_routes_are_those_of_the_standard() -> None:
    routes = {(method, path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"}
    assert routes == {("get", path) for path in ROUTES} | EXTRA_ROUTES


@pytest.mark.parametrize("path", ROUTES)
def test_parameters(path: str) -> None:
    expected = {name: FACTS["parameters"][name] for name in FACTS["routes"][path]["parameters"]}
    if BY_ID_DATA.fullmatch(path):
        expected |= EXTRA_BY_ID
    if TRACK_DATA.fullmatch(path):
        expected |= EXTRA_OF_TRACKS
    if MATRIX_DATA.fullmatch(path):
        expected |= EXTRA_OF_MATRICES
    assert parameters(path) == expected


@pytest.mark.parametrize("path", ROUTES)
def test_path_parameters_are_declared(path: str) -> None:
    in_path = {name for name, fact in parameters(path).items() if fact["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", path))


@pytest.mark.parametrize("path", ROUTES)
def test_responses(path: str) -> None:
    fact = FACTS["routes"][path]
    responses = {status: set(resolved(one)["content"]) for status, one in operation(path)["responses"].items()}
    kind = fact["media"]
    own = (EXTRA_TRACK_MEDIA if path.startswith(TRACKS) else EXTRA_MATRIX_MEDIA) if kind == "bytes" else set()
    assert responses.pop("200") == set(FACTS["media"][kind]) | EXTRA_MEDIA[kind] | own
    required = {str(status) for status in fact["errors"]}
    if kind == "bytes":
        assert set(responses) >= EXTRA_OF_BYTES
        required |= EXTRA_OF_BYTES
        assert responses.pop("206") == set(resolved(operation(path)["responses"]["200"])["content"])
        required -= {"206"}
    assert required <= set(responses) <= required | EXTRA_ERRORS
    for media in responses.values():
        assert media == set(FACTS["media"]["json"]) | EXTRA_MEDIA["json"]


@pytest.mark.parametrize("path", ROUTES)
def test_scopes_are_noted(path: str) -> None:
    assert operation(path)["x-scopes"] == FACTS["routes"][path]["scopes"]
    assert "security" not in operation(path)


@pytest.mark.parametrize("path", ROUTES)
def test_operation_id_is_the_path_of_its_handler(path: str) -> None:
    group = path.split("/")[1].replace("-", "_")
    name = snake_case(FACTS["routes"][path]["operationId"])
    assert operation(path)["operationId"] == f"rnaget_server.apis.rnaget.{group}.{name}"


@pytest.mark.parametrize("path", ROUTES)
def test_operation_id_imports(path: str) -> None:
    module, _, name = operation(path)["operationId"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("path", ROUTES)
def test_operations_are_described(path: str) -> None:
    assert operation(path)["summary"]
    assert operation(path)["description"]
    assert len(operation(path)["tags"]) == 1


@pytest.mark.parametrize("name", sorted(FACTS["schemas"]))
def test_schemas(name: str) -> None:
    schema, fact = DOCUMENT["components"]["schemas"][name], FACTS["schemas"][name]
    if "properties" not in fact:
        assert len(schema["allOf"]) == 2
        assert resolved(schema["allOf"][1]["properties"]["supported"]) is DOCUMENT["components"]["schemas"]["Supported"]
        return
    extra = EXTRA_PROPERTIES.get(name, set())
    properties = {key: resolved(one)["type"] for key, one in schema["properties"].items()}
    assert {key: type_ for key, type_ in properties.items() if key not in extra} == fact["properties"]
    assert extra <= set(properties)
    assert schema.get("required", []) == fact["required"]


@pytest.mark.parametrize("path", POSTED)
def test_by_post_everything_is_as_by_get(path: str) -> None:
    got, posted = operation(path), DOCUMENT["paths"][path]["post"]
    module, _, name = posted["operationId"].rpartition(".")
    handlers = importlib.import_module(module)
    assert getattr(handlers, name) is getattr(handlers, name.replace("post_", "get_"))
    assert posted["operationId"].replace(".post_", ".get_") == got["operationId"]
    unlike = {"415": {"$ref": "#/components/responses/UnsupportedCoding"}}
    assert posted["responses"] == {**got["responses"], **unlike}
    assert posted["x-scopes"] == got["x-scopes"]
    assert list(resolved(posted["requestBody"])["content"]) == ["application/json"]
    in_path = [one for one in got.get("parameters", []) if resolved(one)["in"] == "path"]
    assert posted.get("parameters", []) == in_path


def test_no_component_is_unused() -> None:
    text = json.dumps(DOCUMENT)
    assert [scheme for each in DOCUMENT["security"] for scheme in each] == list(
        DOCUMENT["components"]["securitySchemes"]
    )
    for kind, parts in DOCUMENT["components"].items():
        for name in parts if kind != "securitySchemes" else ():
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name} is used nowhere"


@pytest.mark.parametrize("file", sorted((ROOT / "openapi").glob("*.yaml")), ids=lambda file: str(file.stem))
def test_every_operation_may_be_refused_as_one_too_many(file: Path) -> None:
    document = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    validate(document)
    operations = [each for item in document["paths"].values() for each in item.values() if isinstance(each, dict)]
    assert operations
    for each in operations:
        assert each["responses"]["429"] == {"$ref": "#/components/responses/TooManyRequests"}, each["operationId"]
    assert set(document["components"]["responses"]["TooManyRequests"]["headers"]) == set(LIMIT_HEADERS)


def test_own_table_equals_the_full_fact_sheet() -> None:
    """The table in tests/data says the same as the sheet it was made from, where that is at hand."""
    sheet = Path(__file__).parents[2] / "shared" / "design" / "rnaget-1.2.0-contract.json"
    if not sheet.is_file():
        pytest.skip("the full sheet of facts on RNAget 1.2.0 is not at hand")
    full = json.loads(sheet.read_text(encoding="utf-8"))
    assert {f"GET {path}": expanded(fact) for path, fact in FACTS["routes"].items()} == full["routes"]
    assert FACTS["schemas"] == full["schemas"]


def expanded(fact: dict[str, Any]) -> dict[str, Any]:
    errors = {str(status): FACTS["media"]["json"] for status in fact["errors"]}
    return {
        "operationId": fact["operationId"],
        "parameters": [{"name": name, **FACTS["parameters"][name]} for name in fact["parameters"]],
        "responses": {"200": FACTS["media"][fact["media"]], **errors},
        "scopes": fact["scopes"],
    }
