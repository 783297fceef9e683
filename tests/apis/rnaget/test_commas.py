"""Values that hold commas, and any other characters, are found by GET and by POST as they are, and as nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server.model.lists import SEPARATOR, elements
from rnaget_server.query.strings import by_name, digest, query_pairs, query_string, value_list
from tests.conftest import client_of, examples, import_matrix

BYTES = "/rnaget/expressions/m/bytes"
IDS = [
    *("a", "b", "a,b", "a,b,c", "c", ",", ",a", "a,", "b, c", "b,  c", "x,y", "x, y", "p", "q", "plain"),
    *('say "hi"', 'say "hi", twice', "it's", "50%", "50%2C", "%2C", "a%2Cb", "a+b", "a b", "a&b", "a=b", "a&b,c=d"),
    *("é", "e\u0301", "é,e\u0301", "ß,ẞ", "日本,東京", "𝄞,♭", "#1", "?", "/", "\\", "a;b", "{a,b}", "[a,b]", "<a>"),
    *("&amp;", "&amp;,b", "a&#44;b", "1,000", "1000", "_", "__,_", "|,|", "~", "*", "(a),(b)", "A,B", "a\u00a0b"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    directory = tmp_path_factory.mktemp("commas")
    cells = np.arange(1, 2 * len(IDS) + 1, dtype=np.float32).reshape(2, len(IDS))
    kinds = pd.DataFrame({"kind": [f"kind {id}" for id in IDS]}, IDS)
    anndata.AnnData(cells, pd.DataFrame(index=["s", "t,u"]), kinds).write_h5ad(directory / "m.h5ad")
    data = directory / "data"
    data.mkdir()
    import_matrix(data, directory / "m.h5ad", "--id", "m", "--units", "TPM")
    yield from client_of(data)


def ids(reply: object) -> list[str]:
    assert reply.status_code == 200, reply.text  # type: ignore[attr-defined]
    found = reply.json()["features"]  # type: ignore[attr-defined]
    return list(found["attributes"][found["id"]])


def in_order(values: list[str]) -> list[str]:
    return [id for id in IDS if id in values]


some = st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True)
encodings = st.sampled_from([quote, quote_plus, lambda value: quote(value, safe="/:?@!$'()*;")])
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))


@quick
@given(values=some, encode=encodings)
def test_a_list_with_its_commas_written_out_finds_exactly_its_rows(client, values, encode) -> None:
    listed = ",".join(encode(value).replace(",", "%2C") for value in values)
    reply = client.get(f"{BYTES}?format=json&featureIDList={listed},")
    assert ids(reply) == in_order(values)
    assert "RNAget-Missing" not in reply.headers


@quick
@given(values=some)
def test_a_posted_list_finds_exactly_its_rows_and_so_does_its_ticket(client, values) -> None:
    asked = {"featureIDList": values, "format": "json"}
    assert ids(client.post(BYTES, json=asked)) == in_order(values)
    url = urlsplit(client.post(BYTES.replace("bytes", "ticket"), json=asked).json()["url"])
    reply = client.get(f"{url.path}?{url.query}")
    assert ids(reply) == in_order(values)
    assert reply.headers["ETag"] == client.post(BYTES, json=asked).headers["ETag"]


@quick
@given(values=some.filter(lambda values: "," not in values))
def test_repeated_values_find_exactly_their_rows(client, values) -> None:
    reply = client.get(f"{BYTES}?{urlencode({'featureIDList': values, 'format': 'json'}, doseq=True)}")
    assert ids(reply) == in_order(values)


@pytest.mark.parametrize("value", IDS)
def test_a_filter_finds_values_with_commas(client, value: str) -> None:
    text = f"kind {value}"
    assert ids(client.get(f"{BYTES}?format=json&kind={quote(text, safe='')}")) == [value]
    assert ids(client.post(BYTES, json={"kind": [text], "format": "json"})) == [value]
    rest = ids(client.post(BYTES, json={"kind_not": [text], "format": "json"}))
    assert rest == [id for id in IDS if id != value]


@pytest.mark.parametrize(
    ("query", "expected", "missing"),
    [
        ("featureIDList=a,b", ["a", "b"], ""),
        ("featureIDList=a%2Cb", ["a,b"], ""),
        ("featureIDList=a%2Cb,c", ["a,b", "c"], ""),
        ("featureIDList=p%2Cq", ["p", "q"], ""),  # as libraries write a list: there is no 'p,q'
        ("featureIDList=p%2C+q", ["p", "q"], ""),
        ("featureIDList=p%2Cq,c", ["c"], "p%2Cq"),
        ("featureIDList=p%2Cq&featureIDList=c", ["c", "p", "q"], ""),
        ("featureIDList=a,+b,", ["a", "b"], ""),
        ("featureIDList=x%2C+y,z", ["x, y"], "z"),
        ("featureIDList=x,y,a", ["a"], "x,y"),
        ("featureIDList=a&featureIDList=b", ["a", "b"], ""),
        ("featureIDList=%2C,", [","], ""),
        ("kind=kind+a%2Ckind+b", ["a", "b"], ""),
        ("featureIDList=+a&featureIDList=b", ["b"], " a"),
    ],
)
def test_which_commas_separate(client, query: str, expected: list[str], missing: str) -> None:
    reply = client.get(f"{BYTES}?format=json&{query}")
    assert (ids(reply), reply.headers.get("RNAget-Missing", "")) == (in_order(expected), missing)


def test_a_posted_text_is_looked_for_whole_and_then_as_a_list(client) -> None:
    assert ids(client.post(BYTES, json={"featureIDList": "a,b", "format": "json"})) == ["a,b"]
    assert ids(client.post(BYTES, json={"featureIDList": "p,q", "format": "json"})) == ["p", "q"]
    reply = client.post(BYTES, json={"featureIDList": ["p,q", "a"], "format": "json"})
    assert (ids(reply), reply.headers["RNAget-Missing"]) == (["a"], "p%2Cq")


def test_tags_and_origins_tell_one_value_from_two(client) -> None:
    tags, origins = set(), set()
    for list in ("a,b", "a%2Cb,", "a%2Cb,a,b"):
        reply = client.get(f"{BYTES}?format=json&featureIDList={list}")
        tags.add(reply.headers["ETag"])
        origins.add(reply.json()["origin"]["query"])
    assert (len(tags), len(origins)) == (3, 3)
    same = {client.get(f"{BYTES}?featureIDList={list}").headers["ETag"] for list in ("a,b", "b,a", "a&featureIDList=b")}
    assert len(same) == 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(st.lists(texts.filter(str.strip), min_size=1, max_size=3), max_size=3))
def test_lists_come_back_from_a_query_string_as_they_were(lists: list[list[str]]) -> None:
    query = "&".join(f"a={','.join(quote_plus(value) for value in values)}," for values in lists)
    pairs = query_pairs(query)
    assert query_pairs(query_string(pairs)) == pairs
    assert len({digest(by_name(some)) for some in (pairs, query_pairs(query_string(pairs)))}) == 1


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=4))
def test_a_list_that_is_written_into_a_message_means_exactly_its_values(values: list[str]) -> None:
    ((_, text),) = query_pairs(f"a={value_list(values)}")
    assert [text] == values if SEPARATOR not in text else elements(text) == values
    assert SEPARATOR in text or "," not in text


def test_commas_are_the_texts_own_where_there_is_no_list(client) -> None:
    for units in ("T,M", "T%2CM"):
        reply = client.get(f"{BYTES}?units={units}")
        assert (reply.status_code, "'T,M'" in reply.json()["message"]) == (400, True)
    bounds = '{"a": 1, "a,b": 2}'
    for written in (quote(bounds), quote(bounds, safe=",")):
        assert client.get(f"{BYTES}?feature_min_value={written}").status_code == 200


def test_projects_are_found_by_texts_with_commas(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text("id: org.example.x\nname: x\n")
    for id, name in (("one", "p, q"), ("two", "p"), ("three", "q")):
        (tmp_path / id).mkdir()
        (tmp_path / id / "project.yaml").write_text(f"id: {id}\nname: '{name}'\ndescription: 'about {name}'\n")
    for client in client_of(tmp_path):
        for query, expected in (
            ("name=p,q", ["three", "two"]),
            ("name=p%2C+q", ["one"]),
            ("name=p%2Cq", ["three", "two"]),
            ("name=p%2C+q,p", ["one", "two"]),
            ("description=about+p,+q", ["one"]),
        ):
            found = [project["id"] for project in client.get(f"/rnaget/projects?{query}").json()]
            assert sorted(found) == expected, query
