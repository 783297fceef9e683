"""The files of a quantifier, each read by this process or by another one."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from rnaget_server.compute.base import Compute
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.quantifications.kallisto_h5 import read_kallisto_h5
from rnaget_server.importers.quantifications.kinds import KALLISTO_H5, Kind
from rnaget_server.importers.quantifications.table import Quantities, Reading, read_quantities
from rnaget_server.importers.shared_files import NotShared, SeenFile, check_directory
from rnaget_server.storage.files import discard_directory, new_shared_directory, whole_file

_LAYERS, _LENGTHS = "layers/", "lengths/"
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class _Job:
    """All that the files have in common."""

    kind: Kind
    reading: Reading
    directory: Path


@dataclass(frozen=True)
class _Read:
    """A file that was read: where its numbers are, and where its texts, which are those of other files as a rule."""

    numbers: Path
    texts: Path
    samples: tuple[str, ...]


def read_files(
    paths: Sequence[Path], kind: Kind, reading: Reading, compute: Compute, directory: Path
) -> Generator[Quantities, None, None]:
    """Yield what is in each file, in their order.

    Parameters
    ----------
    paths
        The files.
    kind, reading
        The form of the files, and the columns to read.
    compute
        What reads them.
    directory
        The directory in which temporary files are made.

    Raises
    ------
    ImportFailure
        If a file is not well formed, or another process does not see it.
    """
    if compute.is_local:
        yield from (_read(path, kind, reading) for path in paths)
        return
    with ExitStack() as stack:
        shared = new_shared_directory(directory.absolute())
        stack.callback(discard_directory, shared)
        job = _Job(kind, reading, shared)
        texts: dict[Path, tuple[list[str], dict[str, list[str]]]] = {}
        with closing(compute.map(partial(_read_part, job), enumerate(map(SeenFile.of, paths)))) as parts:
            for path, part in zip(paths, parts, strict=True):
                if part is None:  # what is wrong is said in the words of one process, with the path as it was given
                    yield _read(path, kind, reading)
                    continue
                if part.texts not in texts:
                    texts = {part.texts: orjson.loads(part.texts.read_bytes())}
                yield _quantities(path, part, *texts[part.texts])
                part.numbers.unlink()


def _read(path: Path, kind: Kind, reading: Reading) -> Quantities:
    return read_kallisto_h5(path, reading.limits) if kind == KALLISTO_H5 else read_quantities(path, kind, reading)


def _quantities(path: Path, part: _Read, ids: list[str], attributes: dict[str, list[str]]) -> Quantities:
    with np.load(part.numbers, allow_pickle=False) as arrays:
        layers, lengths = (
            {name.removeprefix(start): arrays[name] for name in arrays.files if name.startswith(start)}
            for start in (_LAYERS, _LENGTHS)
        )
    return Quantities(path, ids, part.samples, layers, lengths, attributes)


def _read_part(job: _Job, part: tuple[int, SeenFile]) -> _Read | None:
    """Read a file; None if that fails. Called in other processes."""
    number, file = part
    file.check()
    check_directory(job.directory)
    try:
        found = _read(file.path, job.kind, job.reading)
    except NotShared:
        raise
    except ImportFailure:
        return None
    texts = orjson.dumps([found.ids, found.attributes])
    named = job.directory / f"{hashlib.blake2b(texts, digest_size=_DIGEST_BYTES).hexdigest()}.texts"
    if not named.exists():
        with whole_file(named) as written:
            written.write(texts)
    arrays: dict[str, Any] = {f"{_LAYERS}{name}": rows for name, rows in found.layers.items()}
    arrays |= {f"{_LENGTHS}{name}": values for name, values in found.lengths.items()}
    numbers = job.directory / f"{number}.numbers"
    with whole_file(numbers) as written:
        np.savez(written, **arrays)
    return _Read(numbers, named, found.samples)
