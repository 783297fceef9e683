"""R's ``.rds`` files of a matrix, a data frame, a SummarizedExperiment or a Seurat object, read by R itself."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.foreign import is_rds
from rnaget_server.importers.matrices.delimited import read_table
from rnaget_server.importers.matrices.mtx import MtxImporter
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.storage.temporary_directories import OF_IMPORTS, temporary_directory

_SCRIPT = Path(__file__).with_name("rds.R")
_PROGRAM = "Rscript"
_SECONDS = 3600
_MEMORY = 16 << 30
_REFUSED = 3
_LONGEST = 1000
_READING = 0.5
_PR_SET_PDEATHSIG = 1
_IN_R = (
    "write it in R, as by `write.table(x, 'FILE.tsv', sep='\\t', quote=FALSE, col.names=NA)`, or a sparse one by "
    "`Matrix::writeMM(x, 'matrix.mtx')` with its row names in features.tsv and its column names in barcodes.tsv"
)


class RdsImporter(Importer):
    """Lets R write the object as text, if the provider trusts the file, and reads that."""

    takes = frozenset({"layer", "trust_r"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is an object that R has saved."""
        return is_rds(head)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the object.

        Raises
        ------
        ImportFailure
            If R is not installed or may not read the file, or the object in it is no matrix.
        """
        if not options.trust_r:
            raise ImportFailure(
                "this is an R data file (.rds), which only R can read, and a file made for it can run code: if you "
                f"trust the origin of this one, add --trust-r; if not, {_IN_R} where it was made, and import that",
                path,
            )
        with temporary_directory(OF_IMPORTS) as temporary:
            made = temporary.resolve()
            _convert(path, made, options)
            progress(_READING)
            try:
                return _read(made, options, directory, lambda share: progress(_READING + share * (1 - _READING)))
            except ImportFailure as error:
                raise ImportFailure(str(error).replace(str(made), str(path))) from None


def _convert(path: Path, made: Path, options: ReadOptions) -> None:
    """Let R write the object to the directory `made`."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise ImportFailure(
            f"this is an R data file (.rds), and R is not installed here ({_PROGRAM}): install it, or {_IN_R} where R "
            "is, and import that",
            path,
        )
    transpose = "transpose" if options.transpose else ""
    command = [program, "--vanilla", str(_SCRIPT), str(path.resolve()), str(made), options.layer or "", transpose]
    status = _run(command, made, path, shutil.disk_usage(made).free - options.limits.min_free_bytes)
    if status == _REFUSED:
        with (made / "refusal.txt").open(encoding="utf-8", errors="replace") as file:
            words = " ".join(file.read(_LONGEST).split())
        raise ImportFailure(f"R cannot take a matrix from this file: {words}", path)
    if status != 0:
        raise ImportFailure(
            f"R ended with status {status} while it read the file: it may need more than {_MEMORY >> 30} GiB of memory "
            f"or more of the disk than there is; {_IN_R}, and import that",
            path,
        )


def _run(command: list[str], directory: Path, path: Path, room: int) -> int:
    """Return the status of R, which gets no settings of the user, and no more time, memory and disk than is said.

    R ends with this process, however that ends (on Linux).
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TMPDIR": str(directory)}
    for name in ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"):
        if name in os.environ:
            environment[name] = os.environ[name]
    end_with_parent = getattr(ctypes.CDLL(None), "prctl", None)
    parent = os.getpid()

    def bound() -> None:
        if end_with_parent is not None:
            end_with_parent(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # killed meanwhile
                os._exit(1)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(0, room), max(0, room)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=directory,
        env=environment,
        start_new_session=True,
        preexec_fn=bound,
    )
    try:
        return process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        raise ImportFailure(f"R has not read the file within {_SECONDS // 60} minutes; {_IN_R}", path) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(made: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
    """Return what R has written."""
    plain = replace(options, header=True, layer=None)  # a frame is transposed as text, a matrix by R
    if (made / "frame.tsv").exists():
        with TextLines(made / "frame.tsv") as lines:
            source = read_table(lines, plain, directory, progress)
        return replace(source, remarks=("a data frame of R", *source.remarks[1:]))
    if (made / "matrix.mtx").exists():
        sparse = replace(options, layer=None, transpose=False)
        source = MtxImporter().read(made / "matrix.mtx", sparse, directory, progress)
        what = "a sparse matrix of R, stored sparse"
    else:
        with TextLines(made / "matrix.tsv") as lines:
            source = read_table(lines, replace(plain, label_columns=1, transpose=False), directory, progress)
        what = "a matrix of R"
    try:
        return replace(_with_attributes(source, made, options), remarks=(what,))
    except ImportFailure:
        source.cells.close()
        raise


def _with_attributes(source: SourceMatrix, made: Path, options: ReadOptions) -> SourceMatrix:
    # Not at the top, since every import asks this module, and few files are read by it.
    from rnaget_server.importers.attribute_tables import with_features, with_samples

    features, samples = source.features, source.samples
    table = made / "samples_table.tsv"
    if table.exists():
        samples = with_samples(samples, (table,), "sample_id", False, options.limits).axis
    table = made / "features_table.tsv"
    if table.exists():
        features = with_features(features, table, "feature_id", options.feature_name, None, options.limits).axis
    return replace(source, features=features, samples=samples)
