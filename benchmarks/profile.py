"""Where one request spends its time. Each stage is measured by itself; what they leave of the whole is `other`.

What sends and what routes is measured by servers that do nothing else, with replies as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import numpy as np

from benchmarks.client import Client
from benchmarks.floor import Floor
from benchmarks.http import BIG
from benchmarks.material import UNITS, Material
from benchmarks.measure import Figures, Row, side_by_side
from benchmarks.servers import Server, bare, rnaget
from rnaget_server.app import create_services
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.stores.native import NativeStore

STAGES = {
    "send": "HTTP parsed, reply sent",
    "routing": "Connexion",
    "validation": "parameters parsed",
    "lookup": "ids looked up, slice described",
    "read": "pread of the chunks",
    "decode": "Blosc",
    "select": "rows picked and put in order",
    "serialise": "text written",
    "other": "delivery, headers, further layers",
}


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
    with (
        rnaget(material.catalogue, material.log) as ours,
        bare(material.log) as routed,
        bare(material.log, application="benchmarks.bare:plain") as sent,
    ):
        taken = [_stages(material, kind, ours, routed, sent) for kind in _KINDS]
    for kind, (whole, stages) in zip(_KINDS, taken, strict=True):
        for stage, seconds in stages.items():
            what = f"time of {kind.what}: {stage}"
            yield Row(what, f"whole request ({STAGES[stage]})", Figures((seconds,)), whole)


def _stages(
    material: Material, kind: _Kind, ours: Server, routed: Server, sent: Server
) -> tuple[Figures, dict[str, float]]:
    """Return the time of whole requests, and the seconds of each stage."""
    store = NativeStore(material.native, "GeneID", "GeneName", "Sample")
    services = create_services(Settings(data=material.catalogue))
    writer = services.writers[kind.format]()
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
    slices = [slice_by_id(services, "big", query).slice for query in parsed]
    read = [floor.without_decoding(*asked) for asked in zip(features, samples, strict=True)]
    decoded = [floor.reader(*asked) for asked in zip(features, samples, strict=True)]
    for one in read:
        one()
    size = sum(map(len, writer.write(slices[0]).chunks))
    with Client(ours.port) as client, Client(routed.port) as routes, Client(sent.port) as sends:
        # Each asks for other cells than the one before, so that none finds them in the processor's cache.
        third = repeats // 3
        ways: dict[str, Callable[[int], object]] = {
            "whole": lambda n: client.get(BIG + queries[n].removeprefix("format=")),
            "send": lambda _: sends.get(f"/large?size={size}"),
            "routing": lambda _: routes.get(f"/large?size={size}"),
            "validation": lambda n: parse_matrix_query(parse_qsl(queries[n]), ()),
            "lookup": lambda n: slice_by_id(services, "big", parsed[n]),
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
    for outer, inner in (("serialise", "select"), ("select", "decode"), ("decode", "read"), ("routing", "send")):
        seconds[outer] = max(0.0, seconds[outer] - seconds[inner])
    whole = seconds.pop("whole")
    seconds["other"] = max(0.0, whole - sum(seconds.values()))
    return taken["whole"], {stage: seconds[stage] for stage in STAGES}


def _some(random: np.random.Generator, size: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    return np.sort(random.choice(size, count, replace=False)) if count else None
