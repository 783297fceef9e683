"""Import and read a sparse matrix far larger than the memory that is measured; print the peak in MB. Run by a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rnaget_server.importers.matrices.job import run_import
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.stores.h5ad import H5adStore
from rnaget_server.stores.native.sparse import NativeSparseStore

SAMPLES, FEATURES, STORED = 20_000, 30_000, 600


def main(directory: Path) -> None:
    source = directory / "big.h5ad"
    write(source)
    data = directory / "data"
    request = MatrixRequest(data=data, project="p", study="s", id="m", units="u", source=source)
    run_import(request, lambda _: None)
    served = H5adStore(source, "u")
    native = NativeSparseStore(data / "p" / "s" / "m.h5")
    for store in (served, native):
        assert total(store.blocks("u")) == FEATURES * SAMPLES
        assert total(piece.data for piece in store.sparse("u").compressed_along("samples")) == SAMPLES * STORED
    # What `resource` says includes the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) >> 10)


def total(arrays: Iterator[Any]) -> int:
    return sum(array.size for array in arrays)


def write(path: Path) -> None:
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "shape": (SAMPLES, FEATURES)})
        matrix["indptr"] = np.arange(SAMPLES + 1) * STORED
        indices = matrix.create_dataset("indices", SAMPLES * STORED, np.int32, chunks=(1 << 16,))
        values = matrix.create_dataset("data", SAMPLES * STORED, np.float32, chunks=(1 << 16,))
        for start in range(0, SAMPLES * STORED, 500 * STORED):
            steps = random.integers(1, FEATURES // STORED + 1, (500, STORED), np.int32)
            indices[start : start + steps.size] = steps.cumsum(axis=1).ravel() - 1
            values[start : start + steps.size] = random.random(steps.size, np.float32)
        for axis, size in (("obs", SAMPLES), ("var", FEATURES)):
            file.create_group(axis).attrs.update({"_index": "_index", "column-order": []})
            file[f"{axis}/_index"] = np.array([f"{axis}{number}" for number in range(size)], "S")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
