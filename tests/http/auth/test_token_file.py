"""Tokens of the server: made, listed and revoked by commands; a file has their hashes only."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rnaget_server.cli.server import main
from rnaget_server.errors import NotAuthenticated, Unavailable
from rnaget_server.http.auth import token_file
from rnaget_server.http.auth.scopes import known_scopes
from rnaget_server.http.auth.token_file import TokenFile, change_tokens, new_token, read_tokens
from tests.conftest import new_study

SETTINGS = "id: c\nname: C\nsettings:\n  auth: {tokens: tokens.json}\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A catalogue that names a file of tokens, which is not there yet."""
    new_study(tmp_path / "data", catalog=SETTINGS)
    return tmp_path / "data"


@pytest.fixture
def tokens(data: Path, monkeypatch: pytest.MonkeyPatch) -> TokenFile:
    """The tokens of a server, which looks at its file each time."""
    monkeypatch.setattr(token_file, "_LOOKED_AT_EVERY", 0.0)
    return TokenFile(data / "tokens.json")


def run(*arguments: str, data: Path) -> Result:
    return CliRunner().invoke(main, ["token", *arguments, "--data", str(data)])


def added(*arguments: str, data: Path) -> str:
    result = run("add", *arguments, data=data)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_token_is_shown_once_and_stored_as_hash(data: Path, tokens: TokenFile) -> None:
    token = added("anna", "--grant", "EGAD1", "--scope", "read:project", "--project", "p", "--days", "30", data=data)
    assert re.fullmatch("rnaget_[0-9a-f]{12}_[0-9a-f]{64}", token)
    file = data / "tokens.json"
    assert token.rpartition("_")[2] not in file.read_text()
    (record,) = json.loads(file.read_text())["tokens"]
    assert record["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    principal = tokens.identify(token).principal(time.time())
    assert principal.name == f"token:{record['id']}"
    assert (principal.grants, principal.scopes, principal.projects) == ({"EGAD1"}, {"read:project"}, {"p"})
    assert principal.expires == pytest.approx(time.time() + 30 * 86_400, abs=60)
    listed = run("list", data=data).output
    assert "anna" in listed and "EGAD1" in listed and token not in listed and record["sha256"] not in listed


def test_a_token_without_limits_or_end(data: Path, tokens: TokenFile) -> None:
    principal = tokens.identify(added("x", "--days", "0", data=data)).principal(time.time())
    assert (principal.scopes, principal.projects, principal.expires, principal.grants) == (None, None, None, set())


def test_a_token_that_is_revoked_ends_and_others_do_not(data: Path, tokens: TokenFile) -> None:
    one, other = added("one", data=data), added("other", data=data)
    assert tokens.identify(one) and tokens.identify(other)
    assert run("revoke", one.split("_")[1], data=data).exit_code == 0
    with pytest.raises(NotAuthenticated, match="was revoked"):
        tokens.identify(one)
    assert tokens.identify(other)


def test_changes_count_within_a_second(data: Path) -> None:
    token = added("one", data=data)
    running = TokenFile(data / "tokens.json")
    assert running.identify(token)
    run("revoke", token.split("_")[1], data=data)
    deadline = time.monotonic() + 30
    with pytest.raises(NotAuthenticated):
        while time.monotonic() < deadline:
            running.identify(token)
            time.sleep(0.05)


def test_a_token_ends(data: Path, tokens: TokenFile) -> None:
    token, record = new_token("short", expires=int(time.time()) - 1)
    change_tokens(data / "tokens.json", lambda records: [*records, record])
    with pytest.raises(NotAuthenticated, match="has expired"):
        tokens.identify(token)
    assert "ended" in run("list", data=data).output


def test_tokens_that_are_not_there(data: Path, tokens: TokenFile) -> None:
    token = added("one", data=data)
    end = "0" if token[-1] != "0" else "1"
    for wrong in (token[:-1] + end, token[:-1], token + "0", token.upper(), "rnaget_", new_token("other")[0]):
        with pytest.raises(NotAuthenticated, match="none of this server"):
            tokens.identify(wrong)


def test_no_token_is_compared_faster_than_another(
    data: Path, tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes are compared, by a function whose time says nothing, also where no token has the id."""
    token = added("one", data=data)
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return original(one, other)

    original = hmac.compare_digest
    monkeypatch.setattr(token_file.hmac, "compare_digest", compare)
    for wrong in (token[:-1] + "x", new_token("other")[0], "rnaget_nonsense"):
        with pytest.raises(NotAuthenticated):
            tokens.identify(wrong)
    assert tokens.identify(token)
    assert len(compared) == 4
    assert all(len(one) == len(other) == 64 and token not in (one, other) for one, other in compared)


def test_many_at_once_lose_no_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    records = [new_token(f"n{number}")[1] for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda record: change_tokens(path, lambda old: [*old, record]), records))
    assert {record.id for record in read_tokens(path)} == {record.id for record in records}
    assert os.listdir(tmp_path) == ["tokens.json"]


def test_permissions_of_the_file_stay(data: Path) -> None:
    added("one", data=data)
    (data / "tokens.json").chmod(0o640)
    added("two", data=data)
    assert stat.S_IMODE((data / "tokens.json").stat().st_mode) == 0o640


WRONG = ["no json", "[]", '{"tokens": 5}', '{"tokens": [{"id": "x"}]}', '{"token": []}', "\x00", '{"tokens": [' * 9999]


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_none_of_tokens(content: str, data: Path, tokens: TokenFile) -> None:
    """Its tokens are refused for now, since nobody knows which they are, and it is not overwritten."""
    (data / "tokens.json").write_text(content)
    with pytest.raises(Unavailable, match="cannot be read at the moment"):
        tokens.identify(new_token("x")[0])
    for command in (("add", "x"), ("list",), ("revoke", "x")):
        result = run(*command, data=data)
        assert result.exit_code == 1 and "is no file of tokens" in result.output
    assert (data / "tokens.json").read_text() == content


def test_a_file_that_everybody_may_change(data: Path, tokens: TokenFile) -> None:
    token = added("one", data=data)
    (data / "tokens.json").chmod(0o602)
    with pytest.raises(Unavailable):
        tokens.identify(token)
    assert "chmod o-w" in run("list", data=data).output
    (data / "tokens.json").chmod(0o600)
    assert tokens.identify(token)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "x", "--scope", "read:projct"), "did you mean 'read:project'?"),
        (("add", "x", "--project", "q"), "there is no project 'q': there is p"),
        (("add", " "), "NAME says who has the token"),
        (("add", "a\nb"), "NAME says who has the token"),
        (("add", "x", "--days", "-1"), "0<=x<=36500"),
        (("add", "x", "--grant", ""), "a grant has a name"),
        (("revoke", "0123"), "there is no token '0123': `rnaget-server token list` shows all"),
    ],
)
def test_what_names_nothing(arguments: tuple[str, ...], message: str, data: Path) -> None:
    result = run(*arguments, data=data)
    assert result.exit_code != 0 and message in result.output
    assert not read_tokens(data / "tokens.json")


def test_revoking_by_name_says_the_id(data: Path) -> None:
    token = added("anna", data=data)
    assert f"{token.split('_')[1]} is of that name" in run("revoke", "anna", data=data).output


def test_a_catalogue_without_a_file_of_tokens(tmp_path: Path) -> None:
    new_study(tmp_path / "data")
    result = run("add", "x", data=tmp_path / "data")
    assert result.exit_code == 1 and "auth: {tokens: tokens.json}" in result.output


def test_scopes_are_those_of_the_standard_and_their_like() -> None:
    own = {"read:sequence", "read:reads", "read:files", "read:archive", "read:pages"}
    assert known_scopes() == {"read:project", "read:study", "read:expression", "read:continuous"} | own


def test_who_says_whose_a_token_is_and_what_it_may_see(data: Path) -> None:
    token = added("anna", "--grant", "EGAD1", data=data)

    def who(argument: str, **more: str) -> Result:
        return CliRunner().invoke(main, ["who", argument, "--data", str(data)], **more)  # type: ignore[arg-type]

    result = who(token)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"token:{token.split('_')[1]}  anna"
    assert "scopes: all" in lines and lines[3].startswith("grant EGAD1, until ")
    assert lines[4:] == ["projects  p  public", "studies  s  public"]
    assert who("-", input=f"Bearer {token}\n").output == result.output
    (data / "p" / "s" / "study.yaml").write_text("id: s\naccess: {controlled: [EGAD1, EGAD2]}\n")
    assert who(token).output.splitlines()[4:] == ["projects  p  public", "studies  s  by the grant EGAD1"]
    (data / "p" / "s" / "study.yaml").write_text("id: s\naccess: registered\n")
    assert who(token).output.splitlines()[5:] == ["studies  s  for all who have signed in"]
    (data / "p" / "s" / "study.yaml").write_text("id: s\naccess: {controlled: [EGAD2]}\n")
    assert who(token).output.splitlines()[4:] == ["projects  p  public"]
    refused = who(token[:-1])
    assert refused.exit_code == 1 and "none of this server" in refused.output and token[:-1] not in refused.output


def test_who_says_of_what_only_a_part_is_visible(data: Path) -> None:
    one, other = added("anna", "--grant", "EGAD1", data=data), added("bob", "--grant", "EGAD2", data=data)
    matrix = {"id": "m", "file": "m.h5", "units": "u", "feature_id": "gene", "sample_id": "sample"}
    rule = {"where": {"consent": "HMB"}, "controlled": ["EGAD1"]}
    reads = {"id": "r", "files": [{"format": "BAM", "file": "r.bam"}]}
    regions = [{"registered": True, "rules": [{"referenceName": "chr1"}]}, {"controlled": ["EGAD1"]}]
    content = {
        "id": "s",
        "expressions": [{**matrix, "access": {"samples": [rule], "others_see": "omit"}}],
        "reads": [{**reads, "access": {"regions": regions}}],
    }
    (data / "p" / "s" / "study.yaml").write_text(json.dumps(content))

    def records(token: str) -> list[str]:
        lines = CliRunner().invoke(main, ["who", token, "--data", str(data)]).output.splitlines()
        return [line for line in lines if line.startswith(("matrices", "read sets"))]

    seen = "read sets  reads/r  for all who have signed in"
    assert records(one) == ["matrices  m  public", seen]
    assert records(other) == ["matrices  m  public, without some of its samples", f"{seen}, some regions only"]
