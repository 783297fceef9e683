"""Labels of many lines at once: as those of each line by itself, and at a fraction of the cost."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.spool import Spool
from rnaget_server.importers.text import table_body
from rnaget_server.importers.text.label_block import split_block
from rnaget_server.importers.text.layout import TableLayout
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import TableBody

PLAIN = [f"ENSG{number:08}.1\tgene {number}\t{number}\t{number / 8}" for number in range(40)]
ODD = {
    "quotes": '"a\tb"\tname\t1\t2',
    "quoted cell": 'a\tname\t"1"\t2',
    "blank line": "\t\t\t",
    "blank id": "  \tname\t1\t2",
    "no cells": "a\tname",
    "few cells": "a\tname\t1",
    "many cells": "a\tname\t1\t2\t3",
    "no number": "a\tname\tx\t2",
    "counter": "__no_feature\tname\t1\t2",
    "STAR": "N_unmapped\tname\t1\t2",
    "like a counter": "NAT1\tname\t1\t2",
    "repeated": PLAIN[7],
    "not ASCII": "β-actin\tÄ\t1\t2",
    "line separator": "a\u2028b\tc\x85d\x1ce\t1\t2",
    "empty label": "a\t\t1\t2",
    "missing": "a\tname\t\tNA",
}


def read(path: Path, directory: Path) -> tuple[object, ...]:
    body = TableBody(path, b"\t", 2, ["s1", "s2"], "feature", counters="known")
    with TextLines(path) as lines:
        spool = Spool(directory, 2)
        try:
            body.read(lines, spool, lambda _: None)
        except ImportFailure as error:
            spool.close()
            return (str(error),)
    cells = spool.finish()
    values = cells.rows(0, cells.shape[0]).tolist()
    cells.close()
    return body.columns, body.left_out, body.blank, repr(values)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", [0, 17, 40])
def test_lines_at_once_are_read_as_each_by_itself(
    odd: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("\n".join([*PLAIN[:place], ODD[odd], *PLAIN[place:]]) + "\n")
    at_once = read(path, tmp_path)
    monkeypatch.setattr(table_body, "split_block", lambda layout, lines: None)
    assert at_once == read(path, tmp_path)


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_bytes("\n".join([*PLAIN, "a\xe9\tname\t1\t2"]).encode("latin1"))
    assert read(path, tmp_path) == (
        f"{path}:41: the text is not UTF-8: convert the file, as by `iconv -f LATIN1 -t UTF-8 FILE`",
    )


def test_only_columns_of_the_layout_are_labels() -> None:
    layout = TableLayout(b"\t", 5, (2, 0), (3, 4))
    block = split_block(layout, [b"a\tb\tc\t1\t2", b"d\te\tf\t3\t4"])
    assert block is not None
    assert block.columns == [["c", "f"], ["a", "d"]]
    assert block.cells == [b"1\t2", b"3\t4"]
    assert block.size == 6  # of four labels, and a line end in each column
    assert split_block(TableLayout(b"\t", 3, (0,), (1,)), [b"a\t1\tz"]) is None


def test_labels_cost_little_more_than_splitting_lines(tmp_path: Path) -> None:
    lines = [f"ENSG{number:011}.{number % 20}\t{number % 9}\t0.5" for number in range(150_000)]
    path = tmp_path / "m.tsv"
    path.write_text("\n".join(lines) + "\n")
    raw = [line.encode() for line in lines]
    ours, bare = np.inf, np.inf
    for _ in range(3):
        began = time.thread_time()
        seen: dict[str, int] = {}
        for number, line in enumerate(raw):
            seen[line.split(b"\t", 1)[0].decode()] = number
        bare = min(bare, time.thread_time() - began)
        body = TableBody(path, b"\t", 1, ["s1", "s2"], "feature", counters="known")
        spool = Spool(tmp_path, 2)
        began = time.thread_time()
        with TextLines(path) as text:
            body.read(text, spool, lambda _: None)
        ours = min(ours, time.thread_time() - began)
        spool.close()
    assert ours < 2 * bare
