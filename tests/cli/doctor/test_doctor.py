"""Each check of ``rnaget-server doctor``, with something that is wrong and with nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.doctor.clock import clock_findings
from rnaget_server.cli.doctor.data import cache_findings
from rnaget_server.cli.doctor.findings import Finding
from rnaget_server.cli.doctor.machine import machine_findings
from rnaget_server.cli.doctor.proxy import Reply, ticket_findings
from rnaget_server.cli.doctor.secrets import key_findings, secret_findings
from rnaget_server.cli.server import main
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.settings import Settings
from tests.conftest import one_study
from tests.serving import in_thread

LIMITS = "Limit      Soft Limit  Hard Limit  Units\nMax open files   512   {most}   files\n"
STRONG = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def levels(findings: Iterator[Finding]) -> dict[str, str]:
    found = list(findings)
    assert all(one.remedy for one in found if one.level != "ok")
    return {one.check: one.level for one in found}


def a_process(directory: Path, most: str, group: str, **files: str) -> tuple[Path, Path]:
    """Write what Linux says of a process and of its control group, whose parent has the files."""
    process, groups = directory / "proc", directory / "cgroup"
    process.mkdir()
    (process / "limits").write_text(LIMITS.format(most=most))
    (process / "cgroup").write_text(group)
    for name, text in files.items():
        place = groups / name.replace("_in_", "·in·").replace("__", "/").replace("·", "_")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return process, groups


def test_limits_that_are_too_low_are_found(tmp_path: Path) -> None:
    low = {"system.slice__memory.max": "1073741824\n", "system.slice__a__memory.max": "max\n"}
    low |= {"system.slice__a__cpu.max": "100000 100000\n", "system.slice__pids.max": "99\n"}
    place = a_process(tmp_path, "1024", "0::/system.slice/a\n", **low)
    found = levels(machine_findings(Settings(workers=4), *place))
    assert found == dict.fromkeys(("open files", "memory", "processors", "processes"), "warning")


def test_limits_of_older_control_groups(tmp_path: Path) -> None:
    low = {"memory__a__memory.limit_in_bytes": "1073741824\n", "cpu__a__cpu.cfs_period_us": "100000\n"}
    low |= {"cpu__a__cpu.cfs_quota_us": "100000\n"}
    place = a_process(tmp_path, "65536", "4:memory:/a\n3:cpu:/a\n", **low)
    found = levels(machine_findings(Settings(workers=4), *place))
    assert found == {"open files": "ok", "memory": "warning", "processors": "warning"}


def test_no_limits_are_no_finding(tmp_path: Path) -> None:
    place = a_process(tmp_path, "unlimited", "0::/\n", **{"memory.max": "max\n", "cpu.max": "max 100000\n"})
    found = levels(machine_findings(Settings(workers=1), *place))
    assert found == dict.fromkeys(("open files", "memory", "processors"), "ok")


def test_keys(demo: Path) -> None:
    def of(**settings: object) -> str:
        return levels(key_findings(Settings(data=demo, **settings)))["keys"]  # type: ignore[arg-type]

    assert of() == "ok"
    assert of(public_url="https://rna.example.org") == "warning"
    assert of(rate_limit_storage="redis://127.0.0.1:6379/0") == "error"
    assert of(ticket_keys=STRONG) == "ok"
    assert of(ticket_keys=f"{STRONG},{STRONG}") == "warning"
    assert of(ticket_keys="correct horse battery") == "error"
    assert of(ticket_keys="abc" * 20) == "error"


SECRETS = (
    {"ticket_keys": STRONG},
    {"audit_key": STRONG},
    {"rate_limit_storage": "redis://user:password@127.0.0.1:6379/0"},
    {"auth": {"oidc": [{"issuer": "https://login.example.org", "client_secret": "of the provider"}]}},
)


@pytest.mark.parametrize("in_file", SECRETS)
def test_secrets_in_a_catalogue_that_others_may_read(in_file: dict[str, object], demo: Path) -> None:
    for mode, level in ((0o644, "error"), (0o604, "error"), (0o640, "warning"), (0o600, None)):
        (demo / "catalog.yaml").chmod(mode)
        assert levels(secret_findings(Settings(data=demo), in_file, None)).get("secrets") == level
        assert not levels(secret_findings(Settings(data=demo), {"workers": 2, "auth": "auth.yaml"}, None))


def test_who_may_read_and_change_the_files_of_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command finds them: the file that the variable names, and that of tokens which it names in turn."""
    demo, directory = one_study(tmp_path / "demo"), tmp_path / "etc"
    directory.mkdir()
    auth, tokens = directory / "auth.yaml", directory / "tokens.json"
    auth.write_text("tokens: tokens.json\n")
    change_tokens(tokens, lambda _: [new_token("Anna")[1]])
    monkeypatch.setenv("RNAGET_AUTH", str(auth))

    def with_modes(of_auth: int, of_tokens: int) -> list[str]:
        auth.chmod(of_auth)
        tokens.chmod(of_tokens)
        _, found = run(str(demo))
        return [f"{key.removesuffix(' secrets')}: {line}" for key in found if " secrets" in key for line in found[key]]

    assert with_modes(0o600, 0o600) == [f"ok: {auth} and {tokens}: nobody who should not may read or change them"]
    assert with_modes(0o600, 0o640)[0].startswith("ok: ")
    for mode, word in ((0o640, "read"), (0o660, "change")):
        (line,) = with_modes(mode, 0o600)
        assert line.startswith("warning: ") and f"{auth}" in line and f"its group may {word} it" in line
    for mode, word in ((0o644, "read"), (0o602, "change")):
        (line,) = with_modes(mode, 0o600)
        assert line.startswith("error: ") and f"everybody may {word} it" in line
    (line,) = with_modes(0o600, 0o660)
    assert line.startswith("warning: ") and "its group may change it" in line
    (line,) = with_modes(0o600, 0o644)
    assert line.startswith("warning: ") and "everybody may read it" in line
    (line,) = with_modes(0o600, 0o606)
    assert line.startswith("error: no token is taken: ")


def test_the_cache(tmp_path: Path) -> None:
    def of(place: Path, **settings: int) -> str:
        return levels(cache_findings(Settings(cache_directory=place, **settings)))["cache"]  # type: ignore[arg-type]

    assert of(tmp_path / "none" / "yet") == "ok"
    assert not (tmp_path / "none").exists()
    assert of(tmp_path, cache_bytes=0) == "warning"
    assert of(tmp_path / "none", cache_bytes=1 << 60) == "warning"
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert of(shared) == "error"


class _Clock(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", formatdate(time.time() + float(self.path[1:]), usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_clock(demo: Path, tmp_path: Path) -> None:
    catalog, _ = load(demo)
    assert levels(clock_findings(catalog, tmp_path)) == {"clock": "ok"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Clock)
    with in_thread(server):
        for skew, level in ((0, "ok"), (-30, "warning"), (3600, "error")):
            address = f"http://127.0.0.1:{server.server_port}/{skew}"
            assert levels(clock_findings(None, tmp_path, address))["clock"] == level
    later = time.time() + 3600
    os.utime(next(demo.rglob("study.yaml")), (later, later))
    assert levels(clock_findings(catalog, tmp_path)) == {"clock": "warning"}


class _Replies:
    """A site whose proxy drops the header Range."""

    url = "https://rna.example.org"

    def ask(self, path: str, method: str = "GET", **_: object) -> Reply:
        ticket = json.dumps({"url": f"{self.url}/rnaget/expressions/marioni_counts/bytes"}).encode()
        return Reply(200, httpx.Headers(), ticket if "/ticket" in path else b"x" * 1000)


def test_a_proxy_that_sends_no_parts(demo: Path) -> None:
    catalog, _ = load(demo)
    assert catalog is not None
    assert levels(ticket_findings(_Replies(), catalog)) == {"tickets": "ok", "ranges": "error"}  # type: ignore[arg-type]


def run(*arguments: str) -> tuple[int, dict[str, list[str]]]:
    result = CliRunner().invoke(main, ["doctor", *arguments, "--json"])
    found: dict[str, list[str]] = {}
    for one in json.loads(result.stdout)["findings"]:
        found.setdefault(f"{one['level']} {one['check']}", []).append(one["message"])
    return result.exit_code, found


def test_the_command_finds_damaged_files_mistakes_and_wrong_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = one_study(tmp_path / "demo")
    code, found = run(str(demo))
    assert code == 0 and "ok files" in found and "ok catalogue" in found
    text = CliRunner().invoke(main, ["doctor", str(demo), "--pid", str(os.getpid())]).stdout
    assert "ok       files: each can be read" in text and text.splitlines()[-1].startswith("errors: 0, ")
    file = next(path for path in demo.rglob("*") if path.suffix in (".loom", ".h5", ".rna"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setenv("RNAGET_PROT", "1")
    monkeypatch.setenv("RNAGET_WORKERS", "0")
    code, found = run(str(demo))
    assert code == 1 and "warning settings" in found
    assert "workers" in found["error settings"][0]
    monkeypatch.setenv("RNAGET_WORKERS", "1")
    code, found = run(str(demo))
    assert code == 1 and file.stem in found["error files"][0] and "error settings" not in found
    with (demo / "catalog.yaml").open("a") as catalog:
        catalog.write("\nsettings: {max_cells: many}\n")
    code, found = run(str(demo))
    assert code == 1 and "max_cells" in found["error catalogue"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--url", "rna.example.org"], "https://rna.example.org"), (["--pid", "99999999"], "no process")],
)
def test_what_is_given_and_is_none(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["doctor", *arguments])
    assert result.exit_code in (1, 2) and message in result.output
