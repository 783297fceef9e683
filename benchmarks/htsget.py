"""Alignments by htsget: bytes sent for a region, tickets, and the blocks of a large file.

The alignments are those of a public sample; the large file has its records again and again. What is made is kept under
``.bench`` between runs, apart from the matrices.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.client import Client, drained, flood
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import Server, bare, rnaget
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.reads.bgzf import END_MARKER
from rnaget_server.reads.files import read_header
from rnaget_server.storage.local import LocalFile

SOURCE = Path("../shared/data/reads/na12878")
_NAME = "htsnexus_test_NA12878"
_PLACES = {"11": (4_999_976, 5_010_000), "20": (5_999_958, 6_100_000)}
_REGIONS, _LENGTH = 200, 1_000
_SEED = 20_261_126
_LARGE = 200 << 20
_REQUESTS = 1_000
_MOST_SENT = 3
_NEW = "a region of 1 kb that is new"
_BLOCK_REPEATS = 15
_LEAST_TICKETS, _LEAST_BLOCKS = 0.6, 0.9
_WORKER = "rnaget_server.worker.Worker"
"""Ours, so that the stack is the same but for the application."""


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield bytes sent, tickets and blocks."""
    tool = shutil.which("samtools")
    if tool is None or not SOURCE.is_dir():
        yield Note("htsget was not measured: it needs samtools (apt-get install samtools), and the public alignments")
        return
    root = material.directory.parent / "htsget"
    root.mkdir(parents=True, exist_ok=True)
    data, log = _catalogue(root), material.directory.parent / "servers.log"
    large = data / "p" / "s" / "large.bam"
    regions = _regions()
    with rnaget(data, log) as ours, bare(log, large, worker=_WORKER) as plain:
        for format in ("BAM", "CRAM"):
            yield _sent(ours, tool, format, regions)
        repeats = max(5, material.size.slow_repeats)
        yield from _tickets(ours, plain, regions, repeats)
        yield _blocks(ours, plain, large.stat().st_size, max(repeats, _BLOCK_REPEATS))


def _regions(more: int = 0) -> list[tuple[str, int, int]]:
    draw = random.Random(_SEED + more)
    names = [draw.choice(list(_PLACES)) for _ in range(_REGIONS)]
    return [(name, start, start + _LENGTH) for name in names for start in [draw.randrange(*_PLACES[name])]]


def _sent(ours: Server, tool: str, format: str, regions: list[tuple[str, int, int]]) -> Row:
    """Return the ratio of the bytes of a reply to those of the exact slice."""
    file = SOURCE / f"{_NAME}.{format.lower()}"
    options = ("-b",) if format == "BAM" else ("-C", "--output-fmt-option", "no_ref=1")
    ratios = []
    with Client(ours.port) as client:
        for name, start, end in regions:
            exact = subprocess.run(
                [tool, "view", *options, file, f"{name}:{start + 1}-{end}"], check=True, capture_output=True
            ).stdout
            ratios.append(_size(client, _asked(format, name, start, end)) / len(exact))
    most = _MOST_SENT if format == "BAM" else None
    what = f"bytes sent for a region of 1 kb, {format}"
    return Row(what, "the exact slice by samtools is 1", Figures(tuple(ratios), ""), most=most)


def _size(client: Client, target: str) -> int:
    """Return how many bytes the URLs of a ticket give."""
    urls = [url["url"] for url in json.loads(client.get(target).body)["htsget"]["urls"]]
    inline = [url.partition(",")[2] for url in urls if url.startswith("data:")]
    others = [url.split("/", 3)[3] for url in urls if not url.startswith("data:")]
    return sum(len(base64.b64decode(data)) for data in inline) + sum(
        len(client.get(f"/{path}").body) for path in others
    )


def _asked(format: str, name: str, start: int, end: int) -> str:
    return f"/reads/{_NAME}?format={format}&referenceName={name}&start={start}&end={end}"


def _tickets(ours: Server, plain: Server, regions: list[tuple[str, int, int]], repeats: int) -> Iterator[Row]:
    asked = {
        "the whole file": [f"/reads/{_NAME}"],
        "the header": [f"/reads/{_NAME}?class=header"],
        "a region of 1 kb asked for before": [_asked("BAM", *region) for region in regions],
    }
    ways: dict[str, Callable[[int], object]] = {what: partial(_repeated, ours, all) for what, all in asked.items()}
    ways[_NEW] = lambda number: _flooded(ours, [_asked("BAM", *one) for one in _regions(number + 1)], _REGIONS)
    taken = side_by_side({**ways, "bare": partial(_repeated, plain, ["/small"])}, repeats)
    for what in ways:
        # A new region is read, decoded and compressed.
        least = 0 if what == _NEW else _LEAST_TICKETS
        yield Row(f"HTTP: ticket for {what}", "a bare JSON reply", taken[what], taken["bare"], least=least)


def _flooded(server: Server, targets: list[str], requests: int) -> float:
    return flood(server.port, targets, requests)


def _repeated(server: Server, targets: list[str], _: int) -> float:
    return _flooded(server, targets, _REQUESTS)


def _blocks(ours: Server, plain: Server, size: int, repeats: int) -> Row:
    with Client(ours.port) as client:
        ticket: dict[str, Any] = json.loads(client.get("/reads/large").body)
    paths = ["/" + url["url"].split("/", 3)[3] for url in ticket["htsget"]["urls"]]

    def downloaded(_: int) -> None:
        if sum(drained(ours.port, path) for path in paths) < size:
            raise RuntimeError("the replies are too short")

    taken = side_by_side({"ours": downloaded, "file": lambda _: drained(plain.port, "/file")}, repeats)
    what = f"HTTP: blocks of a file of {size >> 20} MiB"
    return Row(what, "the file, sent by a bare app", taken["ours"], taken["file"], least=_LEAST_BLOCKS)


def _catalogue(root: Path) -> Path:
    """Return a catalogue of the alignments and of the large file, made if it is not there."""
    data = root / "catalogue"
    if data.is_dir():
        return data
    making = root / "making"
    shutil.rmtree(making, ignore_errors=True)
    write_new_catalog(making, None)
    tool = Path(sys.executable).with_name("rnaget-server")
    for suffix in ("bam", "cram"):
        command: list[str | Path] = [
            tool,
            "import",
            SOURCE / f"{_NAME}.{suffix}",
            "--data",
            making,
            "--project",
            "p",
            "--study",
            "s",
        ]
        subprocess.run([*command, "--id", _NAME], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    _make_large(SOURCE / f"{_NAME}.bam", making / "p" / "s" / "large.bam")
    with (making / "p" / "s" / "study.yaml").open("a", encoding="utf-8") as file:
        # Without an index: it is asked for as a whole.
        file.write("  - {id: large, files: [{format: BAM, file: large.bam}]}\n")
    making.rename(data)
    return data


def _make_large(source: Path, path: Path) -> None:
    """Write the records of a BAM file again and again; they are not sorted, and nobody decodes them."""
    file = LocalFile.open(source)
    start = read_header(file).body >> 16
    file.close()
    whole = source.read_bytes().removesuffix(END_MARKER)
    with path.open("wb") as large:
        large.write(whole)
        while large.tell() < _LARGE:
            large.write(whole[start:] if start else whole)
        large.write(END_MARKER)
