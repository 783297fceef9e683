"""The rows of long tables (feature, sample, value), in any order, on their way to a matrix.

They are spooled as they come, and put in order by buckets: each row is appended to the bucket of a run of features,
and every bucket is small enough to be held in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.axes import feature_axis, label_axis
from rnaget_server.importers.matrices.long_attributes import LongAttributes
from rnaget_server.importers.spool import Spool, SpooledCells, filling
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.mistakes import SHOWN
from rnaget_server.importers.text.table_body import LABEL_BYTES, too_many_labels
from rnaget_server.stores.compressed import panels

_ROW = np.dtype([("feature", np.int32), ("sample", np.int32), ("line", np.int64), ("value", np.float64)])
_BUCKET = 2 << 20
_PIECE = 1 << 19
# A matrix of more than so many cells, and so many for each row of the table, has hardly any value in it.
_ALWAYS, _SPREAD = 64 << 20, 100


@dataclass(frozen=True)
class LongRows:
    """Some rows: their lines, ids and values, and the columns besides."""

    lines: Sequence[int]
    features: Sequence[str]
    samples: Sequence[str]
    values: NDArray[np.float64]
    others: Sequence[Sequence[str]]


class _Ids:
    """Ids in the order in which they come, with a number for each."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.numbers: dict[str, int] = {}
        self._bytes = 0

    def of(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return the numbers of some ids."""
        numbers = self.numbers
        for text in dict.fromkeys(texts):
            if text not in numbers:
                numbers[text] = len(numbers)
                self._bytes += len(text) + LABEL_BYTES
        return np.fromiter(map(numbers.__getitem__, texts), np.int32, len(texts))

    def check(self, path: Path, most: int, line: int) -> None:
        """Refuse ids that have no room in memory."""
        if self._bytes > most:
            raise too_many_labels(path, self.kind, most, line)


class LongSpool:
    """Takes the rows of a long table.

    Parameters
    ----------
    path
        For messages.
    directory
        The directory of the temporary files.
    headers
        Of the column of features, that of samples, and the others.
    options
        How the table is read.
    """

    def __init__(self, path: Path, directory: Path, headers: Sequence[str], options: ReadOptions) -> None:
        self._path = path
        self._directory = directory
        self._headers = headers
        self._options = options
        self._features, self._samples = _Ids("feature"), _Ids("sample")
        self._attributes = LongAttributes(path, headers[2:], options.limits.column_bytes)
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        self._count = 0

    def add(self, rows: LongRows) -> None:
        """Take the next rows, whose ids are not empty.

        Raises
        ------
        ImportFailure
            If the ids and attributes have no room in memory.
        """
        features, samples = self._features.of(rows.features), self._samples.of(rows.samples)
        self._attributes.add(features.tolist(), samples.tolist(), rows.others, rows.lines)
        records = np.empty(len(features), _ROW)
        records["feature"], records["sample"], records["value"] = features, samples, rows.values
        records["line"] = rows.lines
        self._file.write(records.data)
        self._count += len(records)
        for ids in (self._features, self._samples):
            ids.check(self._path, self._options.limits.column_bytes, int(records["line"][-1]))

    def finish(self, progress: Progress) -> SourceMatrix:
        """Return the matrix: features and samples in the order in which they came; what has no row is NaN.

        Raises
        ------
        ImportFailure
            If there is no row, a feature and a sample have two, or hardly any have one.
        """
        with self._file:
            shape = len(self._features.numbers), len(self._samples.numbers)
            self._check_shape(shape)
            cells = self._pivoted(shape, progress)
        kept = self._attributes.columns(self._headers[:2])
        features = feature_axis(
            [self._headers[0], *kept.features], [list(self._features.numbers), *kept.features.values()], self._options
        )
        samples = label_axis([self._headers[1], *kept.samples], [list(self._samples.numbers), *kept.samples.values()])
        absent = shape[0] * shape[1] - self._count
        remarks = [
            f"a long table: features in the column {self._headers[0] or '(no header)'}, samples in {self._headers[1]}",
            *([f"features and samples without a row, which have no value: {absent:,} cells"] if absent else []),
            *kept.remarks,
        ]
        return SourceMatrix(features, samples, cells, remarks=tuple(remarks))

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def _check_shape(self, shape: tuple[int, int]) -> None:
        cells = shape[0] * shape[1]
        if not cells:
            raise ImportFailure("there is no row below the header", self._path)
        if cells > _ALWAYS and cells > _SPREAD * self._count:
            raise ImportFailure(
                f"the {self._count:,} rows have {shape[0]:,} features and {shape[1]:,} samples, so that most cells of "
                f"the matrix have no value: see that {self._headers[0]} and {self._headers[1]} are the ids "
                "(--feature-id, --sample-id); a sparse matrix is imported as MatrixMarket or AnnData",
                self._path,
            )

    def _pivoted(self, shape: tuple[int, int], progress: Progress) -> SpooledCells:
        counts = np.zeros(shape[0], np.int64)
        for piece in self._pieces():
            counts += np.bincount(piece["feature"], minlength=shape[0])
        buckets = panels(np.maximum(counts, shape[1]), _BUCKET)
        repeated: list[tuple[int, int, int, int]] = []
        with tempfile.TemporaryFile(dir=self._directory) as file:
            starts = self._fill(file, buckets, counts)
            with filling(Spool(self._directory, shape[1]), self._path) as spool:
                for number, (first, last) in enumerate(buckets):
                    size = int(counts[first:last].sum())
                    # More rows than samples are repeated ones, of which some are enough.
                    most = min(size, (last - first) * shape[1] + 1)
                    file.seek(int(starts[number]) * _ROW.itemsize)
                    rows = np.frombuffer(file.read(most * _ROW.itemsize), _ROW)
                    repeated += _repeated(rows)[: SHOWN + 1]
                    cells = np.full((last - first, shape[1]), np.nan)
                    cells[rows["feature"] - first, rows["sample"]] = rows["value"]
                    spool.append(cells)
                    progress((number + 1) / len(buckets))
                if repeated:
                    raise self._refusal(repeated)
                return spool.finish()

    def _pieces(self) -> Iterator[NDArray[Any]]:
        self._file.seek(0)
        while raw := self._file.read(_PIECE * _ROW.itemsize):
            yield np.frombuffer(raw, _ROW)

    def _fill(self, file: IO[bytes], buckets: list[tuple[int, int]], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Write every row into its bucket, and return where each bucket starts; those of one keep their order."""
        firsts = np.array([first for first, _ in buckets])
        sizes = np.array([counts[first:last].sum() for first, last in buckets], np.int64)
        starts = np.cumsum(sizes) - sizes
        places = starts.copy()
        for piece in self._pieces():
            bucket = np.searchsorted(firsts, piece["feature"], side="right") - 1
            rows = piece[np.argsort(bucket, kind="stable")]
            within = np.bincount(bucket, minlength=len(buckets))
            at = 0
            for number in np.flatnonzero(within).tolist():
                file.seek(int(places[number]) * _ROW.itemsize)
                file.write(rows[at : at + within[number]].data)
                places[number] += within[number]
                at += within[number]
        file.flush()
        return starts

    def _refusal(self, repeated: list[tuple[int, int, int, int]]) -> ImportFailure:
        features, samples = list(self._features.numbers), list(self._samples.numbers)
        messages = [
            (
                line,
                f"the feature {shortened(features[feature])} has a value for the sample {shortened(samples[sample])} "
                f"here and in line {earlier} already",
            )
            for line, earlier, feature, sample in sorted(repeated)
        ]
        (line, message), *others = messages[:SHOWN]
        hint = "each may have one: leave out the others, or name the column of the samples by --sample-id"
        listed = [message, *(f"{self._path}:{number}: {text}" for number, text in others)]
        if len(messages) > SHOWN:
            listed.append("and more such rows")
        return ImportFailure("\n".join([*listed, hint]) if others else f"{message}; {hint}", self._path, line)


def _repeated(rows: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    """Return for rows of a feature and sample that have one already: both lines, and the numbers of the ids."""
    order = np.lexsort((rows["line"], rows["sample"], rows["feature"]))
    ordered = rows[order]
    same = (ordered["feature"][1:] == ordered["feature"][:-1]) & (ordered["sample"][1:] == ordered["sample"][:-1])
    found = np.flatnonzero(same)
    found = found[np.argsort(ordered["line"][found + 1], kind="stable")][: SHOWN + 1]
    return [
        (
            int(ordered["line"][at + 1]),
            int(ordered["line"][at]),
            int(ordered["feature"][at]),
            int(ordered["sample"][at]),
        )
        for at in found.tolist()
    ]
