"""The file of a matrix is replaced while the server runs: all pages that show values show the new ones."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pandas as pd
from starlette.testclient import TestClient

from tests.conftest import client_of, import_matrix

GENES = ["G1", "G2", "G3"]
OLD = pd.DataFrame([[1.5, 2.5, 3.5, 4.5], [10, 20, 30, 40], [7, 7, 7, 7]], GENES, ["a1", "a2", "b1", "b2"], float)
NEW = pd.DataFrame([[111.5, 2.25, 113.5, 4.25], [10, 20, 30, 41], [8, 8, 8, 9]], GENES, ["a1", "a2", "c1", "c2"], float)


def imported(directory: Path, frame: pd.DataFrame) -> Path:
    """Import a matrix whose samples have the first letters of their names as tissue; return the file that is served."""
    directory.mkdir()
    frame.rename_axis("gene").to_csv(directory / "m.tsv", sep="\t")
    tissues = pd.DataFrame({"tissue": [name[0] for name in frame]}, frame.columns)
    tissues.rename_axis("sample").to_csv(directory / "samples.tsv", sep="\t")
    options = ("--id", "m", "--units", "TPM", "--samples", str(directory / "samples.tsv"))
    import_matrix(directory / "data", directory / "m.tsv", *options)
    return directory / "data" / "p" / "s" / "m.h5"


def tables(client: TestClient, path: str) -> list[pd.DataFrame]:
    reply = client.get(path, headers={"Accept": "text/html"})
    assert reply.status_code == 200, reply.text
    return pd.read_html(io.StringIO(reply.text))


def check(client: TestClient, frame: pd.DataFrame) -> str:
    """Compare the values on all pages with those of a frame; return the entity tag of the values of a gene."""
    tissues = [name[0] for name in frame]
    grouped = frame.T.groupby(tissues)
    gene = tables(client, "/genes/G1?group_by=tissue")[0].set_index("tissue")
    assert gene["median"].to_dict() == grouped["G1"].median().to_dict()
    assert gene["max"].to_dict() == grouped["G1"].max().to_dict()
    genes = tables(client, "/genes?ids=G1,G2,G3&matrix=m&group_by=tissue")[0].set_index("Gene")
    expected = grouped.median().T
    assert {name.split()[0] for name in genes.columns} == set(tissues)
    for name in genes:
        assert genes[name].loc[GENES].tolist() == expected[name.split()[0]].tolist()
    matrix = tables(client, "/matrices/m")[0].set_index("gene")
    pd.testing.assert_frame_equal(matrix, frame, check_names=False, check_dtype=False)
    sample = tables(client, f"/samples/m/{frame.columns[2]}")[-1].set_index("Feature")["TPM"]
    assert sample.sort_index().tolist() == frame[frame.columns[2]].tolist()
    return client.get("/genes/G1?group_by=tissue&format=json").headers["ETag"]


def test_pages_show_the_new_values(tmp_path: Path) -> None:
    served, other = imported(tmp_path / "old", OLD), imported(tmp_path / "new", NEW)
    for client in client_of(tmp_path / "old" / "data", reload_seconds=0):
        first = check(client, OLD)
        assert check(client, OLD) == first
        shutil.copy(other, served.with_suffix(".part"))
        os.replace(served.with_suffix(".part"), served)
        assert check(client, NEW) != first
        stale = client.get("/genes/G1?group_by=tissue&format=json", headers={"If-None-Match": first})
        assert stale.status_code == 200 and stale.json()["groups"][0]["max"] == 113.5
        assert client.get("/samples/m/b1", headers={"Accept": "text/html"}).status_code == 404
