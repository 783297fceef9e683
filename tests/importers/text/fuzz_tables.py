"""Random text tables, imported and read by pandas: every difference, and every error that is no refusal, is a fault."""

from __future__ import annotations

import csv
import gzip
import io
import math
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.delimited import DelimitedImporter
from rnaget_server.importers.text.headerless import is_counter
from rnaget_server.model.columns import as_texts

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
LETTERS = "abcXYZ019 .-_|/:()[]'&+*%$§äöéß\u0301漢字\U0001f9ecµ\u00a0\u2028"
MARKS = ',;\t"\\#'
TEXTS = ("protein_coding", "liver & kidney", "chrX", "a, b", 'the "x" gene', "lncRNA", "", "naïve", "5' UTR")


@dataclass
class RandomTable:
    """A random table: its bytes, how it is to be imported, and how pandas reads it."""

    content: bytes
    name: str
    options: ReadOptions
    pandas: dict[str, object]
    labels: int
    headless: bool
    comments: int = 0
    trailing: int = 0
    decimal: str = "."
    text: bytes = b""
    notes: list[str] = field(default_factory=list)


def run(seconds: float, seed: int) -> int:
    """Try random tables for some seconds of processor time, and return how many.

    Raises
    ------
    AssertionError
        If one is imported otherwise than pandas reads it, or ends in an error that is no refusal; with its text.
    """
    count, end = 0, time.process_time() + seconds
    while time.process_time() < end or not count:
        random_ = random.Random(f"{seed}-{count}")
        table = draw(random_)
        try:
            check(table)
            check_damaged(random_, table)
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, table {count} ({table.name}, {table.options}, {table.notes}): "
                f"{type(error).__name__}: {error}\n{table.text!r}"
            ) from error
        count += 1
    return count


def draw(random_: random.Random) -> RandomTable:
    """Return a random table."""
    separator = random_.choice("\t\t\t,,;; ")
    transpose = random_.random() < 0.25
    headless = not transpose and random_.random() < 0.2
    rows, cells, labels = random_.randint(1, 12), random_.randint(1, 6), random_.randint(1, 3)
    decimal = "," if separator == ";" and random_.random() < 0.5 else "."
    marks = "" if separator == " " else MARKS
    header = [random_.choice(["gene_id", "ID", ""]), "kind", "place"][:labels]
    header += names(random_, cells, marks, set(header))
    ids = names(random_, rows, marks, set())
    body = [
        [id, *(random_.choice(TEXTS) for _ in range(labels - 1)), *(cell(random_, decimal) for _ in range(cells))]
        for id in ids
    ]
    of_r = not headless and (separator == " " or (labels == 1 and random_.random() < 0.2))
    if of_r or headless:
        header = header[1:] if of_r else header
        body[0][-1] = body[0][-1] or "1"  # an empty last column of lines without a header above it is no column
    trailing = 0 if of_r or separator == " " else random_.choice([0, 0, 0, 1, 3])
    lines = [*([] if headless else [header]), *body]
    lines = [[*line, *[""] * trailing] for line in lines]
    if separator == " ":
        lines = [[field_ if field_ else "NA" for field_ in line] for line in lines]
    end = random_.choice(["\n", "\n", "\r\n", "\r"])
    comments = 0 if headless else random_.choice([0, 0, 1, 2])
    text = "".join(f"# comment {number}{end}" for number in range(comments))
    text += written(random_, lines, separator, end)
    if random_.random() < 0.3:
        text += random_.choice([end, end * 2, separator * (labels + cells + trailing - 1) + end]) * random_.randint(
            1, 2
        )
    if random_.random() < 0.2:
        text = text.removesuffix(end)
    raw = random_.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode()
    packed = random_.random() < 0.2
    options = ReadOptions(
        transpose=transpose,
        label_columns=labels,
        header=None if not headless and random_.random() < 0.3 and not_numbers(header) else not headless,
        decimal=decimal if separator == ";" else None,
    )
    return RandomTable(
        content=gzip.compress(raw) if packed else raw,
        name="table" + random_.choice([".tsv", ".csv", ".txt"]) + (".gz" if packed else ""),
        options=options,
        pandas={
            "sep": r"\s+" if separator == " " else separator,
            "header": None,
            "dtype": str,
            "keep_default_na": False,
            **({"escapechar": "\\"} if separator == " " else {}),
        },
        labels=labels,
        headless=headless,
        comments=comments,
        trailing=trailing,
        decimal=decimal,
        text=raw,
        notes=[repr(separator), f"header {header}"],
    )


def names(random_: random.Random, count: int, marks: str, taken: set[str]) -> list[str]:
    """Return different names that are not empty, and no comment, counter or sign of the end of a line."""
    found: list[str] = []
    while len(found) < count:
        letters = LETTERS.replace("\u2028", "").replace("\u00a0", "") if not marks else LETTERS + marks
        name = "".join(random_.choice(letters) for _ in range(random_.randint(1, 9)))
        if random_.random() < 0.1:
            name = str(random_.randint(1, 99999))
        if random_.random() < 0.05:
            name += " "
        if not name.strip() or name in found or name in taken or name.startswith(("#", "__")) or is_counter(name):
            continue
        found.append(name)
    return found


def cell(random_: random.Random, decimal: str) -> str:
    """Return the text of a cell: a number in some notation, or a missing value."""
    kind = random_.random()
    if kind < 0.1:
        return random_.choice(MISSING)
    if kind < 0.45:
        return str(random_.randint(0, 10 ** random_.randint(1, 12)))
    value = random_.choice([random_.random(), random_.uniform(-1000, 1000), 10 ** random_.uniform(-30, 30)])
    form = random_.choice(["{!r}", "{:.3f}", "{:.2e}", "{:+.1f}"])
    return form.format(value).replace(".", decimal)


def written(random_: random.Random, lines: list[list[str]], separator: str, end: str) -> str:
    """Return the lines as text, quoted where they must be, or everywhere, or everything but numbers."""
    if separator == " ":
        return "".join(" ".join(_of_r(field_) for field_ in line) + end for line in lines)
    out = io.StringIO()
    quoting = random_.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting).writerows(lines)
    return out.getvalue()


def _of_r(text: str) -> str:
    try:
        float(text if text == text.strip() else "")
    except ValueError:
        return '"' + text.replace('"', '\\"') + '"'
    return text


def not_numbers(header: list[str]) -> bool:
    """Return whether a header cannot be taken for values."""
    return any(letter.isalpha() for name in header[1:] for letter in name) and not any(
        name.strip().lower() in ("nan", "inf", "na", "null") for name in header
    )


def expected(table: RandomTable) -> tuple[pd.DataFrame, list[str] | None]:
    """Return the rows as pandas reads them, and the header."""
    text = table.text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = text.split(b"\n")[table.comments :]  # pandas fails on some files with \r alone, and on skiprows with quotes
    header = None
    if not table.headless:
        header = pd.read_csv(io.BytesIO(lines.pop(0)), **table.pandas).iloc[0].tolist()  # type: ignore[call-overload]
        header = header[: -table.trailing] if table.trailing else header
    frame = pd.read_csv(io.BytesIO(b"\n".join(lines)), **table.pandas)  # type: ignore[call-overload]
    frame = frame[~(frame.map(lambda text: not isinstance(text, str) or not text.strip())).all(axis=1)]
    if table.trailing:
        frame = frame.iloc[:, : -table.trailing]
    if header is not None and len(header) < frame.shape[1]:
        header = ["", *header]
    return frame, header


def values(frame: pd.DataFrame, decimal: str) -> NDArray[np.float64]:
    """Return cells of text as numbers."""
    return np.array(
        [
            [math.nan if text.strip() in MISSING else float(text.replace(decimal, ".")) for text in row]
            for row in frame.to_numpy()
        ],
        np.float64,
    ).reshape(frame.shape)


def imported(content: bytes, name: str, options: ReadOptions, directory: Path) -> SourceMatrix:
    """Return what the importer reads."""
    path = directory / name
    path.write_bytes(content)
    return DelimitedImporter().read(path, options, directory, lambda _: None)


def check(table: RandomTable) -> None:
    """Compare a table with what pandas reads."""
    frame, header = expected(table)
    with tempfile.TemporaryDirectory() as directory:
        source = imported(table.content, table.name, table.options, Path(directory))
        cells = source.cells.rows(0, source.cells.shape[0])  # type: ignore[union-attr]
        exact = source.cells.dtype == np.float64  # type: ignore[union-attr]
        source.cells.close()
    transpose = table.options.transpose
    rows, across = (source.samples, source.features) if transpose else (source.features, source.samples)
    found = cells.T if transpose else cells
    assert [*rows.columns[rows.id]] == frame.iloc[:, 0].tolist(), "ids of the rows"
    wanted = values(frame.iloc[:, table.labels :], table.decimal)
    np.testing.assert_array_equal(found, wanted if exact else wanted.astype(np.float32))
    if header is not None:
        assert [*across.columns[across.id]] == header[table.labels :], "ids of the columns"
    for place, (label, column) in enumerate(list(rows.columns.items())[1:], 1):
        if column.dtype == object:
            assert as_texts(column) == frame.iloc[:, place].tolist(), label


def check_damaged(random_: random.Random, table: RandomTable) -> None:
    """Import a table with some bytes changed, by guesses alone: it may be refused, and nothing else may go wrong."""
    damaged = bytearray(table.text)
    for _ in range(random_.randint(0, 3)):
        at = random_.randrange(len(damaged) + 1)
        damaged[at : at + random_.randint(0, 2)] = random_.choice(
            [b"\t", b",", b'"', b"\n", b"x", b"1", b";", b"\r", b" "]
        )
    options = ReadOptions(
        transpose=random_.random() < 0.3,
        header=random_.choice([None, None, True, False]),
        decimal=random_.choice([None, None, ",", "."]),
        feature_id=random_.choice([None, None, "kind", "gene_id"]),
        units=random_.choice(["TPM", "count"]),
    )
    with tempfile.TemporaryDirectory() as directory:
        try:
            source = imported(bytes(damaged), "damaged.tsv", options, Path(directory))
        except ImportFailure:
            return
        source.cells.close()
        assert source.cells.shape == (
            len(source.features.columns[source.features.id]),
            len(source.samples.columns[source.samples.id]),
        )
