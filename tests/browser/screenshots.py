"""Pictures of every page, wide and on a phone: ``python -m tests.browser.screenshots DIRECTORY [NAME …]``.

The pages are those of the demo, on a server that is started for it; ``make screenshots`` writes to docs/pictures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.pages import started, visit
from tests.conftest import ROOT, free_port

PLACES = {
    "first": "/",
    "search": "/search?q=liver",
    "study": "/studies/uhlen",
    "matrix": "/matrices/uhlen_tissues",
    "tracks": "/tracks/er?region=chr18:76,800,000-76,900,000",
    "genome": "/genomes/sacCer3_chrIV",
    "gene": "/genes/TP53?group_by=System",
    "genes": "/genes?ids=ALB,INS,MYH6,GFAP,TG,SFTPC,KRT5,PRM1,CD19,UMOD,MYH7,PRSS1,FABP4,KLK3&group_by=Tissue",
    "sample": "/samples/uhlen_tissues/Liver",
    "reads": "/reads",
    "help": "/help",
    "docs": "/docs",
    "status": "/status",
}
"""Every page by the name of its picture."""

SIZES = {1400: 900, 390: 844}
_START_TIMEOUT = 180.0
_MOST_BYTES = 200_000


def main() -> None:
    """Take the pictures, and say which pages were not there."""
    directory, *names = sys.argv[1:]
    Path(directory).mkdir(parents=True, exist_ok=True)
    with _server() as root, started() as browser:
        for name in names or PLACES:
            for width in SIZES:
                picture = Path(directory) / f"{name}-{width}.png"
                status, content = taken(browser, root, PLACES[name], width)
                if status != 200:
                    print(f"{name}: {PLACES[name]} answered {status}, no picture")
                    break
                picture.write_bytes(content)
                note = "" if len(content) <= _MOST_BYTES else f", more than {_MOST_BYTES:,}"
                print(f"{picture}: {len(content):,} bytes{note}")


def taken(browser: Browser, root: str, path: str, width: int) -> tuple[int, bytes]:
    """Return the status of a page, and a small PNG picture of what is seen first."""
    with visit(browser, root, width) as seen:
        seen.page.set_viewport_size({"width": width, "height": SIZES[width]})
        reply = seen.page.goto(path)
        seen.page.wait_for_load_state("networkidle")
        seen.page.wait_for_timeout(500)  # plots and tracks draw after their data are there
        picture = Image.open(BytesIO(seen.page.screenshot()))
    output = BytesIO()
    # Pages have few colours: with a palette a picture takes a third.
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
    return (0 if reply is None else reply.status), output.getvalue()


@contextmanager
def _server() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "rnaget_server.cli.server", "serve", str(ROOT / "data"), "--port", str(port)]
    with tempfile.TemporaryDirectory() as cache:
        process = subprocess.Popen(
            [*command, "--workers", "1"],
            env={**os.environ, "RNAGET_CACHE_DIRECTORY": cache},
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _ready(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(20)


def _ready(root: str) -> str:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{root}/readyz", timeout=5).ok:
                return root
        except requests.RequestException:  # it still starts
            time.sleep(0.2)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
