"""The time of one request by stages. Each stage is measured by itself; what they leave of the whole is `other`.

What sending costs is measured by a server that does nothing else, with replies as long; what routing costs, by a route
that has next to nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import numpy as np

from benchmarks.client import Client, connected
from benchmarks.floor import Floor
from benchmarks.http import BIG, request
from benchmarks.material import UNITS, Material
from benchmarks.measure import Figures, Row, side_by_side
from benchmarks.memory import by_orjson
from benchmarks.servers import Server, bare, rnaget
from rnaget_server.datasets.repository import open_repository
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.stores.native.dense import NativeStore

STAGES = {
    "send": "HTTP parsed, reply sent",
    "routing": "Connexion, our layers",
    "validation": "parameters parsed",
    "lookup": "ids looked up, slice described",
    "read": "pread of the chunks",
    "decode": "Blosc",
    "select": "rows picked and put in order",
    "serialise": "text written",
    "other": "delivery, headers, further layers",
}


_WHOLE = "the first 400 MiB of the whole matrix, TSV"
_PART = 400 << 20
_STAGES_OF_WHOLE = {
    "blocks": "pread, Blosc",
    "orjson": "orjson.dumps of the rows, which holds the interpreter's lock",
    "lines": "labels and tabs",
    "sending": "HTTP, and waiting for the lock",
}
_LITTLE = "/rnaget/expressions/formats"


@dataclass(frozen=True)
class _Kind:
    what: str
    features: int
    samples: int
    format: str


_KINDS = (
    _Kind("1 gene, TSV", 1, 0, "tsv"),
    _Kind("1 gene × 10 samples, TSV", 1, 10, "tsv"),
    _Kind("50 genes × 1,000 samples, TSV", 50, 1000, "tsv"),
    _Kind("1 sample, loom", 0, 1, "loom"),
)


def rows(material: Material) -> Iterator[Row]:
    """Yield, for some requests, each stage against the whole."""
    with rnaget(material.catalogue, material.log) as ours, bare(material.log, None, "benchmarks.bare:plain") as sent:
        taken = [_stages(material, kind, ours, sent) for kind in _KINDS]
        taken.append(_whole_matrix(material, ours))
    for what, (whole, stages) in zip([*(kind.what for kind in _KINDS), _WHOLE], taken, strict=True):
        for stage, seconds in stages.items():
            description = (STAGES | _STAGES_OF_WHOLE)[stage]
            yield Row(f"time of {what}: {stage}", f"whole request ({description})", Figures((seconds,)), whole)


def _stages(material: Material, kind: _Kind, ours: Server, sent: Server) -> tuple[Figures, dict[str, float]]:
    """Return the time of whole requests, and the seconds of each stage."""
    store = NativeStore(material.native)
    view = open_repository(Settings(data=material.catalogue)).visible_to()
    writer = Registry(WRITERS)[kind.format]()
    floor = Floor(material.native)
    random = np.random.default_rng(8)
    repeats = material.size.repeats
    features = [_some(random, store.shape[0], kind.features) for _ in range(repeats)]
    samples = [_some(random, store.shape[1], kind.samples) for _ in range(repeats)]
    queries = []
    for rows, columns in zip(features, samples, strict=True):
        parts = [f"format={kind.format}"]
        for name, axis, attribute, some in (
            ("featureIDList", store.features, "GeneID", rows),
            ("sampleIDList", store.samples, "Sample", columns),
        ):
            parts += [] if some is None else [f"{name}={','.join(axis.column(attribute, some))}"]
        queries.append("&".join(parts))
    parsed = [parse_matrix_query(parse_qsl(query), ()) for query in queries]
    slices = [slice_by_id(view, "big", query).slice for query in parsed]
    read = [floor.without_decoding(*asked) for asked in zip(features, samples, strict=True)]
    decoded = [floor.reader(*asked) for asked in zip(features, samples, strict=True)]
    for one in read:
        one()
    size = sum(map(len, writer.write(slices[0]).chunks))
    with Client(ours.port) as client, Client(sent.port) as sends:
        little = len(client.get(_LITTLE).body)
        # Each asks for other cells than the one before, so that none finds them in the processor's cache.
        third = repeats // 3
        ways: dict[str, Callable[[int], object]] = {
            "whole": lambda n: client.get(BIG + queries[n].removeprefix("format=")),
            "send": lambda _: sends.get(f"/large?size={size}"),
            "routing": lambda _: client.get(_LITTLE),
            "little": lambda _: sends.get(f"/large?size={little}"),
            "validation": lambda n: parse_matrix_query(parse_qsl(queries[n]), ()),
            "lookup": lambda n: slice_by_id(view, "big", parsed[n]),
            "read": lambda n: read[n - third](),
            "decode": lambda n: decoded[n](),
            "select": lambda n: sum(
                block.size for block in store.blocks(UNITS, features[n - third], samples[n - third])
            ),
            "serialise": lambda n: sum(map(len, writer.write(slices[n]).chunks)),
        }
        taken = side_by_side(ways, repeats)
    seconds = {name: figures.median for name, figures in taken.items()}
    # What comes later contains what was measured before it.
    for outer, inner in (("serialise", "select"), ("select", "decode"), ("decode", "read"), ("routing", "little")):
        seconds[outer] = max(0.0, seconds[outer] - seconds[inner])
    seconds["other"] = max(0.0, seconds["whole"] - sum(seconds[stage] for stage in STAGES if stage != "other"))
    return taken["whole"], {stage: seconds[stage] for stage in STAGES}


def _whole_matrix(material: Material, ours: Server) -> tuple[Figures, dict[str, float]]:
    """Return the time of the first part of a download of everything as TSV, and the seconds of each stage."""
    store = NativeStore(material.native)
    view = open_repository(Settings(data=material.catalogue)).visible_to()
    slice = slice_by_id(view, "big", parse_matrix_query([("format", "tsv")], ())).slice
    writer = Registry(WRITERS)["tsv"]()
    lines = sum(chunk.count(b"\n") for chunk in _first(writer.write(slice).chunks))

    def blocks() -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
        left = lines
        for block in store.blocks(UNITS, None, None):
            yield block
            left -= len(block)
            if left <= 0:
                return

    ways: dict[str, Callable[[int], object]] = {
        "whole": lambda _: _received(ours),
        "read": lambda _: sum(map(len, blocks())),
        "orjson": lambda _: by_orjson(blocks())[0],
        "written": lambda _: sum(map(len, _first(writer.write(slice).chunks))),
    }
    taken = side_by_side(ways, material.size.slow_repeats)
    whole, read, orjson_alone, written = (taken[way].median for way in ways)
    lines_alone = max(0.0, written - read - orjson_alone)
    stages = (read, orjson_alone, lines_alone, max(0.0, whole - written))
    return taken["whole"], dict(zip(_STAGES_OF_WHOLE, stages, strict=True))


def _first(chunks: Iterator[bytes]) -> Iterator[bytes]:
    left = _PART
    for chunk in chunks:
        yield chunk
        left -= len(chunk)
        if left <= 0:
            return


def _received(server: Server) -> int:
    buffer = bytearray(1 << 20)
    with connected(server.port) as client:
        client.sendall(request(server.port, BIG + "tsv"))
        size = 0
        while size < _PART:
            size += client.recv_into(buffer)
    return size


def _some(random: np.random.Generator, size: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    return np.sort(random.choice(size, count, replace=False)) if count else None
