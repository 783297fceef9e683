from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of

URL = "/rnaget/expressions/marioni_counts/bytes?Tissue=Liver"


@pytest.mark.parametrize("format", ["tsv", "loom", "json"])
def test_what_the_client_has_is_not_sent_again(client: TestClient, format: str) -> None:
    first = client.get(f"{URL}&format={format}")
    tag = first.headers["ETag"]
    assert client.get(f"{URL}&format={format}").content == first.content
    assert client.head(f"{URL}&format={format}").headers["ETag"] == tag
    for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(f"{URL}&format={format}", headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(f"{URL}&format={format}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_every_query_and_format_has_its_own_tag(client: TestClient) -> None:
    urls = [URL, f"{URL}&format=json", f"{URL}&format=loom", URL.replace("Liver", "Kidney"), f"{URL}&units=counts"]
    assert len({client.head(url).headers["ETag"] for url in urls}) == len(urls)


def test_a_replaced_file_or_another_catalogue_entry_has_another_tag(demo: Path) -> None:
    study, data = next(demo.glob("*/*/study.yaml")), next(demo.glob("*/*/*.h5"))
    for client in client_of(demo, reload_seconds=0.001):
        first = client.head(URL).headers["ETag"]
        copy = data.with_suffix(".new")
        copy.write_bytes(data.read_bytes())
        os.replace(copy, data)
        second = client.head(URL).headers["ETag"]
        study.write_text(study.read_text().replace("license: Artistic-2.0", "license: other", 1))
        third = client.head(URL).headers["ETag"]
        assert len({first, second, third}) == 3


@pytest.mark.parametrize("method", ["GET", "GET repeated", "POST"])
def test_queries_that_differ_late_have_tags_and_replies_of_their_own(client: TestClient, method: str) -> None:
    ids = [line.split("\t")[0] for line in client.get(URL).text.splitlines()[1:402]]
    common, last = ids[:-2], ids[-2:]
    assert len(",".join(common)) > 6000

    def ask(chosen: list[str]) -> tuple[str, str]:
        path, *_ = URL.partition("?")
        if method == "POST":
            reply = client.post(path, json={"featureIDList": chosen, "Tissue": ["Liver"]})
        else:
            listed = chosen if method == "GET repeated" else [",".join(chosen)]
            reply = client.get(path, params=[*(("featureIDList", ids) for ids in listed), ("Tissue", "Liver")])
        assert reply.status_code == 200, reply.text
        return reply.headers["ETag"], reply.text.splitlines()[-1].split("\t")[0]

    (first, end), (second, other_end) = (ask([*common, id]) for id in last)
    assert first != second
    assert [end, other_end] == last
    assert ask([*common, last[0]]) == (first, end)
