"""A browser, and the packages that are looked at in it."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.pages import started

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / ".venv-browser"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; `tests.browser.pages.visit` opens pages in it."""
    with started() as browser:
        yield browser


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium")
    return found


@pytest.fixture(scope="session")
def packages() -> Path:
    """The directory with igv.js and the driver, installed from the lock file where that has changed."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("there is no npm")
    lock, installed = HERE / "package-lock.json", PACKAGES / "installed.json"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        PACKAGES.mkdir(exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copy(HERE / name, PACKAGES)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        shutil.copy(lock, installed)
    return PACKAGES


@contextmanager
def site_of(files: Path, page: str, packages: Path) -> Iterator[str]:
    """Serve a page with the genome browser, and the files that it needs: another origin than the server's."""
    shutil.copy(HERE / page, files)
    shutil.copy(packages / "node_modules" / "igv" / "dist" / "igv.min.js", files)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=files)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{page}"
        server.shutdown()


def drawn(chromium: str, packages: Path, pages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the driver says of pages, once they are drawn."""
    program = shutil.copy(HERE / "draw.mjs", packages)  # a program imports from the packages beside it
    done = subprocess.run(
        ["node", program, chromium], input=json.dumps(pages), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
