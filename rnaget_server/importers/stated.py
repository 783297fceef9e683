"""The units, genome and licence that a source states itself: in its attributes, comments, headers or name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnaget_server.importers.addresses import Address
from rnaget_server.importers.detect import is_hdf5, read_head
from rnaget_server.importers.text.quantities import only_units
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.tenx import TenXStore

_LONGEST = 200
_KEYS = ("units", "genome", "license")
_COMMENT = re.compile(r"#+\s*(units|genome|license)\s*[:=\t]\s*(\S.*)", re.IGNORECASE)
_MARKET = re.compile(r"%%matrixmarket\s+matrix\s+coordinate\s+(?:unsigned-)?integer\b", re.IGNORECASE)
_PROGRAMS = (
    (re.compile(r"# Program:featureCounts"), "featureCounts counts reads"),
    (re.compile(r"N_unmapped\t\d"), "STAR counts reads"),
)
_WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])")
_UNITS_OF_WORDS = {
    **dict.fromkeys(("tpm", "tpms"), "TPM"),
    **dict.fromkeys(("fpkm", "fpkms"), "FPKM"),
    **dict.fromkeys(("rpkm", "rpkms"), "RPKM"),
    **dict.fromkeys(("cpm", "cpms"), "CPM"),
    **dict.fromkeys(("count", "counts", "reads", "umis", "readcounts", "rawcounts"), "count"),
}
# Such words say that the values are no longer in the units that the name has as well.
_CHANGED = re.compile(r"log\d*p?\d*|ln|norm.*|scaled?|z|zscores?|vst|rlog|tmm|rle|adjusted|corrected|uq|ratio|fc|mnn")
# Counts that tximport makes of TPM, as nf-core/rnaseq calls them.
_SCALED_COUNTS = re.compile(r"(?<=_counts)_length_scaled|(?<=\.merged\.gene_counts)_scaled")
_HEAD_LINES = 200


@dataclass(frozen=True)
class Stated:
    """A value that a source states, and the place where it does."""

    value: str
    where: str


def stated(source: Path | Address, member: str | None = None) -> dict[str, Stated]:
    """Return what a source states, by `units`, `genome` and `license`; nothing if it cannot be read.

    A matrix of MatrixMarket may be named by its directory. An address and an archive state no more than the name of the
    file does, or that of the `member` of the archive.
    """
    found = {} if isinstance(source, Address) else _of_content(source)
    name = member or source.name
    if "units" not in found and (units := units_of_name(name)) is not None:
        found["units"] = Stated(units, f"the name of the file, {name}")
    return found


def _of_content(path: Path) -> dict[str, Stated]:
    if path.is_dir():
        markets = [found for end in (".mtx", ".mtx.gz") for found in sorted(path.glob(f"*{end}"))]
        return stated(markets[0]) if markets else {}
    with contextlib.suppress(Exception):  # a file that says what no writer says may raise anything; the import names it
        head = read_head(path)
        if is_hdf5(head):
            return _of_hdf5(path)
        if b"\0" not in head:
            return _of_text(head)
    return {}


def units_of_name(name: str) -> str | None:
    """Return the units that the name of a file has in it; None if it has none, or several, or says they are changed."""
    words = [word.lower() for word in _WORDS.split(_SCALED_COUNTS.sub("", name.split(".mtx")[0])) if word]
    units = {_UNITS_OF_WORDS[word] for word in words if word in _UNITS_OF_WORDS}
    return units.pop() if len(units) == 1 and not any(map(_CHANGED.fullmatch, words)) else None


def _of_text(head: bytes) -> dict[str, Stated]:
    lines = head.decode("utf-8", "replace").splitlines()[:_HEAD_LINES]
    if lines and _MARKET.match(lines[0].removeprefix("\ufeff")):
        return {"units": Stated("count", "a MatrixMarket file of whole numbers")}
    found: dict[str, Stated] = {}
    body = list(lines)
    while body and body[0].startswith("#"):
        comment = _COMMENT.fullmatch(body[0].strip())
        if comment is not None and len(comment[2]) <= _LONGEST:
            found.setdefault(comment[1].lower(), Stated(comment[2], "a comment in the file"))
        body = body[1:]
    for pattern, where in _PROGRAMS:
        if lines and pattern.match(lines[0]):
            found.setdefault("units", Stated("count", where))
    units = only_units(_fields(body[0])) if body else None
    if units is not None:
        found.setdefault("units", Stated(units, "the only such column"))
    return found


def _fields(header: str) -> Sequence[str]:
    separator = "\t" if "\t" in header else ","
    return [field.strip(' "') for field in header.split(separator)]


def _of_hdf5(path: Path) -> dict[str, Stated]:
    where = "an attribute of the file"
    if TenXStore.recognises(path):
        with File(path) as file:
            genome = _only(file.get("matrix/features/genome"))
        found = {"units": Stated("count", "a 10x file, which has counts")}
        return found | ({"genome": Stated(genome, where)} if genome else {})
    with File(path) as file:
        pairs = [*_attributes(file.attrs), *_datasets(file)]
        matrix = file.get("matrix")
        if isinstance(matrix, Dataset):
            pairs += [pair for pair in _attributes(matrix.attrs) if pair[0] == "units"]
    return {key: Stated(value, where) for key, value in pairs if value}


def _attributes(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _KEYS:
        if key in attributes:
            yield key, _as_text(attributes[key])


def _datasets(file: File) -> Iterator[tuple[str, str]]:
    """Yield what an AnnData file of this server has among its unstructured data."""
    for key in _KEYS:
        dataset = file.get(f"uns/origin/{key}")
        if isinstance(dataset, Dataset) and dataset.size == 1:
            yield key, _as_text(dataset.whole())


def _only(dataset: object) -> str | None:
    """Return the one value that all entries have; None if they differ, or are no texts."""
    if not isinstance(dataset, Dataset) or not dataset.size:
        return None
    values = np.unique(dataset.whole().astype(bytes))
    return _as_text(values) if len(values) == 1 else None


def _as_text(value: Any) -> str:
    array = np.asarray(value)
    if array.size != 1:
        return ""
    item = array.reshape(-1)[0]
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
    return text.strip() if len(text) <= _LONGEST and text.isprintable() else ""
