"""The page of a gene: what it finds, what it says of difficult data, and its numbers as pandas has them."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.apis.rnaget.test_genome_links import CONTIGS, GENES
from tests.conftest import client_of, import_matrix, new_study
from tests.importers.sequences.annotated import run_import

IDS = [f"ENSG{number:011d}.3" for number in range(1, 7)]
NAMES = ["GENE0", "PLCXD1", "<script>alert(1)</script>", "NEG", "NONE", "A/B,C d"]
KINDS = ["<script>alert(2)</script>", "L" * 300, "plain & <b>bold</b>", "β cell"]


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    """Genes × samples, the last one the second copy of a pseudoautosomal gene."""
    made = np.random.default_rng(0).lognormal(1, 1, (7, 2000)).astype(np.float32).round(3)
    made[0, ::3] = 0
    made[3] -= 5
    made[4] = np.nan
    return pd.DataFrame(made, [*IDS, f"{IDS[1]}_PAR_Y"], [f"s{number}" for number in range(2000)])


@pytest.fixture(scope="module")
def samples(cells: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(index=pd.Index(cells.columns, name="sample"))
    table["kind"] = [KINDS[number % 4] for number in range(len(table))]
    table["many"] = [f"group {number % 2000}" for number in range(len(table))]
    table["sex"] = [("female", "male", "")[number % 3] for number in range(len(table))]
    return table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, cells: pd.DataFrame, samples: pd.DataFrame) -> Path:
    directory = tmp_path_factory.mktemp("gene")
    files = {name: directory / f"{name}.tsv" for name in ("cells", "features", "samples", "other")}
    cells.rename_axis("gene_id").to_csv(files["cells"], sep="\t", na_rep="NaN")
    symbols = pd.DataFrame({"symbol": [*NAMES, NAMES[1]]}, pd.Index(cells.index, name="gene_id"))
    symbols.to_csv(files["features"], sep="\t")
    samples.to_csv(files["samples"], sep="\t")
    files["other"].write_text("gene\tx1\tx2\nGENE0\t1\t2\nENSG00000000004\t3\t4\n")
    catalogue = directory / "data"
    new_study(catalogue)
    options = ("--units", "TPM", "--samples", str(files["samples"]), "--features", str(files["features"]))
    import_matrix(catalogue, files["cells"], "--id", "odd", *options, "--feature-name", "symbol", study="odd")
    import_matrix(catalogue, files["other"], "--id", "other", "--units", "counts", study="other")
    return catalogue


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def numbers_of(values: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """The numbers of the values of a gene by pandas, highest median first."""
    grouped = values.astype(np.float64).groupby(groups[groups != ""])
    quartiles = {"q1": grouped.quantile(0.25), "median": grouped.median(), "q3": grouped.quantile(0.75)}
    table = pd.DataFrame({"n": grouped.count(), **quartiles, "min": grouped.min(), "max": grouped.max()})
    return table.sort_values("median", ascending=False)


def table_of(page: str) -> pd.DataFrame:
    """The table of the first matrix of a page."""
    rows = re.findall(r"<tr><th scope=\"row\"[^>]*>(.*?)</th>(.*?)</tr>", page, re.DOTALL)
    values = [[float(text) for text in re.findall(r">([^<]+)</td>", cells)] for _, cells in rows]
    return pd.DataFrame(values, [html.unescape(name) for name, _ in rows], ["n", "q1", "median", "q3", "min", "max"])


@pytest.mark.parametrize("name", ["GENE0", "gene0", IDS[0], IDS[0][:-2], f"{IDS[0][:-2]}.9"])
def test_a_gene_is_found_by_any_of_its_names(client: TestClient, name: str) -> None:
    page = client.get(f"/genes/{name}").text
    assert '<h1 id="gene">GENE0</h1>' in page
    assert IDS[0] in page
    assert "other" in page
    assert "found by its symbol" in page


def test_numbers_are_those_of_pandas(client: TestClient, cells: pd.DataFrame, samples: pd.DataFrame) -> None:
    expected = numbers_of(cells.loc[IDS[0]], samples["kind"])
    values = client.get(f"/genes/{IDS[0]}?matrix=odd&group_by=kind&format=json").json()
    made = pd.DataFrame(values["groups"]).set_index("name")
    assert made.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(made[expected.columns], expected, rtol=1e-6)
    shown = table_of(client.get("/genes/GENE0?matrix=odd&group_by=kind").text).loc[lambda table: table["n"] == 500]
    np.testing.assert_allclose(shown.loc[expected.index], expected, rtol=1e-5)


def test_samples_can_be_filtered(client: TestClient, cells: pd.DataFrame, samples: pd.DataFrame) -> None:
    chosen = samples["sex"] == "female"
    expected = numbers_of(cells.loc[IDS[0], chosen], samples.loc[chosen, "kind"])
    address = "/genes/GENE0?matrix=odd&group_by=kind&sex=female"
    made = pd.DataFrame(client.get(f"{address}&format=json").json()["groups"]).set_index("name")
    np.testing.assert_allclose(made.loc[expected.index, expected.columns], expected, rtol=1e-6)
    page = html.unescape(client.get(address).text)
    assert "sex=female" in page and "&sex=female&format=tsv" in page


def test_without_an_attribute_all_samples_are_one_group(client: TestClient) -> None:
    (group,) = client.get("/genes/GENE0?matrix=odd&group_by=&format=json").json()["groups"]
    assert (group["name"], group["n"]) == ("all samples", 2000)


def test_names_are_text_and_not_markup(client: TestClient) -> None:
    for address in ("/genes/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/genes/%3Cscript%3Ealert(3)%3C%2Fscript%3E"):
        page = client.get(address).text
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert KINDS[1] in client.get("/genes/GENE0?matrix=odd&group_by=kind").text


def test_names_with_slashes_commas_and_spaces_have_pages(client: TestClient) -> None:
    reply = client.get("/genes/A%2FB%2CC%20d?matrix=odd&format=json")
    assert (reply.status_code, reply.json()["feature"]) == (200, IDS[5])


def test_a_symbol_of_several_genes_is_a_choice(client: TestClient) -> None:
    """The two copies of a pseudoautosomal gene are two genes."""
    page = client.get("/genes/PLCXD1")
    assert page.status_code == 300
    links = re.findall(r'<a href="(/genes/[^"]+)"', page.text)
    assert links == [f"/genes/{IDS[1][:-2]}", f"/genes/{IDS[1][:-2]}_PAR_Y"]
    ids = [client.get(f"{link}?matrix=odd&format=json").json()["feature"] for link in links]
    assert ids == [IDS[1], f"{IDS[1]}_PAR_Y"]
    candidates = client.get("/genes/PLCXD1?format=json").json()["candidates"]
    assert [one["id"] for one in candidates] == [link.rpartition("/")[2] for link in links]


def test_an_unknown_gene_has_suggestions_and_a_search(client: TestClient) -> None:
    page = client.get("/genes/GENE1")
    assert page.status_code == 404
    assert 'href="/genes/GENE0"' in page.text and 'href="/search?q=GENE1"' in page.text
    assert "did you mean GENE0" in client.get("/genes/GENE1?format=json").json()["message"]
    assert client.get("/genes/" + "x" * 3000).status_code == 404


def test_of_2000_groups_the_highest_60_are_shown(
    client: TestClient, cells: pd.DataFrame, samples: pd.DataFrame
) -> None:
    values = client.get("/genes/GENE0?matrix=odd&group_by=many&format=json").json()
    expected = numbers_of(cells.loc[IDS[0]], samples["many"])["median"].head(60)
    assert [group["name"] for group in values["groups"]] == expected.index.tolist()
    assert values["total_groups"] == 2000
    assert (
        "60 groups with the highest medians are shown of 2,000"
        in client.get("/genes/GENE0?matrix=odd&group_by=many").text
    )


@pytest.mark.parametrize(
    ("name", "note", "scale"),
    [
        ("NEG", "values below 0 have no logarithm", "linear"),
        ("NONE", "No selected sample has a value", "log"),
        ("GENE0", "log10(x + 1)", "log"),
    ],
)
def test_what_a_log_axis_does_is_said(client: TestClient, name: str, note: str, scale: str) -> None:
    address = f"/genes/{name}?matrix=odd&scale=log&plot=violin"
    assert note in client.get(address).text
    values = client.get(f"{address}&format=json").json()
    assert values["scale"] == scale
    assert any(note in text for text in values["notes"])


def test_the_numbers_are_sent_again_only_if_they_changed(client: TestClient) -> None:
    address = "/genes/GENE0?matrix=odd&format=json"
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{address}&group_by=sex").headers["ETag"] != first.headers["ETag"]


def test_only_a_view_alone_can_be_in_a_frame(client: TestClient) -> None:
    page, alone = client.get("/genes/GENE0?matrix=odd"), client.get("/genes/GENE0?matrix=odd&embed=1")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors *" in alone.headers["Content-Security-Policy"]
    assert "script-src 'self'" in alone.headers["Content-Security-Policy"]
    assert "<nav" not in alone.text and "<form" not in alone.text
    assert re.search(r'<a href="http://testserver/genes/ENSG00000000001.3\?matrix=odd&amp;group_by=kind"', alone.text)
    assert "&lt;iframe src=&#34;http://testserver/genes/ENSG00000000001.3?matrix=odd" in page.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("scale=lgo", "scale must be linear or log"),
        ("plot=box&plot=box", "given twice"),
        ("matrix=nosuch", "these have it: odd, other"),
        ("sex=male", "say of which by matrix="),
        ("matrix=odd&group_by=knid", "did you mean 'kind'"),
        ("matrix=odd&sexx=male", "did you mean 'sex'"),
        ("matrix=odd&units=FPKM", "odd has no units 'FPKM'"),
    ],
)
def test_refusals(client: TestClient, query: str, message: str) -> None:
    page = client.get(f"/genes/GENE0?{query}")
    assert (page.status_code, message in html.unescape(page.text)) == (400, True), page.text
    reply = client.get(f"/genes/GENE0?{query}&format=json")
    assert (reply.status_code, message in reply.json()["message"]) == (400, True)


def test_a_matrix_without_the_attribute_has_its_own_groups(client: TestClient) -> None:
    page = client.get("/genes/GENE0?group_by=kind").text
    assert "No values at the moment" not in page
    assert page.count("The samples of this matrix have no kind.") == 1
    groups = client.get("/genes/GENE0?matrix=other&format=json").json()["groups"]
    assert sorted((group["name"], group["n"], group["median"]) for group in groups) == [("x1", 1, 1), ("x2", 1, 2)]
    (whole,) = client.get("/genes/GENE0?matrix=other&group_by=&format=json").json()["groups"]
    assert (whole["n"], whole["q1"], whole["median"], whole["q3"]) == (2, 1.25, 1.5, 1.75)


def test_a_matrix_whose_file_is_gone_is_named(data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "data"))
    for client in client_of(copy, reload_seconds=0):
        assert client.get("/genes/GENE0").status_code == 200
        (copy / "p" / "odd" / "odd.h5").unlink()
        page = client.get("/genes/GENE0")
        assert page.status_code == 200
        assert "Temporarily unavailable:</strong> odd" in page.text
        assert "GENE0" in client.get("/genes/gene0?format=json").text
        assert client.get("/genes/GENE0?matrix=odd&format=json").status_code == 503


def test_values_that_are_not_offered_are_not_shown(data: Path) -> None:
    for client in client_of(data, switched_off=["expressions"]):
        page = client.get("/genes/GENE0")
        assert page.status_code == 200
        assert "does not offer values" in page.text and "<td" not in page.text
        assert client.get("/genes/GENE0?matrix=odd&format=json").status_code == 501


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A genome with three genes, and a study with a matrix and tracks on it."""
    directory = tmp_path_factory.mktemp("placed")
    data = directory / "data"
    write_new_catalog(data)
    code, output = run_import(data, CONTIGS, GENES)
    assert code == 0, output
    (directory / "m.tsv").write_text("id\ts1\ts2\nENSG00000000001.5\t1\t2\nENSG00000000002\t3\t4\n")
    import_matrix(data, directory / "m.tsv", "--id", "m", "--units", "TPM", "--genome", "g", study="m")
    (directory / "chrom.sizes").write_text("chr1\t100\nchr2\t8\n")
    (directory / "t.bedGraph").write_text("chr1\t0\t10\t1\n")
    sizes = ("--chrom-sizes", str(directory / "chrom.sizes"), "--genome", "g")
    import_matrix(data, directory / "t.bedGraph", "--id", "t", "--units", "reads", *sizes, study="t")
    yield from client_of(data)


def test_the_place_of_a_gene_and_what_is_there(placed: TestClient) -> None:
    page = placed.get("/genes/CD2").text
    assert '<h1 id="gene">CD2</h1>' in page
    assert 'href="/genomes/g"' in page
    assert "<code>chr1:22-36</code> forward strand" in page
    assert "ENSG00000000002.1" in page and "also OLD2" in page
    assert 'href="/tracks/t?region=chr1%3A1-100"' in page
    sequences = re.search(r'href="(/genomes/g/features/[^"]+)"', page)
    assert sequences is not None
    assert placed.get(html.unescape(sequences[1])).json()["symbol"] == "CD2"


@pytest.mark.parametrize(("name", "feature"), [("AB1", "ENSG00000000001.5"), ("OLD2", "ENSG00000000002")])
def test_symbols_and_synonyms_of_a_genome_find_ids_in_matrices(placed: TestClient, name: str, feature: str) -> None:
    values = placed.get(f"/genes/{name}?matrix=m&format=json").json()
    assert values["feature"] == feature


def test_a_gene_of_a_genome_alone_is_in_no_matrix(placed: TestClient) -> None:
    page = placed.get("/genes/EF3")
    assert page.status_code == 200
    assert "No matrix of this server has this gene" in page.text and "reverse strand" in page.text
