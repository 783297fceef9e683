"""Shared helpers: the real data where it is, catalogues made from it, and servers that really listen."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import hypothesis
import numpy as np
import pandas as pd
import pytest
import requests
from click.testing import CliRunner
from hypothesis.internal.conjecture import engine
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.cli.server import main
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.settings import Settings
from tests import forked, quicker

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
START_TIMEOUT = 180.0
TESTS = Path(__file__).parent
LONGEST = (
    "objects/test_commands.py",
    "attack/test_attacks.py",
    "browser/test_accessible.py",
    "client/test_r.py",
    "access/test_two_worlds.py",
    "deploy/test_many_servers.py",
    "objects/test_remote.py",
    "importers/test_sparse.py",
    "reads/test_regions.py",
    "importers/test_real.py",
    "browser/test_gene.py",
    "browser/test_walk.py",
    "compliance/test_official_suite.py",
    "browser/test_track_set.py",
    "archive/test_queries.py",
    "browser/test_genes.py",
    "objects/test_publishing.py",
    "importers/test_rds.py",
    "fuzz/test_fuzz.py",
    "deploy/test_containers.py",
    "browser/test_cells.py",
    "objects/test_official_suite.py",
    "browser/test_records.py",
    "browser/test_api_page.py",
    "access/test_documented.py",
    "http/test_remote_counts.py",
    "test_wheel.py",
    "browser/test_find.py",
    "access/test_routes.py",
    "browser/test_sign_in.py",
    "examples/test_notebook.py",
    "test_master.py",
    "compliance/test_drs_suite.py",
)
"""The files that take longest, of those that have few tests."""

Import = Callable[..., Path]
Servers = list[BaseProcess]


def pytest_configure(config: pytest.Config) -> None:
    """Look for a smaller example of a failure for seconds; try a fifth of the examples where long tests are left out.

    Hypothesis has no public setting for the former, and takes five minutes. No example has a time by which it has to be
    done: a slow machine is no failure.
    loompy does without the functions that it compiles whenever it is imported, of which none is called.
    """
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    quicker.build_routes_once()
    quicker.make_parts_of_requests_here()
    engine.MAX_SHRINKING_SECONDS = 20
    share = 5 if config.option.markexpr == "not long" else 1
    if share > 1:
        quicker.leave_constants_unread()
    hypothesis.settings.register_profile(
        "here", deadline=None, max_examples=hypothesis.settings().max_examples // share
    )
    hypothesis.settings.load_profile("here")


def examples(full: int) -> int:
    """Return the share of `full` examples that this run tries, all of them in the long one."""
    return max(1, full * hypothesis.settings().max_examples // 100)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by its argument and not by bytes, which hold the second at which they were compressed.

    All processes of a run have to give each test the same name.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, then with those of most tests: the processes of a run end together."""
    tests = Counter(item.path for item in items)
    last = len(LONGEST)
    rank = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path, last), -tests[item.path], item.path))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, which stays to the end, out of every later collection of garbage."""
    gc.collect()
    gc.freeze()
    # What tests leave is small; to look for it as often as Python does by itself is a twentieth of their time.
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real data."""
    if not SHARED.is_dir():
        pytest.skip("shared data is absent")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what other code made, under the same version, out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RNAGET_") and name not in ("RNAGET_COMPLIANCE_DATA", "RNAGET_CACHE_DIRECTORY"):
            monkeypatch.delenv(name)


def one_study(directory: Path) -> Path:
    """Copy the demo catalogue with one study of one matrix, ``marioni``; return the copy, which is `directory`."""
    others = shutil.ignore_patterns("gtex", "hpa", "genomes", "mcf7", "na12878")
    return Path(shutil.copytree(ROOT / "data", directory, ignore=others))


@pytest.fixture
def placed() -> Callable[[Path], Path]:
    """A function that says from where a data file is to be read: from where it is."""
    return lambda path: path


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the demo catalogue with one study."""
    return one_study(tmp_path / "demo")


@pytest.fixture
def view(demo: Path) -> View:
    """The data of one study of the demo catalogue, as everybody may see them."""
    return open_repository(Settings(data=demo, reload_seconds=0)).visible_to()


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """A client of one study of the demo catalogue, without a socket; of its own for a test that asks for ``demo``."""
    if "demo" in request.fixturenames:
        yield from client_of(request.getfixturevalue("demo"))
    else:
        yield request.getfixturevalue("_shared_client")


@pytest.fixture(scope="session")
def _shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from client_of(one_study(tmp_path_factory.mktemp("shared") / "demo"))


def client_of(data: Path, **settings: object) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=data, **settings)), raise_server_exceptions=False) as client:  # type: ignore[arg-type]
        yield client


def headers_but_id(reply: httpx.Response) -> dict[str, str]:
    """Return the headers of a reply without the id of its request, which no other has."""
    return {name: value for name, value in reply.headers.items() if name != "x-request-id"}


def new_study(data: Path, study: str = "id: s\n", catalog: str = "id: c\nname: C\n") -> Path:
    """Write a catalogue of one project ``p`` with one study; return the directory of the study."""
    directory = data / "p" / "s"
    directory.mkdir(parents=True)
    (data / "catalog.yaml").write_text(catalog)
    (data / "p" / "project.yaml").write_text("id: p\n")
    (directory / "study.yaml").write_text(study)
    return directory


def import_matrix(data: Path, source: Path, *options: str, study: str = "s", project: str = "p") -> str:
    """Import `source` by the command; return what it printed."""
    arguments = ["import", str(source), "--data", str(data), "--project", project, "--study", study, *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a directory for tests that only read it, which the first process of a run makes for all."""
    base = factory.getbasetemp()
    data = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with data.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            unfinished = factory.mktemp(name)
            make(unfinished)
            unfinished.rename(data)
    return data


@pytest.fixture(scope="session")
def real_catalog(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of the full-size bulk matrices: uhlen in two units, bodymap and brawand."""
    return _made_once(tmp_path_factory, "real", partial(_import_real, shared_data))


def _import_real(shared_data: Path, data: Path) -> None:
    uhlen, bodymap = shared_data / "uhlen", shared_data / "bodymap"
    genes = ("--features", str(shared_data / "genes" / "geneInfoEns76.tsv.gz"), "--feature-name", "gene_name")
    import_matrix(data, uhlen / "uhlen.htseq.tpm.pooled.tsv.gz", "--id", "uhlen", "--units", "TPM", *genes, study="hpa")
    import_matrix(data, uhlen / "uhlen.htseq.raw.pooled.tsv.gz", "--id", "uhlen", "--units", "counts", study="hpa")
    import_matrix(data, bodymap / "ibm.htseq.raw.tsv.gz", "--id", "bodymap", "--units", "counts", study="bodymap")
    import_matrix(data, bodymap / "ibm.htseq.fpkm.tsv.gz", "--id", "bodymap", "--units", "FPKM", study="bodymap")
    import_matrix(
        data,
        shared_data / "brawand" / "brawand.htseq.fpkm.tsv.gz",
        "--id",
        "brawand",
        "--units",
        "FPKM",
        study="brawand",
    )


@pytest.fixture(scope="session")
def tcga_catalog(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of ``tcga``: 15 genes of 8,756 samples with many attributes."""
    folder = shared_data / "tcga"
    options = ("--transpose", "--id", "tcga", "--units", "log2", "--samples", str(folder / "samples.tsv.gz"))

    def make(data: Path) -> None:
        import_matrix(data, folder / "expression-matrix-all-samples.tsv.gz", *options)

    return _made_once(tmp_path_factory, "tcga", make)


@pytest.fixture(scope="session")
def tcga_frames(shared_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cells of ``tcga``, genes × samples, and the attributes of its samples as text, by pandas."""
    cells = read_source(shared_data / "tcga" / "expression-matrix-all-samples.tsv.gz").T
    samples = pd.read_csv(
        shared_data / "tcga" / "samples.tsv.gz", sep="\t", index_col=0, dtype=str, keep_default_na=False
    )
    return cells, samples.loc[cells.columns]


def read_source(path: Path) -> pd.DataFrame:
    """The cells of a source file by pandas, as float32, ids as the index."""
    return pd.read_csv(path, sep="\t", index_col=0, float_precision="round_trip").astype(np.float32)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def _servers() -> Iterator[Servers]:
    """The servers that nobody needs any more, once the session ends."""
    servers: Servers = []
    yield servers
    _end(servers)
    for process in servers:
        process.join(120)
    assert not any(process.is_alive() for process in servers), "a server goes on"


@pytest.fixture(scope="session")
def serve_all(tmp_path_factory: pytest.TempPathFactory, _servers: Servers) -> Callable[..., str]:
    """Start real servers (``rnaget-server serve``) on free ports, for fixtures that modules share."""
    return partial(_started, _servers, tmp_path_factory)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, _servers: Servers) -> Iterator[Callable[..., str]]:
    """The same for one module: a server takes memory, and time even while nobody asks. No test waits for its end."""
    own: Servers = []
    yield partial(_started, own, tmp_path_factory)
    _end(own)
    _servers += own


def _end(servers: Servers) -> None:
    for process in servers:
        # The number of one that has ended may be another's by now.
        if process.is_alive():
            process.terminate()


def _started(
    servers: Servers,
    factory: pytest.TempPathFactory,
    data: Path,
    *,
    workers: int = 1,
    log: Path | None = None,
    apart: bool = False,
    **environment: str,
) -> str:
    """Start a server; return its address. One that is `apart` begins in a new Python, whose environment Linux shows."""
    port = free_port()
    log = log or factory.mktemp("server") / "log"
    arguments = [str(data), "--port", str(port), "--workers", str(workers)]
    # Python and libraries read some variables as they start; that for traces has not started yet.
    apart |= any(not name.startswith(("RNAGET_", "OTEL_")) for name in environment)
    # Of a catalogue in object storage, the command has asked by threads that gunicorn's fork does not take over.
    apart |= ":/" in str(data)
    process = forked.server(arguments, {**os.environ, **environment}, log, not apart)
    servers.append(process)
    root = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_TIMEOUT
    while not _is_ready(root):
        if process.exitcode is not None or time.monotonic() > deadline:
            pytest.fail(f"the server did not start; its log:\n{log.read_text(errors='replace')}", pytrace=False)
        time.sleep(0.1)
    return root


@pytest.fixture(scope="session")
def demo_root(serve_all: Callable[..., str]) -> str:
    """A server of the demo catalogue, for all tests that only read from it."""
    return serve_all(ROOT / "data")


def _is_ready(root: str) -> bool:
    try:
        return requests.get(f"{root}/readyz", timeout=30).ok
    except requests.RequestException:  # a worker that still imports takes the connection and does not reply
        return False
