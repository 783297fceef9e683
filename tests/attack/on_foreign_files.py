"""Data files that lead to other files of the system, or hold what would lose something."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import requests

from benchmarks.servers import HOST, Server
from tests.attack.base import Attacks
from tests.attack.commands import command
from tests.forked import rnaget

ATTACKS = Attacks("foreign files")

SECRET = b"root:x:0:0:root:/root:/bin/bash\n"
_ENTRY = "  - {{id: {id}, file: {id}.loom, units: TPM, feature_id: gene, sample_id: sample}}\n"


def loom(path: Path, cells: np.ndarray | None = None) -> Path:
    """Write a small loom file."""
    cells = np.arange(12, dtype=np.float32).reshape(4, 3) if cells is None else cells
    with h5py.File(path, "w") as file:
        file["matrix"] = cells
        file["row_attrs/gene"] = np.array([f"g{number}" for number in range(cells.shape[0])], "S")
        file["col_attrs/sample"] = np.array([f"s{number}" for number in range(cells.shape[1])], "S")
        file.create_group("layers")
    return path


def catalogue(directory: Path, *ids: str) -> Path:
    """Make a catalogue of loom files, and return the directory of its study."""
    study = directory / "data" / "p" / "s"
    study.mkdir(parents=True)
    (directory / "data" / "catalog.yaml").write_text("id: c\nname: C\n")
    (study.parent / "project.yaml").write_text("id: p\n")
    (study / "study.yaml").write_text("id: s\nexpressions:\n" + "".join(_ENTRY.format(id=id) for id in ids))
    for id in ids:
        loom(study / f"{id}.loom")
    return study


def ask(server: Server, id: str, query: str = "", timeout: float = 30) -> requests.Response:
    """Ask for a matrix as TSV."""
    url = f"http://{HOST}:{server.port}/rnaget/expressions/{id}/bytes?format=tsv{query}"
    return requests.get(url, timeout=timeout)


def elsewhere(path: Path, place: str, way: str, target: Path) -> None:
    """Let what is at a place of a file lead to another file."""
    with h5py.File(path, "r+") as file:
        old = file[place]
        shape, dtype = old.shape, old.dtype
        del file[place]
        if way == "link":
            file[place] = h5py.ExternalLink(str(target), "/secret")
        elif way == "virtual":
            layout = h5py.VirtualLayout(shape, dtype)
            layout[...] = h5py.VirtualSource(str(target), "secret", shape)
            file.create_virtual_dataset(place, layout)
        else:
            kind = "S8" if dtype.kind == "S" else dtype
            file.create_dataset(place, shape, kind, external=[(str(target), 0, h5py.h5f.UNLIMITED)])


@contextmanager
def secrets(directory: Path) -> Iterator[dict[str, Path]]:
    """Give files that must not be read: text, HDF5, and a pipe on which a reader would wait."""
    (directory / "passwd").write_bytes(SECRET * 10)
    with h5py.File(directory / "secret.h5", "w") as file:
        file["secret"] = np.array([b"root:x:0"] * 4)
    os.mkfifo(directory / "pipe")
    yield {name: directory / name for name in ("passwd", "secret.h5", "pipe")}


@ATTACKS("external links, virtual datasets and external storage in files that are served, some to a pipe")
def foreign_served(directory: Path, short: bool) -> str:
    places = ("row_attrs/gene", "matrix", "col_attrs/sample") if not short else ("row_attrs/gene",)
    with secrets(directory) as targets:
        cases = [(place, way, name) for place in places for way in ("link", "virtual", "storage") for name in targets]
        study = catalogue(directory, "sound", *(f"m{number}" for number in range(len(cases))))
        for number, (place, way, name) in enumerate(cases):
            elsewhere(study / f"m{number}.loom", place, way, targets[name])
        with rnaget(directory / "data", directory / "log") as server:
            replies = [ask(server, f"m{number}", timeout=60) for number in range(len(cases))]
            sound = ask(server, "sound")
    log = (directory / "log").read_text()
    assert {reply.status_code for reply in replies} == {503}, [reply.status_code for reply in replies]
    assert not any(b"root" in reply.content for reply in replies), "the content of another file"
    assert sound.status_code == 200, "the other matrix is not served"
    assert log.count("outside of the file") == len(cases), "the log does not name what is wrong"
    assert "Traceback" not in log, "a trace in the log"
    return f"{len(cases)} files: 503, each object named in the log; a sound matrix beside them: 200"


@ATTACKS("a file that is replaced, or written over, by one with external storage under a running server")
def foreign_later(directory: Path, short: bool) -> str:
    study = catalogue(directory, "replaced", "over", "back")
    found = {}
    with secrets(directory) as targets, rnaget(directory / "data", directory / "log") as server:
        before = [ask(server, id).status_code for id in ("replaced", "over", "back")]
        for id in ("replaced", "over"):
            bad = loom(directory / "bad.loom")
            elsewhere(bad, "row_attrs/gene", "storage", targets["passwd"])
            if id == "over":
                with (study / "over.loom").open("r+b") as file:
                    file.write(bad.read_bytes())
                    file.truncate()
            else:
                bad.replace(study / "replaced.loom")
            found[id] = ask(server, id)
        loom(directory / "new.loom", np.ones((2, 2), np.float32)).replace(study / "back.loom")
        after = ask(server, "back")
    assert before == [200, 200, 200], before
    assert [reply.status_code for reply in found.values()] == [503, 503], found
    assert not any(b"root" in reply.content for reply in found.values()), "the content of another file"
    assert after.text.splitlines()[-1] == "g1\t1.0\t1.0", "the new file is not served"
    return "200 before, 503 after both; a sound file in the place of another is served at once"


@ATTACKS("the same files to import and to check, and soft links to other parts of a file")
def foreign_imported(directory: Path, short: bool) -> str:
    said = []
    with secrets(directory) as targets:
        cases: list[Callable[[Path], None]] = [
            lambda path: elsewhere(path, "row_attrs/gene", "storage", targets["passwd"]),
            lambda path: elsewhere(path, "matrix", "link", targets["pipe"]),
            lambda path: elsewhere(path, "col_attrs/sample", "virtual", targets["secret.h5"]),
            _to_another_part,
        ]
        for number, change in enumerate(cases[:2] if short else cases):
            path = loom(directory / f"m{number}.loom")
            change(path)
            options = ("--project", "p", "--study", "s", "--id", "m", "--units", "x", "--data", str(directory / "new"))
            said.append(command("import", str(path), *options))
        study = catalogue(directory, "sound", "bad")
        elsewhere(study / "bad.loom", "row_attrs/gene", "storage", targets["passwd"])
        said.append(command("check", str(directory / "data")))
    for code, text in said:
        assert code == 1, f"code {code}: {text}"
        assert "outside of the file" in text or "elsewhere than" in text, text
        assert "root:" not in text and "Traceback" not in text, text
    assert not (directory / "new").exists(), "something was left in the catalogue"
    return f"{len(said)} commands end with 1 and name the object; nothing is left behind"


def _to_another_part(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["private/names"] = file["row_attrs/gene"][()]
        del file["row_attrs/gene"]
        file["row_attrs/gene"] = h5py.SoftLink("/private/names")


@ATTACKS("complex numbers and whole numbers beyond 2**53, served and replaced")
def foreign_numbers(directory: Path, short: bool) -> str:
    study = catalogue(directory, "complex", "large", "sound")
    loom(study / "complex.loom", np.ones((2, 2), np.complex64) * 1j)
    loom(study / "large.loom", np.full((2, 2), 2**53 + 1))
    with rnaget(directory / "data", directory / "log") as server:
        found = [ask(server, id).status_code for id in ("complex", "large", "sound")]
    log = (directory / "log").read_text()
    shutil.rmtree(directory / "data")
    assert found == [503, 503, 200], found
    assert "has no numbers in matrix" in log and "beyond 2**53 in matrix" in log, log
    return "503, 503; a sound matrix beside them: 200"
