"""The queries that pages offer, run as they stand against a real server."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from rnaget_server.pages.queries import Source

ROOT = Path(__file__).parents[2]


def blocks(page: str, label: str) -> list[str]:
    found = re.findall(rf"<figcaption>{re.escape(label)}</figcaption>\s*<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    return [html.unescape(text) for text in found]


PAGES = ("/", "/matrices/marioni_counts", "/matrices/gtex_medians", "/studies/mcf7")


def test_queries_of_the_pages_work(demo_root: str) -> None:
    number = 0
    for path in PAGES:
        page = requests.get(f"{demo_root}{path}", timeout=30).text
        commands, programs = blocks(page, "curl"), blocks(page, "Python (pandas)")
        replies = {}
        for command in commands:
            tool, *_, url = shlex.split(command)
            assert tool == "curl"
            assert url.startswith((f"{demo_root}/rnaget/expressions/", f"{demo_root}/rnaget/continuous/"))
            replies[url] = requests.get(url, timeout=30)
            assert replies[url].status_code == 200, replies[url].text
            assert "RNAget-Missing" not in replies[url].headers
        tables = [url for url in replies if url.endswith("format=tsv")]
        assert len(tables) == len(programs) == len(blocks(page, "R")) >= (1 if path == "/" else 2)
        number += len(tables)
        for url, program in zip(tables, programs, strict=True):
            names: dict[str, Any] = {}
            exec(program, names)
            table = names["table"]
            assert isinstance(table, pd.DataFrame)
            assert names["url"] == url
            lines = [line for line in replies[url].text.splitlines() if not line.startswith("#")]
            assert len(table) == len(lines) - 1
    assert number >= 7


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="Rscript is absent")
def test_programs_in_r_give_the_tables_of_those_in_python(demo_root: str, tmp_path: Path) -> None:
    views = (
        "/genes/INS?matrix=uhlen_tissues",
        "/genes?ids=INS,ALB,GCG&matrix=uhlen_tissues",
        "/genes?ids=INS,ALB&matrix=uhlen_tissues&group_by=",
        "/samples/uhlen_tissues/Adipose",
    )
    tables, lines = [], []
    for path in (*PAGES, *views):
        page = requests.get(f"{demo_root}{path}", timeout=30).text
        pairs = list(zip(blocks(page, "Python (pandas)"), blocks(page, "R"), strict=True))
        assert pairs, path
        for python, r in pairs:
            names: dict[str, Any] = {}
            exec(python, names)
            tables.append(names["table"])
            file = json.dumps(str(tmp_path / f"{len(tables)}.tsv"))
            lines.append(f"local({{\n{r}\nwrite.table(table, {file}, sep = '\\t', quote = FALSE, col.names = NA)\n}})")
    (tmp_path / "all.R").write_text("\n".join(lines))
    subprocess.run(["Rscript", "--vanilla", str(tmp_path / "all.R")], timeout=300, check=True, capture_output=True)
    for number, table in enumerate(tables, 1):
        by_r = pd.read_csv(tmp_path / f"{number}.tsv", sep="\t", index_col=0)
        if table.index.name is None:
            by_r = by_r.reset_index(drop=True)
        pd.testing.assert_frame_equal(by_r, table, check_names=False, check_dtype=False)


@pytest.mark.parametrize("path", [*PAGES, "/matrices/marioni_counts?Tissue=Liver"])
def test_every_link_of_a_page_answers(demo_root: str, path: str) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    page = requests.get(f"{demo_root}{path}", headers=browser, timeout=30).text
    links = {html.unescape(link) for link in re.findall(r'href="(/[^"]*)"', page)}
    assert len(links) >= 8
    for link in links:
        assert requests.get(demo_root + link, headers=browser, timeout=30).status_code == 200, link


def test_the_api_is_described(demo_root: str) -> None:
    assert requests.get(f"{demo_root}/rnaget/openapi.json", timeout=30).json()["openapi"].startswith("3.0")


@pytest.mark.parametrize("host", ["http://x'y", 'http://x"y', "http://x$(id)", "http://x`id`y", "http://x\\y"])
def test_a_strange_host_stays_inside_its_quotes(host: str) -> None:
    query = Source(host, "expressions/m", True, False).part("One", {"featureIDList": "a'b c&d"})
    assert shlex.split(query.curl) == ["curl", query.url]
    assert query.url.endswith("?featureIDList=a%27b%20c%26d&format=tsv")
    names: dict[str, Any] = {}
    exec(dict(query.programs)["Python (pandas)"].split("\n")[2], names)
    assert names["url"] == query.url


def test_programs_read_the_tsv_that_the_matrix_has() -> None:
    plain = Source("http://h", "expressions/m", True, False).whole("All")
    python, r = (text for _, text in plain.programs)
    assert 'read_csv(url, sep="\\t", index_col=0)' in python
    assert "read.delim(url, check.names = FALSE, row.names = 1)" in r
    assert plain.curl == "curl -OJ 'http://h/rnaget/expressions/m/bytes?format=tsv'"
    named = Source("http://h", "expressions/m", False, True).whole("All")
    python, r = (text for _, text in named.programs)
    assert 'read_csv(url, sep="\\t", comment="#")' in python
    assert 'read.delim(url, check.names = FALSE, comment.char = "#")' in r
