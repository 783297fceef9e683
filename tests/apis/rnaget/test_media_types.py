"""The media type of a reply is the one that Accept and the format lead to, and its bytes are of that type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyBigWig
import pytest
from starlette.testclient import TestClient

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory, example_axes, example_cells
from tests.conftest import client_of, new_study

ANY_BYTES = "application/octet-stream"
# Format: its media type, another name of that, and how a reply begins.
MATRIX_FORMATS = {
    "tsv": ("text/tab-separated-values", "application/tab-separated-values", b"gene\t"),
    "json": ("application/json", None, b"{"),
    "loom": ("application/vnd.loom", None, b"\x89HDF\r\n"),
    "h5ad": ("application/vnd.hdfgroup.hdf5", "application/x-hdf5", b"\x89HDF\r\n"),
    "parquet": ("application/vnd.apache.parquet", None, b"PAR1"),
    "arrow": ("application/vnd.apache.arrow.stream", None, b"\xff\xff\xff\xff"),
    "tsv.gz": ("application/gzip", "application/x-gzip", b"\x1f\x8b"),
    "tsv.zst": ("application/zstd", None, b"\x28\xb5\x2f\xfd"),
}
# Formats of matrices with the media type of another, which is the one that Accept chooses.
OTHER_FORMATS = {
    "tsv.long": (*MATRIX_FORMATS["tsv"][:2], b"feature\tsample\tvalue\n"),
    "json.sparse": MATRIX_FORMATS["json"],
    "parquet.long": MATRIX_FORMATS["parquet"],
    "arrow.long": MATRIX_FORMATS["arrow"],
}
TRACK_FORMATS = {
    **MATRIX_FORMATS,
    "tsv": (*MATRIX_FORMATS["tsv"][:2], b"#labels\t"),
    "bedgraph": ("text/x-bedgraph", None, b"# continuous: "),
    "bigwig": ("application/x-bigwig", None, b"\x26\xfc\x8f\x88"),
}
ROUTES = {
    "/rnaget/expressions/m/bytes?sampleIDList=S%200": {**MATRIX_FORMATS, "mtx": ("application/zip", None, b"PK")},
    "/rnaget/expressions/bytes?sampleIDList=S%200": {**MATRIX_FORMATS, **OTHER_FORMATS},
    "/rnaget/continuous/t/bytes?chr=chr1&start=0&end=40": TRACK_FORMATS,
    "/rnaget/continuous/bytes?chr=chr1&start=0&end=40": TRACK_FORMATS,
}
CASES = [(route, format) for route, formats in ROUTES.items() for format in formats]
JSON_TYPES = [
    "application/vnd.ga4gh.rnaget.v1.2.0+json",
    "application/vnd.ga4gh.rnaget.v1.1.0+json",
    "application/vnd.ga4gh.rnaget.v1.0.0+json",
    "application/json",
    "text/html",
]
JSON_ROUTES = ["projects", "studies/s", "expressions/formats", "expressions/m/ticket", "continuous/t/ticket", "nothing"]
_STUDY = """\
id: s
expressions:
  - {id: m, file: m.h5, units: TPM, feature_id: gene, sample_id: sample}
continuous:
  - {id: t, units: depth, tracks: [{sample: A, file: a.bw}]}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a catalogue with a matrix and a track."""
    data = tmp_path_factory.mktemp("types")
    study = new_study(data, _STUDY)
    _write_matrix(study / "m.h5")
    with pyBigWig.open(str(study / "a.bw"), "w") as file:
        file.addHeader([("chr1", 100)])
        file.addEntries("chr1", 10, values=[1.0, 2.5], span=10, step=10)
    yield from client_of(data)


def _write_matrix(path: Path) -> None:
    features, samples = example_axes()
    units, cells, whole = example_cells()[0]
    plain = AxisTable("gene", {name: column for name, column in features.columns.items() if name != "story"})
    write_native(path, plain, samples, [LayerSource(units, InMemory(cells), cells.dtype, whole)])


@pytest.mark.parametrize(("route", "format"), CASES, ids=[f"{format} {route[8:30]}" for route, format in CASES])
def test_a_named_format_has_its_type_or_is_bytes_where_accept_says_so(
    client: TestClient, route: str, format: str
) -> None:
    own, synonym, begin = ROUTES[route][format]
    expected = {
        None: own,
        "*/*": own,
        own: own,
        own.upper(): own,
        f"{own.partition('/')[0]}/*": own,
        "image/png, */*;q=0.1": own,
        f"{ANY_BYTES};q=0.5, {own}": own,
        f"{own};q=0, {ANY_BYTES}": ANY_BYTES,
        f"{own};q=0.5, {ANY_BYTES}": ANY_BYTES,
        ANY_BYTES: ANY_BYTES,
        f"*/*;q=0.1, {ANY_BYTES}": ANY_BYTES,
    }
    if synonym is not None:  # one name goes out for both
        expected[synonym] = own
    for accept, media_type in expected.items():
        reply = client.get(f"{route}&format={format}", headers={"Accept": accept or ""})
        assert reply.status_code == 200, reply.text
        assert _type_of(reply.headers) == media_type, accept
        assert reply.content.startswith(begin), accept
        assert "Accept" in reply.headers["Vary"]
    for accept in ("image/png", f"{own};q=0", "application/vnd.ga4gh.rnaget.v1.2.0+json"):
        assert client.get(f"{route}&format={format}", headers={"Accept": accept}).status_code == 406, accept


@pytest.mark.parametrize("route", [route for route in ROUTES if "s/bytes" not in route])
def test_without_a_format_accept_chooses_it(client: TestClient, route: str) -> None:
    for own, synonym, begin in ROUTES[route].values():
        for accept in filter(None, (own, synonym, f"image/png, {own}")):
            reply = client.get(route, headers={"Accept": accept})
            assert reply.status_code == 200, reply.text
            assert _type_of(reply.headers) == own
            assert reply.content.startswith(begin), accept
    for accept, media_type in (("*/*", "text/tab-separated-values"), (ANY_BYTES, ANY_BYTES)):
        reply = client.get(route, headers={"Accept": accept})
        assert _type_of(reply.headers) == media_type
        assert reply.content.startswith(ROUTES[route]["tsv"][2])


@pytest.mark.parametrize("route", JSON_ROUTES)
def test_json_has_the_type_that_accept_names(client: TestClient, route: str) -> None:
    for media_type in JSON_TYPES:
        for accept in (media_type, f"image/png, {media_type}", f"*/*;q=0.1, {media_type};q=0.2"):
            reply = client.get(f"/rnaget/{route}", headers={"Accept": accept})
            assert _type_of(reply.headers) == media_type, accept
            assert reply.text.startswith("<!doctype html>" if media_type == "text/html" else ("{", "["))
    for accept in ("*/*", ""):
        assert _type_of(client.get(f"/rnaget/{route}", headers={"Accept": accept}).headers) == JSON_TYPES[0]


def _type_of(headers: object) -> str:
    return str(headers["content-type"]).partition(";")[0]  # type: ignore[index]
