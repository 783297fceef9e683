"""Gene pages in a browser: what they draw is what pandas makes of the source files, and what they give is that."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.pages import visit
from tests.conftest import import_matrix, read_source
from tests.serving import files_served

GENE = "ENSG00000141510"
SOURCES = {
    "brawand": ("brawand/brawand.htseq.fpkm.tsv.gz", "FPKM"),
    "uhlen": ("uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "TPM"),
}
ODD = ["<b>bold</b> &amp; <i>", "L" * 300, "<script>alert(1)</script>"]
"""Names of groups, the one with the least values first."""

NUMBERS = ["n", "q1", "median", "q3", "min", "max"]


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, pd.DataFrame]:
    """The numbers of the gene by tissue, as pandas has them of the source files, highest median first."""
    tables = {}
    for name, (path, _) in SOURCES.items():
        source = read_source(shared_data / path)
        values = source.loc[GENE].astype(np.float64)
        grouped = values.groupby([tissue(sample) for sample in source.columns])
        parts = [grouped.count(), *(grouped.quantile(share) for share in (0.25, 0.5, 0.75, 0, 1))]
        tables[name] = pd.concat(parts, axis=1, keys=NUMBERS).sort_values("median", ascending=False)
    return tables


def tissue(sample: str) -> str:
    return re.sub(r"\d+$", "", sample)


@pytest.fixture(scope="module")
def root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., str]) -> str:
    data = tmp_path_factory.mktemp("genes")
    for name, (path, units) in SOURCES.items():
        columns = pd.read_csv(shared_data / path, sep="\t", index_col=0, nrows=1).columns
        table = pd.DataFrame({"Sample": columns, "Tissue": [tissue(sample) for sample in columns]})
        samples = data.parent / f"{name}-{data.name}.tsv"
        table.to_csv(samples, sep="\t", index=False)
        options = ("--id", name, "--units", units, "--samples", str(samples))
        import_matrix(data, shared_data / path, *options, study=name)
    _write_odd(data, data.parent / f"odd-{data.name}")
    return serve(data)


def _write_odd(data: Path, directory: Path) -> None:
    """Import a matrix whose groups have difficult names, and values below 0."""
    directory.mkdir()
    columns = [f"s{number}" for number in range(9)]
    cells = pd.DataFrame([np.arange(9) - 2.5], pd.Index(["odd"], name="gene"), columns)
    cells.to_csv(directory / "m.tsv", sep="\t")
    table = pd.DataFrame({"sample": columns, "kind": [ODD[number // 3] for number in range(9)]})
    table.to_csv(directory / "s.tsv", sep="\t", index=False)
    options = ("--id", "odd", "--units", "log2", "--samples", str(directory / "s.tsv"))
    import_matrix(data, directory / "m.tsv", *options, study="odd")


def drawn(page: Page) -> list[dict[str, Any]]:
    """The traces of all plots, once they are drawn."""
    for plot in page.locator(".plot[data-values]").all():
        plot.and_(page.locator("[data-drawn]")).wait_for()
    text = page.evaluate(
        "() => JSON.stringify([...document.querySelectorAll('.js-plotly-plot')].map((plot) => plot.data))"
    )
    plots: list[dict[str, Any]] = json.loads(text)
    return plots


def commands(page: Page, label: str) -> list[str]:
    found = re.findall(
        rf"<figcaption>{re.escape(label)}</figcaption>\s*<pre[^>]*><code>(.*?)</code>", page.content(), re.S
    )
    return [html.unescape(text) for text in found]


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    """The one row of a table of summaries, as groups × summaries."""
    (row,) = table.to_numpy(np.float64)
    keys = [column.rsplit(" ", 1) for column in table.columns]
    return pd.Series(row, pd.MultiIndex.from_tuples(keys)).unstack()[NUMBERS]


def same(made: pd.DataFrame, expected: pd.DataFrame, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(made.loc[expected.index, expected.columns], expected, rtol=tolerance)


def test_boxes_and_bars_have_the_quartiles_of_pandas(
    browser: Browser, root: str, expected: dict[str, pd.DataFrame]
) -> None:
    with visit(browser, root) as seen:
        seen.page.goto(f"/genes/{GENE}")
        for traces, (name, table) in zip(drawn(seen.page), expected.items(), strict=True):
            if (table["n"] == 1).all():
                bars = next(trace for trace in traces if trace["type"] == "bar")
                np.testing.assert_allclose(bars["x"], table["median"], rtol=1e-6, err_msg=name)
            else:
                box = next(trace for trace in traces if trace["type"] == "box")
                for key in ("q1", "median", "q3"):
                    np.testing.assert_allclose(box[key], table[key], rtol=1e-6, err_msg=name)
            outliers = next(trace for trace in traces if trace.get("name") == "outliers")
            reach = 1.5 * (table["q3"] - table["q1"])
            assert len(outliers["x"]) >= (table["max"] > table["q3"] + reach).sum()
            ticks = seen.page.locator(f".of-matrix:has(code:text('{GENE}')) .yaxislayer-above text")
            assert table.index[0] in ticks.all_text_contents()
        seen.check()


@pytest.mark.parametrize("plot", ["box", "violin"])
def test_on_a_log_axis_medians_are_those_of_x_plus_1(
    browser: Browser, root: str, expected: dict[str, pd.DataFrame], plot: str
) -> None:
    with visit(browser, root) as seen:
        seen.page.goto(f"/genes/{GENE}?matrix=brawand&scale=log&plot={plot}")
        medians = next(trace for trace in drawn(seen.page)[0] if trace.get("name") == "medians")
        np.testing.assert_allclose(medians["x"], np.log10(expected["brawand"]["median"] + 1), rtol=1e-6)
        seen.check()


def test_the_table_beside_has_the_same_numbers_without_a_script(
    browser: Browser, root: str, expected: dict[str, pd.DataFrame]
) -> None:
    page = requests.get(f"{root}/genes/{GENE}?matrix=uhlen", timeout=60).text
    table = pd.read_html(io.StringIO(page))[0].set_index("Tissue")
    # Each tissue is one sample there.
    same(table, expected["uhlen"][["median"]].rename(columns={"median": "value"}), 1e-5)
    assert table["value"].is_monotonic_decreasing
    page = requests.get(f"{root}/genes/{GENE}?matrix=brawand", timeout=60).text
    table = pd.read_html(io.StringIO(page))[0].set_index("Tissue")
    same(table, expected["brawand"], 1e-5)
    assert table["median"].is_monotonic_decreasing


def test_a_choice_is_an_address(browser: Browser, root: str) -> None:
    with visit(browser, root) as seen:
        page = seen.page
        page.goto(f"/genes/{GENE}")
        form = page.locator("form.choices").nth(1)
        form.get_by_label("Scale").select_option("log")
        page.wait_for_url("**matrix=uhlen**scale=log**")
        drawn(page)
        assert page.locator("form.choices").first.get_by_label("Scale").input_value() == "log"
        assert page.locator("h2").first.text_content() == "uhlen"
        seen.check()


def test_the_choices_are_those_of_the_plot_after_going_back(browser: Browser, demo_root: str) -> None:
    with visit(browser, demo_root) as seen:
        page = seen.page
        page.goto("/genes/TP53")
        for label, value in (("Groups", "Specimens"), ("Scale", "log")):
            page.wait_for_load_state("networkidle")
            form = page.locator("form.choices").first
            before = form.get_by_label(label).input_value()
            assert before != value
            form.get_by_label(label).select_option(value)
            page.wait_for_url(re.compile(rf"[?&][a-z_]+={value}\b"))
            page.wait_for_load_state("networkidle")
            page.go_back()
            page.wait_for_url("**/genes/TP53")
            page.wait_for_load_state("networkidle")
            assert page.locator("form.choices").first.get_by_label(label).input_value() == before
        seen.check()


def test_difficult_names_are_shown_as_they_are(browser: Browser, root: str) -> None:
    with visit(browser, root) as seen:
        page = seen.page
        page.goto("/genes/odd?scale=log")
        traces = drawn(page)[0]
        ticks = page.locator(".plot .yaxislayer-above text").all_text_contents()
        assert ticks == [ODD[2], f"{'L' * 27}…", ODD[0]]
        assert next(trace for trace in traces if trace["type"] == "box")["median"] == [4.5, 1.5, -1.5]
        assert page.get_by_text("The axis is linear, since values below 0 have no logarithm.").is_visible()
        point = page.locator(".plot .scatterlayer .trace").last.locator(".point").nth(1).bounding_box()
        assert point is not None
        page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2, steps=5)
        hover = page.locator(".hoverlayer .hovertext")
        hover.wait_for()
        assert (hover.text_content() or "").count("L") == 300
        seen.check()


def test_every_command_returns_what_the_plot_shows(
    browser: Browser, root: str, expected: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with visit(browser, root) as seen:
        seen.page.goto(f"/genes/{GENE}?matrix=brawand")
        drawn(seen.page)
        curl, python, r = (commands(seen.page, label)[0] for label in ("curl", "Python (pandas)", "R"))
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True)
    same(by_group(pd.read_csv(io.StringIO(done.stdout), sep="\t", index_col=0, comment="#")), expected["brawand"])
    program = f"{python}\ntable.to_csv({str(tmp_path / 'python.tsv')!r}, sep='\\t')"
    subprocess.run([sys.executable, "-c", program], timeout=120, check=True)
    same(by_group(pd.read_csv(tmp_path / "python.tsv", sep="\t", index_col=0)), expected["brawand"])
    if shutil.which("Rscript") is None:
        pytest.skip("there is no R")
    program = f"{r}\nwrite.table(table, {json.dumps(str(tmp_path / 'r.tsv'))}, sep = '\\t', col.names = NA)"
    subprocess.run(["Rscript", "-e", program], timeout=120, check=True, capture_output=True)
    same(by_group(pd.read_csv(tmp_path / "r.tsv", sep="\t", index_col=0)), expected["brawand"])


@pytest.mark.parametrize("width", [1400, 390])
def test_a_log_axis_has_labels_that_keep_apart(browser: Browser, demo_root: str, width: int) -> None:
    with visit(browser, demo_root, width) as seen:
        # Values of 1,400 to 79,000 in the first plot, from below 1 to 130,000 in the others; those of kidney are alike.
        for path in ("/genes/ALB?scale=log", "/genes/ALB?scale=log&matrix=marioni_counts&Tissue=Kidney"):
            seen.page.goto(path)
            drawn(seen.page)
            for plot in seen.page.locator(".plot[data-drawn]").all():
                boxes = [label.bounding_box() for label in plot.locator(".xtick text").all()]
                ends = [(box["x"], box["x"] + box["width"], box["height"]) for box in boxes if box is not None]
                assert len(ends) == len(boxes) >= 2
                assert all(height < 20 for *_, height in ends), "they are turned"
                assert all(stop < start for (_, stop, _), (start, *_) in pairwise(sorted(ends)))
        seen.check()


def test_pictures_and_the_table_are_downloaded(browser: Browser, root: str, expected: dict[str, pd.DataFrame]) -> None:
    with visit(browser, root, colours="dark") as seen:
        seen.page.goto(f"/genes/{GENE}?matrix=brawand")
        drawn(seen.page)
        section = seen.page.locator(".of-matrix").first
        begins = {"PNG": b"\x89PNG", "SVG": b"<svg", "TSV": b"gene_id\t"}
        for label, begin in begins.items():
            with seen.page.expect_download() as waited:
                section.locator(".ways").get_by_text(label).click()
            content = Path(waited.value.path()).read_bytes()
            assert content.startswith(begin), content[:40]
            if label == "SVG":
                assert f"{GENE}, brawand" in content.decode()
            if label != "TSV":
                assert waited.value.suggested_filename == f"{GENE} in brawand by Tissue.{label.lower()}"
        same(by_group(pd.read_csv(io.BytesIO(content), sep="\t", index_col=0, comment="#")), expected["brawand"])
        seen.check()


def test_the_line_to_embed_shows_the_plot_in_another_page(browser: Browser, root: str, tmp_path: Path) -> None:
    with visit(browser, root) as seen:
        seen.page.goto(f"/genes/{GENE}?matrix=brawand")
        drawn(seen.page)
        (line,) = (text for text in commands(seen.page, "In another page") if "brawand" in text)
        (tmp_path / "another.html").write_text(
            f"<!doctype html><title>Another</title><link rel=icon href=data:,>{line}"
        )
        with files_served(tmp_path) as address:
            other = f"{address}/another.html"
            seen.page.goto(other)
            frame = seen.page.frame_locator("iframe")
            frame.locator(".plot[data-drawn] .boxlayer path").first.wait_for(state="attached")
        assert frame.locator("form, nav, table").count() == 0
        assert frame.get_by_role("link").get_attribute("href").startswith(f"{root}/genes/{GENE}?matrix=brawand")
        assert not seen.errors
        assert seen.foreign == [other]


@pytest.mark.long
@pytest.mark.parametrize(("width", "colours"), [(1400, "light"), (1400, "dark"), (390, "light")])
def test_axe_finds_nothing(browser: Browser, root: str, width: int, colours: Literal["light", "dark"]) -> None:
    with visit(browser, root, width, colours) as seen:
        for path in (f"/genes/{GENE}?plot=violin", f"/genes/{GENE}?matrix=uhlen&embed=1"):
            seen.page.goto(path)
            drawn(seen.page)
            found = Axe().run(seen.page)
            assert found.violations_count == 0, found.generate_report()
            wide = seen.page.evaluate(
                "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide == 0
        seen.check()
