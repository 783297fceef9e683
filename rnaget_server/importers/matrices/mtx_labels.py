"""The files of labels that belong to a MatrixMarket file: found by their names, and read."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.compression import SUFFIX_PATTERN, SUFFIXES, without_suffix
from rnaget_server.importers.detect import unreadable
from rnaget_server.importers.matrices.mtx_layouts import LayoutFiles, layout_of
from rnaget_server.importers.text.columns import text_column
from rnaget_server.importers.text.fields import COMMA, TAB, QuoteError, shortened, split_fields, tabs_for_blanks
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import LABEL_BYTES, decoded, too_many_labels
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.tenx import FEATURE_ID, FEATURE_NAME, FEATURE_TYPE, SAMPLE_ID

_ENDS = (".tsv.gz", ".tsv")
_LISTED = 8
# First fields that are headers of label files, never labels.
_HEADERS = frozenset(
    ("barcode", "barcodes", "cell", "cell_id", "cell_barcode", "cellid", "sample", "feature", "feature_id", "features",
     "gene", "gene_id", "geneid", "genes", "ensembl_id", "ensembl", "id", "x", "v1", "",
     "gene_name", "genename", "gene_symbol", "symbol", "feature_name")
)  # fmt: skip
# Accessions of one sample: labels of another must not be taken for its own.
_ACCESSION = re.compile(r"(?:GSM|SRR|SRX|SRS|ERR|ERX|ERS|DRR|SAM[NED]A?)\d+", re.IGNORECASE)


@dataclass(frozen=True)
class AxisFile:
    """One axis of the matrix: the kind of its members, how its file may be called, its columns, the option for it."""

    kind: str
    stems: tuple[str, ...]
    columns: tuple[str, ...]
    option: str


FEATURES = AxisFile("feature", ("features", "genes"), (FEATURE_ID, FEATURE_NAME, FEATURE_TYPE), "--mtx-features")
SAMPLES = AxisFile("sample", ("barcodes",), (SAMPLE_ID,), "--mtx-barcodes")
_AXES = FEATURES, SAMPLES


@dataclass(frozen=True)
class Labels:
    """The rows of a file of labels, and the lines where they are."""

    place: Path
    rows: list[list[str]]
    lines: list[int]

    def has_header(self, size: int) -> bool:
        """Return whether the first row is a header above as many labels as there are to be."""
        return len(self.rows) == size + 1 and self.rows[0][0].strip().lower() in _HEADERS

    def fit(self, size: int) -> bool:
        """Return whether there are as many labels as there are to be."""
        return len(self.rows) == size or self.has_header(size)


@dataclass(frozen=True)
class MatrixLabels:
    """The features and samples of a MatrixMarket file, whether its rows are the samples, and remarks."""

    features: AxisTable
    samples: AxisTable
    transposed: bool
    remarks: tuple[str, ...]


def read_labels(path: Path, options: ReadOptions, shape: tuple[int, int]) -> MatrixLabels:
    """Return the labels of a MatrixMarket file of this many rows and columns.

    Raises
    ------
    ImportFailure
        If a file of labels is not found, is not well formed, or does not fit the matrix.
    """
    layout = None if options.mtx_features or options.mtx_barcodes else layout_of(path)
    if layout is None:
        places = _place(path, FEATURES, options.mtx_features), _place(path, SAMPLES, options.mtx_barcodes)
    else:
        places = layout.features, layout.samples
    read = [_read(place, axis, options.limits) for place, axis in zip(places, _AXES, strict=True)]
    if layout is not None and layout.names is not None:
        read[0] = _with_names(read[0], _read(layout.names, FEATURES, options.limits))
    transposed, remarks = _orientation(path, read, shape, options.transpose, layout)
    if any(place.name not in _usual_names(path, axis) for place, axis in zip(places, _AXES, strict=True)):
        remarks.append(f"labels from {places[0].name} and {places[1].name}")
    sizes = shape[::-1] if transposed else shape
    for at, (labels, size) in enumerate(zip(read, sizes, strict=True)):
        if labels.has_header(size):
            header = " ".join(labels.rows[0]).strip()
            remarks.append(f"line 1 of {labels.place.name} is a header: {header!r}")
            read[at] = Labels(labels.place, labels.rows[1:], labels.lines[1:])
    features, samples = (_axis(*each, path) for each in zip(read, _AXES, sizes, strict=True))
    return MatrixLabels(features, samples, transposed, tuple(remarks))


def _orientation(
    path: Path, read: Sequence[Labels], shape: tuple[int, int], asked: bool, layout: LayoutFiles | None
) -> tuple[bool, list[str]]:
    """Return whether the rows are samples, by the numbers of labels, and remarks.

    If there are as many features as samples, the layout says it, or `asked`: the option ``--transpose``.
    """
    fits, fits_transposed = (
        all(labels.fit(size) for labels, size in zip(read, sizes, strict=True)) for sizes in (shape, shape[::-1])
    )
    known = layout is not None and layout.cells_as_rows
    if asked and fits and not fits_transposed:
        raise ImportFailure(
            f"--transpose: the rows of the matrix are its {shape[0]} features, and the columns its {shape[1]} samples, "
            "as they should be: leave it out",
            path,
        )
    transposed = (asked or known) if fits == fits_transposed else fits_transposed
    if transposed:
        return True, ["rows are cells, columns are features"]
    if fits and fits_transposed and shape[0] > 1:
        return False, ["as many features as samples: rows are taken for features; --transpose takes them for samples"]
    return False, []


def _with_names(features: Labels, names: Labels) -> Labels:
    """Return features with their names, if these are as many."""
    if len(names.rows) != len(features.rows):
        return features
    rows = [[row[0], name[0]] for row, name in zip(features.rows, names.rows, strict=True)]
    return Labels(features.place, rows, features.lines)


def _place(path: Path, axis: AxisFile, given: Path | None) -> Path:
    """Return the file of the labels: the one given, one of a usual name, or the only one that fits."""
    if given is not None:
        return given
    names = _usual_names(path, axis)
    for place in (path.with_name(f"{name}{end}") for name in names for end in ("", *SUFFIXES)):
        if place.is_file():
            return place
    others = _label_files(path, axis)
    fitting = [name for name in others if _is_of_sample(path, axis, name)]
    if not fitting and len(others) == 1 and _is_shared(path, axis, others[0]):
        fitting = others
    if len(fitting) == 1:
        return path.with_name(fitting[0])
    similar = f"; there {'is' if len(others) == 1 else 'are'} {_listed(others)}" if others else ""
    raise ImportFailure(
        f"the {axis.kind}s must be in a file {' or '.join(names)} next to it, or be called as by "
        f"kallisto|bustools, alevin or Expression Atlas{similar}: name the file by {axis.option}",
        path,
    )


def _usual_names(path: Path, axis: AxisFile) -> list[str]:
    """Return how the file of labels may be called: as the matrix, the stem in place of ``matrix``, or behind it."""
    name = re.sub(r"\.mtx$", "", without_suffix(path.name), flags=re.IGNORECASE)
    front, word, behind = name.partition("matrix")
    shapes = [f"{front}{{}}{behind}"] if word else ["{}"]
    if not word:
        shapes += [f"{name}{mark}{{}}" for mark in "_.-"]
    elif behind and not front:
        shapes.append(f"{behind.lstrip('_.-')}{behind[0]}{{}}")
    return [f"{shape.format(stem)}{end}" for shape in shapes for stem in axis.stems for end in _ENDS]


def _label_files(path: Path, axis: AxisFile) -> list[str]:
    """Return the names next to the matrix that are those of such files; the packed one, if a file is there twice."""
    pattern = re.compile(
        rf"(.*[._-])?({'|'.join(axis.stems)})([._-].*)?\.tsv{SUFFIX_PATTERN}", re.IGNORECASE | re.DOTALL
    )
    names = {name for name in os.listdir(path.parent) if pattern.fullmatch(name)}
    return sorted(name for name in names if not any(f"{name}{end}" in names for end in SUFFIXES))


def _is_of_sample(path: Path, axis: AxisFile, name: str) -> bool:
    """Return whether a file of labels has the accession of the matrix, or its name without the stem."""
    own, other = _accessions(path.name), _accessions(name)
    if own and other:
        return not own.isdisjoint(other)
    around = _around(path.name, ("matrix",))
    return around is not None and around == _around(name, axis.stems)


def _is_shared(path: Path, axis: AxisFile, name: str) -> bool:
    """Return whether the only file of labels can be meant for this matrix, though it is called otherwise."""
    if _accessions(path.name) and _accessions(name):
        return False
    if axis is FEATURES:
        return True
    # Barcodes are those of one sample, so they may be those of another.
    matrices = [other for other in os.listdir(path.parent) if without_suffix(other.lower()).endswith(".mtx")]
    return len({without_suffix(other) for other in matrices}) == 1 and _around(name, axis.stems) == ("", "")


def _accessions(name: str) -> set[str]:
    return {text.upper() for text in _ACCESSION.findall(name)}


def _around(name: str, stems: Sequence[str]) -> tuple[str, str] | None:
    """Return what comes before the stem and after it, without marks between; None if the name has no stem."""
    match = re.fullmatch(
        rf"(.*?)[._-]*(?:{'|'.join(stems)})[._-]*(.*?)\.(?:mtx|tsv){SUFFIX_PATTERN}", name, re.IGNORECASE | re.DOTALL
    )
    return None if match is None else (match.group(1).lower(), match.group(2).lower())


def _read(place: Path, axis: AxisFile, limits: FileLimits) -> Labels:
    rows: list[list[str]] = []
    places: list[int] = []
    held, separator = 0, COMMA if ".csv" in place.suffixes else TAB
    try:
        with TextLines(place) as lines:
            for numbers, block in lines.blocks():
                places.extend(numbers)
                for number, line in zip(numbers, block, strict=True):
                    rows.append(decoded(_fields(line, separator), place, number))
                    held += len(line) + LABEL_BYTES * len(rows[-1])
                    if held > limits.column_bytes:
                        raise too_many_labels(place, axis.kind, limits.column_bytes, number)
    except OSError as error:
        raise unreadable(place, error) from None
    return Labels(place, rows, places)


def _fields(line: bytes, separator: bytes) -> list[bytes]:
    """Return the fields; a quote that is not that of a whole field stands for itself, unless R separates by blanks."""
    try:
        return split_fields(line, separator)
    except QuoteError:
        pass
    for text, other in ((tabs_for_blanks(line), TAB), (line, COMMA)):
        with contextlib.suppress(QuoteError):
            fields = split_fields(text, other)
            if len(fields) > 1 and line.startswith(b'"') and separator not in line:
                return fields
    return line.split(separator)


def _axis(labels: Labels, axis: AxisFile, size: int, path: Path) -> AxisTable:
    rows, place = labels.rows, labels.place
    if len(rows) != size:
        header = f"; if line 1 ({shortened(' '.join(rows[0]))}) is a header, remove it" if len(rows) == size + 1 else ""
        raise ImportFailure(f"there are {len(rows)} {axis.kind}s here, and {size} in {path.name}{header}", place)
    ids = [row[0] for row in rows]
    _check_ids(ids, labels.lines, axis.kind, place)
    if _are_row_numbers(rows):
        raise ImportFailure(
            f"the first column holds row numbers, and must hold the {axis.kind} ids: remove it, as by `cut -f2-`, or "
            "write the file without it (index=False in pandas, row.names=FALSE in R)",
            place,
        )
    width = min(len(axis.columns), max(len(row) for row in rows))
    table = {
        name: text_column([row[at] if at < len(row) else "" for row in rows])
        for at, name in enumerate(axis.columns[:width])
    }
    return AxisTable(axis.columns[0], table, FEATURE_NAME if FEATURE_NAME in table else None)


def _are_row_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether numbers from 0 or 1 are in front of the ids, also where blanks or commas separate them."""
    split = [row if len(row) > 1 else re.split("[ ,]", row[0], maxsplit=1) for row in rows]
    if len(split) < 2 or min(len(row) for row in split) < 2 or split[0][0] not in ("0", "1"):
        return False
    if all(row[0] == row[1] for row in split):
        return False  # the numbers are the names as well
    return all(row[0] == str(number) for number, row in enumerate(split, int(split[0][0])))


def _check_ids(ids: Sequence[str], lines: Sequence[int], kind: str, place: Path) -> None:
    seen: dict[str, int] = {}
    for number, id in zip(lines, ids, strict=True):
        if not id.strip():
            raise ImportFailure(f"the {kind} id (the first field) is empty", place, number)
        first = seen.setdefault(id, number)
        if first != number:
            raise ImportFailure(
                f"the {kind} id {shortened(id)} is here and in line {first} already: ids must be unique, so rename one",
                place,
                number,
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
