"""Reference sequences: parts and whole ones over HTTP, look-up among many names, and loading of FASTA.

What is limited over HTTP is the processor time of the worker, by which a server that has enough to do answers so many
requests a second. The clock has that of the client in it as well, and of all else that runs on the machine.

The letters are drawn from a fixed seed. What is made is kept under ``.bench`` between runs, apart from the matrices.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np
from numpy.typing import NDArray

from benchmarks.client import drained, flood
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import Server, bare, rnaget
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.sequences.parts import DIGESTS, LETTERS
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.sequences.write import SequenceWriter

CHROMOSOME = 50_000_000
_Way = tuple[Server, Callable[[Server, list[str]], tuple[float, int]], list[str]]
"""What is asked, how (which returns the seconds and the number of requests), and for what."""

_PARTS = {"100 b": 100, "10 kb": 10_000}
_SEED = 20_261_126
_LINE = 60
_REQUESTS = 5_000
_ROUNDS = 15
_TARGETS = 500
_LOADED = 10
"""So many chromosomes the file has that is loaded."""

_LOADINGS = 5

_NAMES = {"quick": 1_000_000}
_NAMES_ELSE = 10_000_000
_EACH = 5
"""So many names each sequence has: four digests, and one of an authority."""

_LOOKED_UP = 20_000
_MOST_SECONDS = 10e-6
_LEAST = 0.8
_LEAST_LOADING = 0.5
_PLAIN = "benchmarks.bare:plain"
_WORKER = "rnaget_server.worker.Worker"
"""Ours, so that the stack is the same but for the application."""


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield serving, look-up and loading."""
    root = material.directory.parent / "sequences"
    root.mkdir(parents=True, exist_ok=True)
    yield from _serving(material, root)
    yield _look_up(root, _NAMES.get(material.size.name, _NAMES_ELSE))
    yield _loading(material, root)


def _serving(material: Material, root: Path) -> Iterator[Row]:
    data = _catalogue(root)
    genome = data / "genomes" / "made"
    store = SequenceStore(genome)
    ((_, sequence),) = store.members(0, 1)
    store.close()
    path = f"/sequence/{sequence.digests.ga4gh}"
    log = material.directory.parent / "servers.log"
    with (
        rnaget(data, log) as ours,
        bare(log, genome / LETTERS, application=_PLAIN, worker=_WORKER) as plain,
        bare(log, genome / LETTERS, worker=_WORKER) as file,
    ):
        for what, size in _PARTS.items():
            starts = np.random.default_rng(_SEED).integers(0, CHROMOSOME - size, _TARGETS).tolist()
            parts = [f"?start={start}&end={start + size}" for start in starts]
            ways: dict[str, _Way] = {
                "ours": (ours, _flooded, [path + part for part in parts]),
                "bare": (plain, _flooded, [f"/part{part}" for part in parts]),
            }
            yield from _compared(f"{what} of a sequence", "a bare reply of the same bytes", ways)
        ways = {"ours": (ours, _downloaded, [path]), "bare": (file, _downloaded, ["/file"])}
        whole = f"a chromosome of {CHROMOSOME // 1_000_000} Mb"
        yield from _compared(whole, "reading the file through the same stack", ways)


def _compared(what: str, peer: str, ways: Mapping[str, _Way]) -> Iterator[Row]:
    """Yield what a request takes of the processor of its worker, and by the clock."""
    busy: dict[str, list[float]] = {name: [] for name in ways}

    def taken(name: str, _: int) -> float:
        server, ask, targets = ways[name]
        before = server.busy()
        seconds, requests = ask(server, targets)
        busy[name].append((server.busy() - before) / requests)
        return seconds / requests

    clock = side_by_side({name: partial(taken, name) for name in ways}, _ROUNDS)
    processor = {name: Figures(tuple(values[1:])) for name, values in busy.items()}
    for how, figures, least in (("processor", processor, _LEAST), ("clock", clock, 0)):
        yield Row(f"HTTP: {what}, {how}", peer, figures["ours"], figures["bare"], least=least)


def _flooded(server: Server, targets: list[str]) -> tuple[float, int]:
    return flood(server.port, targets, _REQUESTS) * _REQUESTS, _REQUESTS


def _downloaded(server: Server, targets: list[str]) -> tuple[float, int]:
    began = perf_counter()
    if drained(server.port, targets[0]) < CHROMOSOME:
        raise RuntimeError("the reply is too short")
    return perf_counter() - began, 1


def _look_up(root: Path, names: int) -> Row:
    """Return the processor time that a look-up takes in the store's own index, by names of every form in turns."""
    directory = root / f"names-{names}"
    _make_names(directory, names)
    store = SequenceStore(directory)
    chosen = np.random.default_rng(_SEED).choice(names, _LOOKED_UP, replace=False).tolist()
    asked = [_names_of(number // _EACH)[number % _EACH] for number in chosen]

    def found(_: int) -> float:
        began = thread_time()
        for id in asked:
            if store.find(id) is None:
                raise RuntimeError(f"{id} was not found")
        return (thread_time() - began) / len(asked)

    taken = side_by_side({"ours": found}, 5)
    store.close()
    return Row(f"look-up of a sequence among {names:,} names", "", taken["ours"], most=_MOST_SECONDS)


def _names_of(number: int) -> tuple[str, str, str, str, str]:
    """Return the names of a made sequence: MD5, SHA-1, TRUNC512, GA4GH, and a name of an authority."""
    seed = f"{_SEED} {number}".encode()
    long = hashlib.sha512(seed).digest()
    ga4gh = "SQ." + base64.urlsafe_b64encode(long[:24]).decode()
    return long[24:40].hex(), long[40:60].hex(), long[:24].hex(), ga4gh, f"insdc:CM{number:09}.1"


def _make_names(directory: Path, names: int) -> None:
    """Write a store of sequences of one letter each, unless it is there."""
    if (directory / DIGESTS).is_file():
        return
    shutil.rmtree(directory, ignore_errors=True)
    making = directory.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    ids = [(name, number) for number in range(names // _EACH) for name in _names_of(number)]
    sequences = ((number, *_names_of(number)[:4], 0, 1, 0) for number in range(names // _EACH))
    with SequenceWriter(making) as writer:
        writer.index.executemany("INSERT INTO sequences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sequences)
        writer.index.executemany("INSERT INTO ids VALUES (?, ?)", sorted(ids))
    making.rename(directory)


def _loading(material: Material, root: Path) -> Row | Note:
    tool = shutil.which("samtools")
    if tool is None:
        return Note("loading of FASTA was not measured: there is no samtools here (apt-get install samtools)")
    source = root / "loaded.fa"
    _make_fasta(source, _LOADED)

    def imported(_: int) -> None:
        with tempfile.TemporaryDirectory(dir=root) as directory:
            _import(source, Path(directory, "data"))

    def others(_: int) -> None:
        Path(f"{source}.fai").unlink(missing_ok=True)
        _run([tool, "faidx", source])
        _run(["md5sum", source])

    taken = side_by_side({"ours": imported, "others": others}, max(_LOADINGS, material.size.slow_repeats))
    what = f"loading of FASTA, {_LOADED * CHROMOSOME // 1_000_000} Mb"
    return Row(what, "samtools faidx and md5sum", taken["ours"], taken["others"], least=_LEAST_LOADING)


def _catalogue(root: Path) -> Path:
    """Return a catalogue of one genome of one chromosome, made if it is not there."""
    data = root / "catalogue"
    if not (data / "genomes" / "made").is_dir():
        shutil.rmtree(data, ignore_errors=True)
        source = root / "chromosome.fa"
        _make_fasta(source, 1)
        _import(source, data)
        source.unlink()
    return data


def _import(source: Path, data: Path) -> None:
    write_new_catalog(data, None)
    tool = Path(sys.executable).with_name("rnaget-server")
    _run([tool, "import", source, "--data", data, "--genome", "made"])


def _make_fasta(path: Path, chromosomes: int) -> None:
    """Write chromosomes of drawn letters, in lines as long as in most files, some of them in lower case."""
    if path.is_file() and path.stat().st_size > chromosomes * CHROMOSOME:
        return
    making = path.with_suffix(".making")
    with making.open("wb") as file:
        for number in range(chromosomes):
            random = np.random.default_rng((_SEED, number))
            letters: NDArray[np.uint8] = np.frombuffer(b"ACGTacgtN", np.uint8)[random.integers(0, 9, CHROMOSOME)]
            whole = letters[: CHROMOSOME // _LINE * _LINE].reshape(-1, _LINE)
            ends = np.full((len(whole), 1), ord("\n"), np.uint8)
            file.write(f">chr{number + 1} made\n".encode())
            file.write(np.hstack([whole, ends]).tobytes())
            file.write(letters[len(whole) * _LINE :].tobytes() + b"\n")
    making.rename(path)


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
