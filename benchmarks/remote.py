"""Out of object storage: one gene, 50 genes and whole matrices over HTTP, against the same files on the disk."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.client import Client, drained
from benchmarks.http import BIG, gene_targets
from benchmarks.material import Material, gene_ids
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import HOST, Server, free_port, rnaget
from benchmarks.weed import BUCKET, environment, running, weed_binary
from rnaget_server.catalog.object_storage import publish
from rnaget_server.catalog.offered import offered_id
from rnaget_server.delivery.stored_files import FILES_PATH

_GENES = 50
_SOME = 20
_FORMATS = ("tsv", "loom")
_WHOLE_REPEATS = 5
_KEPT = 1
_PAUSE = 0.3
_MOST, _LEAST_WHOLE = 3.0, 0.7
_COUNTED = re.compile(r"^rnaget_object_requests_total (\S+)$", re.MULTILINE)
_KEY = "made/gtex_like/big.h5"


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield each slice next to the same of a server on the disk, and what of it object storage is asked for."""
    binary = weed_binary()
    if binary is None or find_spec("obstore") is None:
        yield Note("remote: SeaweedFS (`weed`) or obstore is not installed")
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=material.directory)))
        data = _catalogue(material, directory / "catalogue")
        address = stack.enter_context(running(binary, directory))
        os.environ.update(environment(address))
        url = f"s3://{BUCKET}/catalogue"
        publish(data, url, False, lambda _: None)
        near = stack.enter_context(rnaget(data, material.log))
        metrics = free_port()
        # A slash would go where a path is made of it.
        settings = {"metrics_address": f"{HOST}:{metrics}", "cache_directory": str(directory / "cache")}
        far = stack.enter_context(rnaget(Path("s3:/", BUCKET, "catalogue"), material.log, 1, **settings))
        yield from _Measured(material, near, far, metrics, url).rows()


def _catalogue(material: Material, directory: Path) -> Path:
    """Return a catalogue of the large matrix alone."""
    study = directory / "made" / "gtex_like"
    study.mkdir(parents=True)
    for path in (material.catalogue / "catalog.yaml", material.catalogue / "made" / "project.yaml"):
        target = directory / path.relative_to(material.catalogue)
        target.write_bytes(path.read_bytes())
    record = yaml.safe_load((material.study / "study.yaml").read_text())
    big = next(one for one in record["expressions"] if one["id"] == "big")
    record["expressions"] = [big]
    (study / "study.yaml").write_text(yaml.safe_dump(record, sort_keys=False))
    os.link(material.native, study / material.native.name)
    return directory


class _Measured:
    """Both servers, and the objects as the library alone reads them."""

    def __init__(self, material: Material, near: Server, far: Server, metrics: int, url: str) -> None:
        self._material = material
        self._near, self._far = near, far
        self._metrics = metrics
        self._store = _store(url)

    def rows(self) -> Iterator[Row | Note]:
        """Yield the rows, and the requests to the store."""
        repeats = self._material.size.repeats
        ones = gene_targets(self._material, repeats + 2, "tsv", 21)
        ids, _ = gene_ids(self._material.size.shape[0])
        # No gene twice, since those that were asked for are kept.
        chosen = np.random.default_rng(22).permutation(len(ids))[: _GENES * (min(repeats, _SOME) + 2)]
        lists = (",".join(ids[one] for one in some) for some in chosen.reshape(-1, _GENES))
        some = [f"{BIG}tsv&featureIDList={genes}" for genes in lists]
        for what, targets in (("1 gene", ones), (f"{_GENES} genes", some)):
            yield from self._slices(what, targets)
        yield from self._again(some[1])
        yield from self._whole()

    def _slices(self, what: str, targets: list[str]) -> Iterator[Row | Note]:
        """Yield a slice whose cells nobody has asked for, as the labels and tables have been."""
        self._requests_of(targets[-1])
        asked = self._requests_of(targets[-2])
        with Client(self._near.port) as near, Client(self._far.port) as far:
            ways: dict[str, Callable[[int], object]] = {
                "far": lambda number: _after_a_while(far, targets[number]),
                "near": lambda number: _after_a_while(near, targets[number]),
            }
            taken = side_by_side(ways, len(targets) - 2)
        # The first of them was asked for to warm up, and may be kept.
        ours, theirs = (Figures(taken[name].values[_KEPT:]) for name in ("far", "near"))
        yield Row(f"{what}, all samples, TSV, from object storage", "from the disk", ours, theirs, most=_MOST)
        yield Note(f"remote: {what}: {asked} requests to the store")

    def _again(self, target: str) -> Iterator[Row | Note]:
        with Client(self._near.port) as near, Client(self._far.port) as far:
            ways: dict[str, Callable[[int], object]] = {
                "far": lambda _: far.get(target),
                "near": lambda _: near.get(target),
            }
            taken = side_by_side(ways, 10)
        yield Row(f"the same {_GENES} genes again", "from the disk", taken["far"], taken["near"])
        yield Note(f"remote: the same {_GENES} genes again: {self._requests_of(target)} requests to the store")

    def _whole(self) -> Iterator[Row | Note]:
        file = f"{FILES_PATH}/{offered_id('expressions', 'big')}"
        size = self._material.native.stat().st_size
        ways: dict[str, Callable[[int], object]] = {
            "far": lambda _: drained(self._far.port, file),
            "bare": lambda _: self._bare(size),
            "near": lambda _: drained(self._near.port, file),
        }
        taken = side_by_side(ways, max(_WHOLE_REPEATS, self._material.size.whole_repeats))
        what = "the whole file of the matrix, from object storage"
        yield Row(what, "the object alone, by its library", taken["far"], taken["bare"], least=_LEAST_WHOLE)
        yield Row(what, "from the disk", taken["far"], taken["near"])
        count = self._requests_while(lambda: drained(self._far.port, file))
        yield Note(f"remote: the whole file of {size / 1e6:.0f} MB: {count} requests to the store")
        for format in _FORMATS:
            yield from self._written(format)

    def _written(self, format: str) -> Iterator[Row | Note]:
        target = f"{BIG}{format}"
        ways: dict[str, Callable[[int], object]] = {
            "far": lambda _: drained(self._far.port, target),
            "near": lambda _: drained(self._near.port, target),
            "bare": lambda _: self._bare(self._material.native.stat().st_size),
        }
        taken = side_by_side(ways, max(_WHOLE_REPEATS, self._material.size.whole_repeats))
        what = f"the whole matrix as {format}, from object storage"
        yield Row(what, "from the disk", taken["far"], taken["near"])
        # To write numbers as text takes longer than to read them, from any place.
        least = 0 if format == "tsv" else _LEAST_WHOLE
        yield Row(what, "the object alone, by its library", taken["far"], taken["bare"], least=least)
        count = self._requests_while(lambda: drained(self._far.port, target))
        yield Note(f"remote: the whole matrix as {format}: {count} requests to the store")

    def _bare(self, size: int) -> None:
        import obstore

        if sum(map(len, obstore.get(self._store, _KEY).stream())) != size:
            raise RuntimeError("the object is cut off")

    def _requests_of(self, target: str) -> int:
        def ask() -> None:
            with Client(self._far.port) as client:
                client.get(target)

        return self._requests_while(ask)

    def _requests_while(self, work: Callable[[], object]) -> int:
        before = self._requests()
        work()
        return self._requests() - before

    def _requests(self) -> int:
        with Client(self._metrics) as client:
            found = _COUNTED.search(client.get("/metrics").body.decode())
        return int(float(found[1])) if found is not None else 0


def _after_a_while(client: Client, target: str) -> float:
    """Return the seconds of a request, once the server has written to its disk what it keeps of the last."""
    time.sleep(_PAUSE)
    began = time.perf_counter()
    client.get(target)
    return time.perf_counter() - began


def _store(url: str) -> Any:
    from obstore.store import from_url

    place: Any = url
    return from_url(place, client_options={"allow_http": True}, retry_config={"max_retries": 0})
