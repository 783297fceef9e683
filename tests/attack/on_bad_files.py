"""Data files with damage of any kind among good ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import requests

from benchmarks.servers import HOST
from tests.attack.base import Attacks
from tests.attack.commands import command
from tests.attack.on_damaged_files import native
from tests.attack.on_foreign_files import catalogue, loom
from tests.forked import rnaget

ATTACKS = Attacks("bad files")
_ROUTES = ("/expressions/bytes?format=tsv", "/expressions/units", "/expressions/filters", "/expressions/m/info")
_ANSWERS = frozenset({200, 400, 404, 503})


def _damaged(whole: bytes, count: int) -> Iterator[bytes]:
    """Yield a file with damage: cut, overwritten by zeros, or with bytes of chance in it."""
    chance = random.Random(7)
    for number in range(count):
        data = bytearray(whole)
        at = chance.randrange(len(data))
        if number % 3 == 0:
            data = data[:at]
        elif number % 3 == 1:
            data[at : at + 512] = bytes(len(data[at : at + 512]))
        else:
            for _ in range(40):
                data[chance.randrange(min(len(data), 6000))] = chance.randrange(256)
        yield bytes(data)


@ATTACKS("matrices damaged in many ways beside a good one: joins, filters, units, info, single matrices")
def bad_files_served(directory: Path, short: bool) -> str:
    count = 12 if short else 120
    ids = [f"bad{number}" for number in range(count)]
    study = catalogue(directory, "m", *ids)
    stored = native(directory / "whole.h5", (40, 30)).read_bytes()
    text = (study / "study.yaml").read_text()
    half = count // 2
    damage = [*_damaged((study / "m.loom").read_bytes(), half), *_damaged(stored, count - half)]
    for number, (id, data) in enumerate(zip(ids, damage, strict=True)):
        (study / f"{id}.loom").unlink()
        file = f"{id}.loom" if number < half else f"{id}.h5"
        text = text.replace(f"file: {id}.loom", f"file: {file}")
        (study / file).write_bytes(data)
    (study / "study.yaml").write_text(text)
    seen: dict[int, int] = {}
    with rnaget(directory / "data", directory / "log") as server, requests.Session() as session:
        workers = server.workers
        base = f"http://{HOST}:{server.port}/rnaget"
        for route in (*_ROUTES, *(f"/expressions/{id}/{what}" for id in ids for what in ("bytes?format=tsv", "info"))):
            try:
                reply = session.get(base + route, timeout=60)
            except requests.RequestException:  # cut after the first byte, as it must be
                seen[0] = seen.get(0, 0) + 1
                continue
            seen[reply.status_code] = seen.get(reply.status_code, 0) + 1
            assert reply.status_code in _ANSWERS, f"{route}: status {reply.status_code}"
            assert route not in _ROUTES or reply.status_code == 200, f"{route}: status {reply.status_code}"
            assert str(directory) not in reply.text, f"{route}: a path in the reply"
            if route == _ROUTES[0]:
                assert reply.headers.get("RNAget-Omitted"), f"{route}: nothing is said of what is left out"
        assert server.workers == workers, "the worker ended"
    assert "Traceback" not in (directory / "log").read_text(), "a trace in the log"
    counts = ", ".join(f"{number} × {status or 'cut'}" for status, number in sorted(seen.items()))
    return f"the good one is served everywhere; of the others came {counts}"


@ATTACKS("files damaged in many ways, checked and imported")
def bad_files_imported(directory: Path, short: bool) -> str:
    count = 6 if short else 40
    whole = loom(directory / "whole.loom").read_bytes()
    ids = [f"bad{number}" for number in range(count)]
    study = catalogue(directory, "m", *ids)
    refused = 0
    for id, data in zip(ids, _damaged(whole, count), strict=True):
        (study / f"{id}.loom").write_bytes(data)
    code, words = command("check", str(directory / "data"))
    assert "Traceback" not in words, f"check ended in a trace: {words[-300:]}"
    assert code == 1 and words.count("\n") >= count // 3, f"check said {words[-300:]}"
    for id, data in list(zip(ids, _damaged(whole, count), strict=True))[: 3 if short else 20]:
        (directory / f"{id}.loom").write_bytes(data)
        names = ["--data", str(directory / "new"), "--project", "p", "--study", "s", "--id", id, "--units", "TPM"]
        code, words = command("import", str(directory / f"{id}.loom"), *names)
        assert "Traceback" not in words, f"import ended in a trace: {words[-300:]}"
        refused += code != 0
    return f"no trace; check names what is wrong, {refused} imports were refused"
