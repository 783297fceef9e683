"""Downloads from a server that really listens: by curl as pages and documents say, and while files are replaced."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.apis.files.offered import NAMES, make_study


def run(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=directory, capture_output=True, text=True)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_page_fetch_and_verify_a_study(serve: Callable[..., str], tmp_path: Path) -> None:
    content = make_study(tmp_path / "data")
    root = serve(tmp_path / "data", RNAGET_CACHE_DIRECTORY=str(tmp_path / "cache"))
    page = requests.get(f"{root}/studies/s", headers={"Accept": "text/html"}).text
    commands = re.search(r"Download all, and verify.*?<code>(.*?)</code>", page, re.S)
    assert commands is not None
    fetch, verify = html.unescape(commands[1]).splitlines()
    into = tmp_path / "into"
    into.mkdir()
    done = run(fetch, into)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in into.iterdir()} == {NAMES[n]: data for n, data in content.items()}
    done = run(verify, into)
    assert (done.returncode, done.stdout) == (0, "".join(f"{name}: OK\n" for name in NAMES.values()))
    # What was broken off goes on, and what was spoilt is found out.
    (into / "m.h5ad").write_bytes(content["m.h5ad"][:1_000_000])
    (into / "r.bam").unlink()
    run(fetch.replace("--retry 9", "--continue-at -"), into)
    assert (into / "m.h5ad").read_bytes() == content["m.h5ad"]
    assert run(verify, into).returncode == 0
    (into / "r.cram").write_bytes(b"spoilt")
    assert "r.cram: FAILED" in run(verify, into).stdout


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_replaced_while_it_is_sent(serve: Callable[..., str], tmp_path: Path, in_place: bool) -> None:
    make_study(tmp_path / "data")
    path, size = tmp_path / "data" / "p" / "s" / "m.h5ad", 200 << 20
    path.write_bytes(b"a" * size)
    root = serve(tmp_path / "data", RNAGET_CACHE_DIRECTORY=str(tmp_path / "cache"))
    url = requests.get(f"{root}/files?study=s&kind=matrix").json()["files"][0]["url"]
    with requests.get(url, stream=True) as reply:
        received = reply.raw.read(1 << 20)
        time.sleep(0.1)
        if in_place:
            with path.open("r+b") as file:
                file.write(b"b" * size)
        else:
            path.with_suffix(".new").write_bytes(b"b" * size)
            path.with_suffix(".new").replace(path)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for piece in reply.iter_content(1 << 20):
                received += piece
    assert len(received) < size and set(received) == {ord("a")}
    assert requests.get(url, headers={"Range": "bytes=-3"}).content == b"bbb"
