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
