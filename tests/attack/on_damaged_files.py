"""Data files that are cut off, written over or replaced while they are read, and files that expand without end."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import threading
from pathlib import Path

import h5py
import numpy as np
import requests

from benchmarks.servers import HOST, Server
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.attack.base import Attacks
from tests.attack.commands import command
from tests.attack.on_foreign_files import ask, catalogue, loom
from tests.forked import rnaget

ATTACKS = Attacks("damaged files")

_PIECE = 1 << 16


def native(path: Path, shape: tuple[int, int]) -> Path:
    """Write a native store of cells that take room."""
    cells = np.random.default_rng(1).random(shape).astype(np.float32)
    axes = [
        AxisTable(name, {name: np.array([f"{name}{number}" for number in range(size)], object)})
        for name, size in zip(("gene", "sample"), shape, strict=True)
    ]
    write_native(path, *axes, [LayerSource("TPM", InMemory(cells), cells.dtype, False)])
    return path


class Download(threading.Thread):
    """Reads a whole matrix; if it `pauses`, only a piece until `finish`. Keeps its digest and how it ended."""

    def __init__(self, server: Server, id: str, pauses: bool = True) -> None:
        super().__init__(daemon=True)
        self._url = f"http://{HOST}:{server.port}/rnaget/expressions/{id}/bytes?format=tsv"
        self._go_on = threading.Event()
        if not pauses:
            self._go_on.set()
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0
        self.ended = "running"
        self.under_way = threading.Event()
        self.start()

    def run(self) -> None:
        """Read."""
        try:
            with requests.get(self._url, stream=True, timeout=60) as reply:
                if reply.status_code != 200:
                    self.ended = f"status {reply.status_code}"
                    return
                for piece in reply.iter_content(_PIECE):
                    self._digest.update(piece)
                    self.size += len(piece)
                    self.under_way.set()
                    self._go_on.wait(60)
            self.ended = "whole"
        except requests.RequestException:
            self.ended = "cut"
        finally:
            self.under_way.set()

    def finish(self) -> None:
        """Read the rest."""
        self._go_on.set()
        self.join(90)

    @property
    def digest(self) -> str:
        """The MD5 sum of what came."""
        return self._digest.hexdigest()


def native_catalogue(directory: Path, shape: tuple[int, int], *ids: str) -> Path:
    """Make a catalogue of native stores of the same cells."""
    study = catalogue(directory, *ids)
    text = (study / "study.yaml").read_text()
    (study / "study.yaml").write_text(text.replace(".loom", ".h5"))
    made = native(directory / "made.h5", shape)
    for id in ids:
        (study / f"{id}.loom").unlink()
        shutil.copyfile(made, study / f"{id}.h5")
    return study


@ATTACKS("files cut off in place while they are downloaded and asked for, beside the download of another matrix")
def truncated(directory: Path, short: bool) -> str:
    study = native_catalogue(directory, (4_000, 500) if short else (20_000, 1_000), "cut", "other")
    with rnaget(directory / "data", directory / "log") as server:
        whole = Download(server, "other", pauses=False)
        whole.join()
        workers = server.workers
        downloads = [Download(server, id) for id in ("other", "cut", "cut")]
        for download in downloads:
            download.under_way.wait(30)
        ask(server, "cut", "&featureIDList=gene1")
        os.truncate(study / "cut.h5", 4096)
        asked = [
            ask(server, "cut", f"&{query}").status_code for query in ("featureIDList=gene7", "sampleIDList=sample3")
        ]
        asked.append(ask(server, "other", "&featureIDList=gene7").status_code)
        for download in downloads:
            download.finish()
        same = server.workers == workers
    ended = [download.ended for download in downloads]
    assert same, "the worker ended"
    assert ended == ["whole", "cut", "cut"], f"the downloads ended {ended}"
    assert downloads[0].digest == whole.digest, "the other download differs"
    assert asked == [503, 503, 200], f"status {asked}"
    assert "Traceback" not in (directory / "log").read_text(), "a trace in the log"
    return "two downloads of it cut, 503 to new requests; the other download is whole, the worker the same"


@ATTACKS("files replaced, and written over in place, while they are downloaded")
def replaced(directory: Path, short: bool) -> str:
    shape = (4_000, 500) if short else (20_000, 1_000)
    study = native_catalogue(directory, shape, "moved", "over")
    other = native(directory / "other.h5", (30, 20))
    with rnaget(directory / "data", directory / "log") as server:
        whole = Download(server, "moved", pauses=False)
        whole.join()
        downloads = [Download(server, id) for id in ("moved", "over")]
        for download in downloads:
            download.under_way.wait(30)
        shutil.copyfile(other, directory / "new.h5")
        (directory / "new.h5").replace(study / "moved.h5")
        shutil.copyfile(other, study / "over.h5")
        asked = [ask(server, id).text.count("\n") for id in ("moved", "over")]
        for download in downloads:
            download.finish()
    ended = [download.ended for download in downloads]
    assert ended == ["whole", "cut"], f"the downloads ended {ended}"
    assert downloads[0].digest == whole.digest, "the download of the old file differs"
    assert all(rows >= 30 for rows in asked), f"the new files are not served: {asked}"
    return "the download of the file that was replaced is whole, of the one written over cut; both are served again"


def bomb(path: Path, rows: int, columns: int, chunk: tuple[int, int]) -> Path:
    """Write a loom file of zeros in large chunks."""
    loom(path)
    with h5py.File(path, "r+") as file:
        for name in ("matrix", "row_attrs/gene", "col_attrs/sample"):
            del file[name]
        matrix = file.create_dataset("matrix", (rows, columns), np.float32, chunks=chunk, compression="gzip")
        matrix[:1, :1] = 1
        file["row_attrs/gene"] = np.arange(rows).astype("S")
        file["col_attrs/sample"] = np.arange(columns).astype("S")
    return path


@ATTACKS("chunks of 1 GB, shapes of 10**12 cells that take no disk, terabytes of text in one place: served")
def bombs_served(directory: Path, short: bool) -> str:
    study = catalogue(directory, "chunks", "shape", "axis", "texts", "labels", "sound")
    bomb(study / "chunks.loom", 1024, 1 << 18 if not short else 1 << 16, (1024, 1 << 18 if not short else 1 << 16))
    bomb(study / "shape.loom", 100_000, 100_000, (64, 64))
    _claim(study / "axis.loom", 10**12, "S8")
    _claim(study / "labels.loom", 30_000_000, "S100")
    with h5py.File(study / "texts.loom", "r+") as file:
        del file["matrix"], file["row_attrs/gene"]
        file["matrix"] = np.zeros((100_000, 3), np.float32)
        file.create_dataset("row_attrs/gene", (100_000,), h5py.string_dtype())
        file["row_attrs/gene"][0] = "x" * (4 << 20)
        place = file["row_attrs/gene"].id.get_offset()
    with (study / "texts.loom").open("r+b") as raw:
        raw.seek(place)
        one = raw.read(16)
        raw.seek(place)
        raw.write(one * 100_000)
    ids = ("chunks", "shape", "axis", "texts", "labels")
    with rnaget(directory / "data", directory / "log") as server:
        assert ask(server, "sound").status_code == 200
        with server.watched() as peak:
            found = [ask(server, id, "&featureIDList=1").status_code for id in ids]
    log = (directory / "log").read_text()
    assert found == [503] * len(ids), f"status {found}"
    assert peak.growth < 64, f"the worker grew by {peak.growth:.0f} MB"
    assert all(word in log for word in ("h5repack", "max_expansion", "max_column_bytes")), log
    return f"{len(ids)} files: 503, the worker grew by {peak.growth:.0f} MB; the log says what to do"


def _claim(path: Path, rows: int, kind: str) -> None:
    with h5py.File(path, "r+") as file:
        del file["matrix"], file["row_attrs/gene"]
        file.create_dataset("matrix", (rows, 3), np.float32, chunks=(64, 3), compression="gzip")
        file.create_dataset("row_attrs/gene", (rows,), kind, chunks=(4096,), compression="gzip")


@ATTACKS("a chunk whose gzip data expand to far more than the chunk has")
def overlong_chunk(directory: Path, short: bool) -> str:
    study = catalogue(directory, "long", "sound")
    with h5py.File(study / "long.loom", "r+") as file:
        del file["matrix"]
        matrix = file.create_dataset("matrix", (4, 3), np.float32, chunks=(4, 3), compression="gzip")
        matrix[...] = 1
        matrix.id.write_direct_chunk((0, 0), _deflated((1 << 27) if short else (1 << 30)))
    with rnaget(directory / "data", directory / "log") as server:
        assert ask(server, "sound").status_code == 200
        with server.watched() as peak:
            found = ask(server, "long").status_code
    assert found == 503, f"status {found}"
    assert peak.growth < 64, f"the worker grew by {peak.growth:.0f} MB"
    return f"503, the worker grew by {peak.growth:.0f} MB"


def _deflated(size: int) -> bytes:
    import zlib

    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


@ATTACKS("gzip text of endless lines, rows and zeros, a table of them, and a named pipe: imported")
def bombs_imported(directory: Path, short: bool) -> str:
    # With the limit of the short form, it is as far above it.
    large = 1 << (26 if short else 31)
    environment = {"RNAGET_MAX_COLUMN_BYTES": str(1 << 25)} if short else {}
    sources = {
        "one line": (b"gene\ts\ng\t", b"0\t" * (1 << 19)),
        "zeros": (b"gene\ts\n" + b"".join(b"g%d\t0\n" % number for number in range(20_000)), bytes(1 << 20)),
    }
    said = []
    for name, (head, piece) in sources.items():
        path = directory / f"{name.replace(' ', '-')}.tsv.gz"
        with gzip.open(path, "wb", 1) as file:
            file.write(head)
            for _ in range(large // len(piece)):
                file.write(piece)
        said.append(_imported(directory, str(path)))
    plain = directory / "m.tsv"
    plain.write_text("gene\ts\ng\t1\n")
    table = directory / "table.tsv.gz"
    with gzip.open(table, "wb", 1) as file:
        for _ in range(large >> 19):
            file.write(b"s\tb\n" * (1 << 17))
    said.append(_imported(directory, str(plain), "--samples", str(table), **environment))
    os.mkfifo(directory / "pipe.tsv")
    said.append(_imported(directory, str(directory / "pipe.tsv")))
    with contextlib.suppress(FileNotFoundError):
        bomb(directory / "m.loom", 1024, 1 << 16, (1024, 1 << 16))
        said.append(_imported(directory, str(directory / "m.loom")))
    words = ("longer than", "NUL byte", "the table has more", "no regular file", "in chunks of 256 MiB")
    for (code, text), word in zip(said, words, strict=True):
        assert code == 1 and word in text and "Traceback" not in text, f"code {code}: {text}"
    assert not (directory / "new").exists(), "something was left in the catalogue"
    return f"{len(said)} imports end with 1 and say what is wrong"


def _imported(directory: Path, *source: str, **environment: str) -> tuple[int, str]:
    options = ("--project", "p", "--study", "s", "--id", "m", "--units", "x", "--data", str(directory / "new"))
    return command("import", *source, *options, environment=environment)
