"""The setting ``auth``: in the catalogue or in a file of its own, with the place of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.app import create_app
from rnaget_server.catalog.configuration import configuration
from rnaget_server.cli.server import main
from rnaget_server.errors import CatalogError
from rnaget_server.settings import Settings
from tests.conftest import new_study

CATALOG = "id: c\nname: C\n"
FULL = """
tokens: secrets/tokens.json
session_seconds: 600
oidc:
  - issuer: https://login.example.org/realms/x/
    audience: [https://rna.example.org, rnaget]
    grants: rna_grants
    require_scopes: true
    client_id: rnaget
    client_secret: a secret of the provider
  - {issuer: "http://127.0.0.1:9000", audience: x}
passports:
  issuers:
    - https://visas.example.org
    - {issuer: https://other.example.org, jku: https://other.example.org/jwks}
  jku: https://visas.example.org/jwks
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    new_study(tmp_path / "data")
    return tmp_path / "data"


def in_catalog(data: Path, auth: str) -> None:
    indented = "\n".join(f"    {line}" for line in auth.splitlines())
    (data / "catalog.yaml").write_text(f"{CATALOG}settings:\n  auth:\n{indented}\n")


def test_nobody_signs_in_unless_it_is_set(data: Path) -> None:
    auth = configuration(data=data).auth
    assert not auth.is_on and auth.tokens is None


@pytest.mark.parametrize("place", ["catalogue", "file", "variable"])
def test_all_keys_from_every_place(place: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are meant from the file that has them."""
    if place == "catalogue":
        in_catalog(data, FULL)
        base = data
    else:
        base = tmp_path / "etc"
        base.mkdir()
        (base / "auth.yaml").write_text(FULL)
        if place == "file":
            (data / "catalog.yaml").write_text(f"{CATALOG}settings: {{auth: ../etc/auth.yaml}}\n")
        else:
            monkeypatch.chdir(tmp_path)
            monkeypatch.setenv("RNAGET_AUTH", "etc/auth.yaml")
    settings = configuration(data=data)
    auth = settings.auth
    assert auth.tokens is not None and auth.tokens.resolve() == base / "secrets/tokens.json"
    first, second = auth.oidc
    assert (first.issuer, first.audience) == (
        "https://login.example.org/realms/x/",
        ("https://rna.example.org", "rnaget"),
    )
    assert (first.grants, first.require_scopes, first.title) == ("rna_grants", True, "login.example.org")
    assert (second.issuer, second.audience, second.require_scopes) == ("http://127.0.0.1:9000", ("x",), False)
    assert auth.browser_providers == (first,) and auth.session_seconds == 600
    assert auth.passports is not None and auth.passports.key_addresses() == {
        "https://visas.example.org": ("https://visas.example.org/jwks",),
        "https://other.example.org": ("https://other.example.org/jwks",),
    }
    assert "a secret of the provider" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_the_variable_goes_over_the_catalogue(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_catalog(data, "tokens: a.json")
    (tmp_path / "auth.yaml").write_text("tokens: b.json\n")
    monkeypatch.setenv("RNAGET_AUTH", str(tmp_path / "auth.yaml"))
    assert configuration(data=data).auth.tokens == tmp_path / "b.json"
    monkeypatch.setenv("RNAGET_AUTH", "")
    assert not configuration(data=data).auth.is_on


PROVIDER = "oidc:\n- issuer: https://a.example\n  audience: x"
MISTAKES = [
    ("token: x", "1:", "the key 'token' is not known here: did you mean 'tokens'?"),
    ("oidc:\n- issuer: http://a.example\n  audience: x", "2:", "http only on this machine"),
    ("oidc:\n- issuer: https://a.example?x\n  audience: x", "2:", "an issuer has no ?"),
    ("oidc:\n- issuer: https://u:p@a.example\n  audience: x", "2:", "it must be an address"),
    ("oidc:\n- issuer: https://a.example", "2:", "the key 'audience' is missing"),
    ("oidc:\n- issuer: https://a.example\n  audience: []", "3:", "name the audience"),
    (f"{PROVIDER}\n- issuer: https://a.example\n  audience: y", "1:", "the same issuer: make them one"),
    (f"{PROVIDER}\n  client_secret: abc", "2:", "a client_secret needs the client_id"),
    (f"{PROVIDER}\n  scope: profile", "2:", "scope must name openid"),
    (f"{PROVIDER}\n  audiance: y", "4:", "did you mean 'audience'?"),
    (f"{PROVIDER}\npassports: {{issuers: []}}", "4:", "the value of 'issuers' is empty"),
    (f"{PROVIDER}\npassports: {{issuers: [http://a.example]}}", "4:", "http only on this machine"),
    (f"{PROVIDER}\npassports: {{issuers: [https://a.example], jku: [ftp://a]}}", "4:", "http only on this machine"),
    ("passports: {issuers: [https://a.example]}", "1:", "passports come with the tokens of a broker"),
    ("session_seconds: 1", "1:", "the value of 'session_seconds' is wrong"),
    ("oidc: 5", "1:", "the value of 'oidc' must be a list"),
]


@pytest.mark.parametrize(("auth", "line", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_ends_the_start_and_has_its_place(
    auth: str, line: str, message: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "auth.yaml"
    file.write_text(auth)
    monkeypatch.setenv("RNAGET_AUTH", str(file))
    for command in ("serve", "check"):
        result = CliRunner().invoke(main, [command, str(data)])
        assert result.exit_code == 1
        assert f"{file}:{line}" in result.output and message in result.output, result.output
    monkeypatch.delenv("RNAGET_AUTH")
    in_catalog(data, auth)
    with pytest.raises(CatalogError) as error:
        configuration(data=data)
    assert message in str(error.value) and "catalog.yaml:" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the file cannot be read: No such file or directory"),
        ("", "the file must have `key: value` lines"),
        ("- a\n", "the file must have `key: value` lines"),
        ("a: [\n", "this is not YAML"),
        ("file: other.yaml\n", "the key 'file' is not known here"),
        ("tokens: a\ntokens: b\n", "is there twice"),
    ],
)
def test_a_file_that_has_no_settings(
    content: str | None, message: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "auth.yaml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("RNAGET_AUTH", str(file))
    with pytest.raises(CatalogError, match=message):
        configuration(data=data)


def test_a_file_that_was_not_read_is_not_taken_for_nobody(data: Path) -> None:
    with pytest.raises(ValueError, match="was not read"):
        create_app(Settings(data=data, auth="auth.yaml"))  # type: ignore[arg-type]


def test_packages_that_are_not_installed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.auth_settings.find_spec", lambda name: None)
    in_catalog(data, PROVIDER)
    with pytest.raises(CatalogError, match=r"pip install 'rnaget-server\[auth\]'"):
        configuration(data=data)
    in_catalog(data, "tokens: a.json")
    assert configuration(data=data).auth.is_on
