"""Object storage for tests: a real store, if it is installed, and data files that are read from it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.weed import BUCKET, environment, running, weed_binary
from tests.objects.commands import done
from tests.objects.unruly import Unruly, unruly

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an object store."""
    pytest.importorskip("obstore", reason="obstore is not installed")
    binary = weed_binary()
    if binary is None:
        pytest.skip("SeaweedFS (`weed`) is not installed")
    with running(binary, tmp_path_factory.mktemp("weed")) as address:
        yield address


@pytest.fixture
def url(weed: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in the store, empty and unlike all others, whose credentials are in the environment."""
    for name, value in environment(weed).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{next(_NUMBERS)}"


@pytest.fixture
def proxy(weed: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unruly]:
    """A proxy in front of the store, through which it is asked from now on."""
    with unruly(weed) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.address)
        yield found


@pytest.fixture
def placed(url: str, tmp_path: Path) -> Callable[[Path], Path]:
    """A function that puts a data file into the store, and gives the path by which it is read from there."""
    from rnaget_server.storage.objects.client import Client
    from rnaget_server.storage.objects.mirror import Place, make_mirror
    from rnaget_server.storage.places import is_far

    def put(path: Path) -> Path:
        place = f"{url}/{next(_NUMBERS)}"
        Client(place, 30).put(f"p/s/{path.name}", path.read_bytes())
        mirror = make_mirror(Place(place, 30, 1 << 30), tmp_path / "mirrors")
        found = mirror.data / "p" / "s" / path.name
        assert is_far(found)
        return found

    return put


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A copy of the demo catalogue."""
    return Path(shutil.copytree(Path(__file__).parents[2] / "data", tmp_path / "catalogue"))


@pytest.fixture
def published(catalogue: Path, url: str) -> str:
    """The same in object storage."""
    done("publish", catalogue, url)
    return url


@pytest.fixture(autouse=True)
def _one_cache_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    yield
