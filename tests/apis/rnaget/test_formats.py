"""Formats over HTTP: what is listed, what each is called, and what a server says that lacks a package."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import requests
import scipy.io
from scipy.sparse import csr_matrix
from starlette.testclient import TestClient

from tests.conftest import ROOT, client_of, import_matrix

FORMATS = ["tsv", "loom", "arrow", "h5ad", "json", "parquet", "tsv.gz", "tsv.zst"]
OF_MATRICES = ["arrow.long", "json.sparse", "mtx", "parquet.long", "tsv.long"]
BYTES = "/rnaget/expressions/marioni_counts/bytes"
MEDIA_TYPES = {
    "arrow": "application/vnd.apache.arrow.stream",
    "h5ad": "application/vnd.hdfgroup.hdf5",
    "parquet": "application/vnd.apache.parquet",
    "tsv.gz": "application/gzip",
    "tsv.zst": "application/zstd",
}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of the demo catalogue, which is not changed here."""
    yield from client_of(ROOT / "data")


@pytest.fixture
def table(client: TestClient) -> pd.DataFrame:
    """Some of the demo matrix as TSV."""
    text = client.get(BYTES, params={"Tissue": "Liver", "length_min": "5000", "format": "tsv"}).text
    return pd.read_csv(io.StringIO(text), sep="\t", index_col=0)


def get(client: TestClient, format: str) -> bytes:
    reply = client.get(BYTES, params={"Tissue": "Liver", "length_min": "5000", "format": format})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == MEDIA_TYPES[format]
    extension = "arrows" if format == "arrow" else format
    assert re.search(
        rf'filename="marioni_counts-Liver-5000-[0-9a-f]{{8}}\.{extension}"', reply.headers["content-disposition"]
    )
    return reply.content


def test_formats_are_listed_tsv_first(client: TestClient) -> None:
    assert client.get("/rnaget/expressions/formats").json() == [*FORMATS[:2], *sorted(FORMATS[2:] + OF_MATRICES)]
    tracks = client.get("/rnaget/continuous/formats").json()
    assert set(tracks) == {*FORMATS, "bedgraph", "bigwig"} and tracks[0] == "tsv"


def test_tables_are_those_of_tsv(client: TestClient, table: pd.DataFrame) -> None:
    assert len(table) > 100
    by_arrow = pa.ipc.open_stream(get(client, "arrow")).read_all().to_pandas()
    by_parquet = pd.read_parquet(io.BytesIO(get(client, "parquet")))
    for found in (by_arrow, by_parquet):
        found = found.set_index("gene_id")
        assert list(found.index) == list(table.index)
        assert np.array_equal(found[table.columns].to_numpy(np.float64), table.to_numpy(np.float64))
    for format, compression in (("tsv.gz", "gzip"), ("tsv.zst", "zstd")):
        found = pd.read_csv(io.BytesIO(get(client, format)), sep="\t", index_col=0, compression=compression)
        assert found.equals(table)


def test_h5ad_has_samples_as_rows(client: TestClient, table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "slice.h5ad").write_bytes(get(client, "h5ad"))
    found = anndata.read_h5ad(tmp_path / "slice.h5ad")
    assert list(found.obs_names) == list(table.columns)
    assert set(found.obs["Tissue"]) == {"Liver"}
    assert np.array_equal(found.X.T, table.to_numpy())
    assert found.uns["origin"]["expression"] == "marioni_counts"


@pytest.mark.parametrize("options", [(), ("--as-is",)], ids=["imported", "as it is"])
def test_sparse_cells_stay_sparse(shared_data: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    path = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    import_matrix(tmp_path / "data", path, "--id", "cells", "--units", "log", *options)
    source = anndata.read_h5ad(path)
    kept = source[
        (source.obs["cell_type"] == "malignant_93").to_numpy(), (source.var["chromosome"] == "chr7").to_numpy()
    ]
    for client in client_of(tmp_path / "data"):
        asked = {"cell_type": "malignant_93", "chromosome": "chr7", "format": "h5ad"}
        reply = client.get("/rnaget/expressions/cells/bytes", params=asked)
        (tmp_path / "slice.h5ad").write_bytes(reply.content)
    found = anndata.read_h5ad(tmp_path / "slice.h5ad")
    assert found.shape == kept.shape and min(found.shape) > 10
    assert isinstance(found.X, csr_matrix)
    assert np.array_equal(found.X.toarray(), kept.X.toarray())
    assert (list(found.obs_names), list(found.var_names)) == (list(kept.obs_names), list(kept.var_names))
    assert found.obs["cell_type"].tolist() == kept.obs["cell_type"].tolist()


@pytest.fixture(scope="module")
def cells(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of real single cells, stored sparse."""
    data = tmp_path_factory.mktemp("cells") / "data"
    path = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    import_matrix(data, path, "--id", "cells", "--units", "log")
    yield from client_of(data)


@pytest.fixture(scope="module")
def kept(shared_data: Path) -> anndata.AnnData:
    """Some of them, by anndata."""
    source = anndata.read_h5ad(shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad")
    return source[
        (source.obs["cell_type"] == "malignant_93").to_numpy(), (source.var["chromosome"] == "chr7").to_numpy()
    ]


ASKED = {"cell_type": "malignant_93", "chromosome": "chr7"}


def test_long_tables_have_the_cells_that_anndata_has(cells: TestClient, kept: anndata.AnnData) -> None:
    expected = kept.to_df().T.stack()
    expected = expected[expected != 0]
    readers = {
        "tsv.long": lambda data: pd.read_csv(io.BytesIO(data), sep="\t", float_precision="round_trip"),
        "parquet.long": lambda data: pd.read_parquet(io.BytesIO(data)),
        "arrow.long": lambda data: pa.ipc.open_stream(data).read_pandas(),
    }
    for format, read in readers.items():
        reply = cells.get("/rnaget/expressions/cells/bytes", params={**ASKED, "format": format})
        assert reply.status_code == 200 and ".long." in reply.headers["content-disposition"]
        found = read(reply.content)
        assert list(zip(found["feature"], found["sample"], strict=True)) == expected.index.tolist()
        assert np.array_equal(found["value"].to_numpy(np.float32), expected.to_numpy())
        ticket = cells.get("/rnaget/expressions/cells/ticket", params={**ASKED, "format": format}).json()
        assert ticket["fileType"] == format and f"format={format}" in ticket["url"]


def test_sparse_json_is_a_matrix_of_scipy(cells: TestClient, kept: anndata.AnnData) -> None:
    found = cells.get("/rnaget/expressions/cells/bytes", params={**ASKED, "format": "json.sparse"}).json()
    values = found["values"]
    matrix = csr_matrix((values["data"], values["indices"], values["indptr"]), found["shape"], np.float32)
    assert np.array_equal(matrix.toarray().T, kept.X.toarray())
    assert found["samples"]["attributes"][found["samples"]["id"]] == kept.obs_names.tolist()


def test_a_zip_of_matrixmarket_is_what_readers_of_10x_take(
    cells: TestClient, kept: anndata.AnnData, tmp_path: Path
) -> None:
    """Unzipped, as `scanpy.read_10x_mtx` reads it: by the usual names, genes as rows."""
    reply = cells.get("/rnaget/expressions/cells/bytes", params={**ASKED, "format": "mtx"})
    assert reply.headers["content-type"] == "application/zip"
    assert '.mtx.zip"' in reply.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"}
    matrix = scipy.io.mmread(tmp_path / "matrix.mtx.gz")
    features = pd.read_csv(tmp_path / "features.tsv.gz", sep="\t", header=None)
    barcodes = pd.read_csv(tmp_path / "barcodes.tsv.gz", header=None)
    assert np.array_equal(matrix.toarray().T.astype(np.float32), kept.X.toarray())
    assert (features[0].tolist(), barcodes[0].tolist()) == (kept.var_names.tolist(), kept.obs_names.tolist())
    assert set(features[2]) == {"Gene Expression"}


def test_an_alias_is_the_format_itself(client: TestClient) -> None:
    one, other = (client.get(BYTES, params={"format": name}) for name in ("h5ad", "anndata"))
    assert one.content == other.content
    assert one.headers["etag"] == other.headers["etag"]
    ticket = client.get(BYTES.replace("bytes", "ticket"), params={"format": "anndata"}).json()
    assert ticket["fileType"] == "h5ad" and "format=h5ad" in ticket["url"]


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_accept_chooses_a_format(client: TestClient, format: str) -> None:
    reply = client.get(BYTES, headers={"Accept": MEDIA_TYPES[format]})
    assert reply.headers["content-type"] == MEDIA_TYPES[format]
    plain = client.get(BYTES, params={"format": format}, headers={"Accept": "application/octet-stream"})
    assert plain.headers["content-type"] == "application/octet-stream"
    assert plain.content == reply.content


def test_a_server_without_pyarrow(serve: Callable[..., str], tmp_path: Path) -> None:
    """A whole server, in which Python finds no pyarrow."""
    (tmp_path / "sitecustomize.py").write_text("import sys\n\nsys.modules['pyarrow'] = None\n")
    root = serve(ROOT / "data", PYTHONPATH=str(tmp_path))
    for group in ("expressions", "continuous"):
        listed = requests.get(f"{root}/rnaget/{group}/formats", timeout=30).json()
        assert "h5ad" in listed and not {"parquet", "arrow", "parquet.long", "arrow.long"} & set(listed)
    for route in (BYTES, BYTES.replace("bytes", "ticket"), "/rnaget/expressions/bytes"):
        reply = requests.get(f"{root}{route}", params={"format": "parquet"}, timeout=30)
        assert reply.status_code == 400
        assert reply.json()["message"] == (
            "the format parquet needs pyarrow, which is not installed on this server: "
            "its provider can add it by pip install 'rnaget-server[arrow]'"
        )
    assert requests.get(f"{root}{BYTES}", params={"format": "bigwig"}, timeout=30).status_code == 400
    assert requests.get(f"{root}{BYTES}", params={"format": "h5ad"}, timeout=30).ok


def test_an_unknown_format_is_told_of_all(client: TestClient) -> None:
    for route in (BYTES, BYTES.replace("bytes", "ticket")):
        reply = client.get(route, params={"format": "parket"})
        assert reply.status_code == 400 and "parquet" in reply.json()["message"]


@pytest.fixture(scope="module")
def tracks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a set of three tracks."""
    data = tmp_path_factory.mktemp("tracks")
    (data / "p" / "s").mkdir(parents=True)
    (data / "catalog.yaml").write_text("id: c\nname: C\n")
    (data / "p" / "project.yaml").write_text("id: p\n")
    names = ["Chr18_MCF7_ER_1.bw", "Chr18_MCF7_ER_2.bw", "Chr18_MCF7_input.bw"]
    entries = "\n".join(f"      - {{sample: {name[11:-3]}, file: {name}}}" for name in names)
    (data / "p" / "s" / "study.yaml").write_text(
        f"id: s\ncontinuous:\n  - id: er\n    units: count\n    tracks:\n{entries}\n"
    )
    for name in names:
        shutil.copyfile(shared_data / "tracks" / "mcf7_er" / name, data / "p" / "s" / name)
    yield from client_of(data)


RANGE = {"chr": "chr18", "start": "76799800", "end": "76800800"}


def test_tracks_are_the_same_in_all_formats(tracks: TestClient, tmp_path: Path) -> None:
    def get(format: str) -> bytes:
        reply = tracks.get("/rnaget/continuous/er/bytes", params={**RANGE, "format": format})
        assert reply.status_code == 200, reply.text
        return reply.content

    table = pd.read_csv(io.BytesIO(get("tsv")), sep="\t", index_col=0, comment="#")
    assert table.shape == (3, 1000) and table.to_numpy().std() > 0
    for format, compression in (("tsv.gz", "gzip"), ("tsv.zst", "zstd")):
        found = pd.read_csv(io.BytesIO(get(format)), sep="\t", index_col=0, comment="#", compression=compression)
        assert found.equals(table)
    by_arrow = pa.ipc.open_stream(get("arrow")).read_all().to_pandas()
    by_parquet = pd.read_parquet(io.BytesIO(get("parquet")))
    (tmp_path / "slice.h5ad").write_bytes(get("h5ad"))
    by_anndata = anndata.read_h5ad(tmp_path / "slice.h5ad").to_df()
    for found in (by_arrow.set_index(by_arrow.columns[0]), by_parquet.set_index(by_parquet.columns[0]), by_anndata):
        assert list(found.index) == list(table.index)
        assert list(found.columns) == list(table.columns)
        assert np.array_equal(found.to_numpy(), table.to_numpy(np.float32), equal_nan=True)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_more_positions_than_columns_are_refused_before_anything_is_sent(tracks: TestClient, format: str) -> None:
    for route in ("bytes", "ticket"):
        asked = {"chr": "chr18", "start": "0", "end": "100001", "format": format}
        reply = tracks.get(f"/rnaget/continuous/er/{route}", params=asked)
        assert reply.status_code == 413
        assert "at most 30,000" in reply.json()["message"] and "bins" in reply.json()["message"]
        assert tracks.get(f"/rnaget/continuous/er/{route}", params={**asked, "bins": "500"}).status_code == 200


@pytest.mark.parametrize("format", ["h5ad", "loom"])
def test_compression_within_a_file(client: TestClient, format: str, tmp_path: Path) -> None:
    asked = {"Tissue": "Liver", "format": format}
    plain, none, packed = (
        client.get(BYTES, params=asked | given) for given in ({}, {"compression": "none"}, {"compression": "gzip"})
    )
    assert plain.status_code == packed.status_code == 200
    assert none.headers["etag"] == plain.headers["etag"] != packed.headers["etag"]
    assert none.content == plain.content and len(packed.content) < len(plain.content)
    for name in ("content-type", "content-disposition"):
        assert packed.headers[name] == plain.headers[name]
    assert client.post(BYTES, json=asked | {"compression": "gzip"}).content == packed.content
    part = client.get(BYTES, params=asked | {"compression": "gzip"}, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, packed.content[100:200])
    found = []
    for reply in (plain, packed):
        path = tmp_path / "file"
        path.write_bytes(reply.content)
        with h5py.File(path) as file:
            cells = file["X" if format == "h5ad" else "matrix"]
            found.append((cells.compression, cells[()]))
    assert [compression for compression, _ in found] == [None, "gzip"]
    assert np.array_equal(found[0][1], found[1][1])
    ticket = client.get(f"{BYTES.removesuffix('bytes')}ticket", params=asked | {"compression": "gzip"}).json()
    assert hashlib.md5(client.get(ticket["url"]).content).hexdigest() == ticket["md5"]
    assert client.get(ticket["url"]).content == packed.content


def test_compression_is_refused_where_there_is_none(client: TestClient) -> None:
    for format, compression, message in (
        ("tsv", "gzip", "compression is for loom and h5ad, not for tsv: leave it out"),
        ("parquet", "none", "compression is for loom and h5ad, not for parquet: leave it out"),
        ("h5ad", "zstd", "compression"),
    ):
        reply = client.get(BYTES, params={"format": format, "compression": compression})
        assert reply.status_code == 400 and message in reply.json()["message"]
    joined = client.get("/rnaget/expressions/bytes", params={"format": "csv", "compression": "gzip"})
    assert joined.status_code == 400


def test_compression_is_for_the_format_that_accept_names(client: TestClient) -> None:
    params = {"featureIDList": "ENSG00000188976", "compression": "gzip"}
    reply = client.get(BYTES, params=params, headers={"Accept": "application/x-hdf5"})
    assert reply.status_code == 200, reply.text
    assert reply.content[:4] == b"\x89HDF"
    assert client.get(BYTES, params=params, headers={"Accept": "text/tab-separated-values"}).status_code == 400
