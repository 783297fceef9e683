"""Data files that are rewritten in their place, with the same size: a running server sends what is in them now."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import client_of

URL = "/rnaget/expressions/m/bytes?format=tsv"
BEFORE = "gene\tS1\tS2\nA\t1\t2\nB\t3\t4\n"
_STUDY = "id: s\nexpressions:\n  - {id: m, file: m, units: TPM, feature_id: gene, sample_id: Sample}\n"


def _tables(text: str) -> tuple[list[str], list[str], np.ndarray]:
    head, *rows = (line.split("\t") for line in text.splitlines())
    return [row[0] for row in rows], head[1:], np.array([row[1:] for row in rows], np.float32)


def _native(path: Path, text: str) -> None:
    features, samples, cells = _tables(text)
    whole = bool((cells % 1 == 0).all())
    write_native(
        path,
        AxisTable("gene", {"gene": np.array(features, object)}),
        AxisTable("Sample", {"Sample": np.array(samples, object)}),
        [LayerSource("TPM", InMemory(cells), np.dtype(np.float32), whole)],
    )


def _loom(path: Path, text: str, **storage: object) -> None:
    features, samples, cells = _tables(text)
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=cells.astype(np.float32 if (cells % 1).any() else np.int32), **storage)
        file["row_attrs/gene"] = np.array(features, "S2")
        file["col_attrs/Sample"] = np.array(samples, "S2")


def _loom_in_chunks(path: Path, text: str) -> None:
    _loom(path, text, chunks=(1, 2))


@pytest.fixture(params=[_native, _loom, _loom_in_chunks])
def rewritten(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], None]:
    """Check the replies to a query before a file is rewritten in place, and to another one afterwards."""

    def check(after: str, first: str, second: str) -> None:
        study = tmp_path / "data" / "p" / "s"
        study.mkdir(parents=True)
        (tmp_path / "data" / "catalog.yaml").write_text("id: c\nname: C\n")
        (study.parent / "project.yaml").write_text("id: p\n")
        (study / "study.yaml").write_text(_STUDY)
        request.param(study / "m", BEFORE)
        request.param(tmp_path / "after", after)
        before, content = (study / "m").stat(), (tmp_path / "after").read_bytes()
        assert before.st_size == len(content)
        for client in client_of(tmp_path / "data"):
            reply = client.get(URL + first)
            assert reply.text == _wanted(BEFORE, first)
            with (study / "m").open("r+b") as file:
                file.write(content)
            os.utime(study / "m", ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
            assert (study / "m").stat().st_ino == before.st_ino
            again = client.get(URL + second, headers={"If-None-Match": reply.headers["ETag"]})
            assert (again.status_code, again.text) == (200, _wanted(after, second))
            assert again.headers["ETag"] != reply.headers["ETag"]

    return check


def _wanted(text: str, query: str) -> str:
    _, _, id = query.partition("=")
    return "".join(line for line in text.splitlines(True) if not id or line.startswith(("gene", id)))


def test_other_cells_and_samples(rewritten: Callable[[str, str, str], None]) -> None:
    rewritten("gene\tT1\tT2\nA\t5\t6\nB\t7\t8\n", "", "")


def test_other_features_are_found(rewritten: Callable[[str, str, str], None]) -> None:
    rewritten("gene\tS1\tS2\nC\t5\t6\nD\t7\t8\n", "&featureIDList=A", "&featureIDList=C")


def test_cells_of_another_type(rewritten: Callable[[str, str, str], None]) -> None:
    rewritten("gene\tS1\tS2\nA\t1.5\t2.5\nB\t3.5\t4.5\n", "", "")
