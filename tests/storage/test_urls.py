"""URLs of places: how they are read, and which store of the library each opens, with nothing asked of any."""

from __future__ import annotations

import pytest

from rnaget_server.storage.urls import is_url, is_web, url_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("s3:/bucket/a/", "s3://bucket/a"),
        ("S3://bucket", "s3://bucket"),
        ("gs://bucket/a b/ü", "gs://bucket/a b/ü"),
        ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/x"),
        ("file:/srv/me@here/a", "file:///srv/me@here/a"),
        ("https:/host:8443/a/b/", "https://host:8443/a/b"),
    ],
)
def test_urls_are_read_as_they_were_meant(given: str, meant: str) -> None:
    assert is_url(given)
    assert url_of(given) == meant
    assert is_web(given) == meant.startswith("https")


@pytest.mark.parametrize("text", ["", "s3:", "s3://", "s4://b", "ftp://h/x", "/srv/s3://b", "s3"])
def test_what_is_no_url(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("s3://me:secret@bucket/x", "has a user in it"),
        ("https://host?key=secret", r"https://host… has a \?, # or control character"),
        ("s3://bucket/x?key=secret", r"s3://bucket… has a \?"),
        ("s3://bucket/x#secret", r"s3://bucket… has a \?"),
        ("s3://bucket/x\nsecret", "control character"),
        ("s3://bucket//x", "an empty part"),
        ("s3://bucket/x/../y", r"\.\. in its path"),
        ("s3://bucket/./y", r"\. or \.\. in its path"),
    ],
)
def test_urls_that_would_be_taken_for_others_are_refused(given: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        url_of(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kind", "prefix", "config"),
    [
        ("s3://bucket/a/b", "S3Store", "a/b", {"bucket": "bucket"}),
        ("s3a://bucket/a", "S3Store", "a", {"bucket": "bucket"}),
        ("gs://bucket/a/b", "GCSStore", "a/b", {"bucket": "bucket"}),
        ("az://container/a/b", "AzureStore", "a/b", {"container_name": "container"}),
        ("azure://container/a", "AzureStore", "a", {"container_name": "container"}),
        ("adl://container/a", "AzureStore", "a", {"container_name": "container"}),
        (
            "abfss://container@account.dfs.core.windows.net/a",
            "AzureStore",
            "a",
            {"container_name": "container", "account_name": "account"},
        ),
    ],
)
def test_each_url_opens_its_store(
    monkeypatch: pytest.MonkeyPatch, url: str, kind: str, prefix: str, config: dict[str, str]
) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    from rnaget_server.storage.objects.client import Client

    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    client = Client(url_of(url), 10)
    for store in (client._store, client._read_from):
        assert type(store).__name__ == kind
        assert store.prefix == prefix
        assert {name: store.config[name] for name in config} == config


@pytest.mark.parametrize("host", ["host", "bucket.s3.eu-west-1.amazonaws.com", "account.blob.core.windows.net"])
def test_a_web_server_is_read_by_http_whoever_runs_it(host: str) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    from rnaget_server.storage.objects.client import Client

    store = Client(url_of(f"https://{host}/a/b"), 10)._store
    assert type(store).__name__ == "HTTPStore"
    assert store.url == f"https://{host}/a/b"
