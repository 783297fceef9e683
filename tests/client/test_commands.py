"""The further commands of ``rnaget``: lists for people and programs, whole studies, configuration, and pipes."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnaget.cli import main
from tests.client.faulty import Asked, Faults, Site, serving, ticket

COMMAND = str(Path(sys.executable).with_name("rnaget"))
JSON = {"Content-Type": "application/json"}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, which takes a fraction of the time of a new one; test_command.py has those."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
        found = CliRunner().invoke(main, arguments, env={**home, **environment}, prog_name="rnaget")
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exc_info
        return subprocess.CompletedProcess(arguments, found.exit_code, found.stdout, found.stderr)

    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as one:
        yield one


def test_lists_for_programs(root: str, run: Run) -> None:
    for name, id in (("projects", "demo"), ("studies", "marioni"), ("matrices", "marioni_counts")):
        found = run("-s", root, name, "--json")
        assert (found.returncode, [row["id"] for row in json.loads(found.stdout)]) == (0, [id])
    assert json.loads(run("-s", root, "units", "--json").stdout) == ["counts"]
    assert "h5ad" in json.loads(run("-s", root, "formats", "--json").stdout)
    assert "bigwig" in run("-s", root, "formats", "--of", "tracks").stdout.split()
    assert {row["filter"] for row in json.loads(run("-s", root, "filters", "--json").stdout)} >= {"Tissue"}
    assert "Kidney, Liver" in run("-s", root, "filters").stdout
    assert run("-s", root, "studies", "--project", "none").stdout == ""
    assert run("-s", root, "matrices", "--study", "marioni").stdout.startswith("marioni_counts")
    assert run("-s", root, "genomes").stdout == ""


def test_a_file_that_exists(root: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("before")
    get = ("-s", root, "get", "marioni_counts", "-o", "a.tsv", "--filter", "Tissue=Liver", "--top", "1")
    found = run(*get)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == "Error: a.tsv exists: --force replaces it, or choose another name\n"
    assert (tmp_path / "a.tsv").read_text() == "before"
    assert run(*get, "--force").returncode == 0
    assert (tmp_path / "a.tsv").read_text().startswith("gene_id\t")


def test_groups(root: str, run: Run) -> None:
    more = ("--genes", "ENSG00000177757", "--group-by", "Tissue", "--summary", "median")
    found = run("-s", root, "get", "marioni_counts", "-o", "-", "--format", "tsv", *more)
    assert found.stdout == "gene_id\tKidney\tLiver\nENSG00000177757\t2.0\t1.0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get", "m", "-o", "a.tsv", "--bins", "5", "--kind", "matrix"), "--bins is not for matrix"),
        (("get", "m", "-o", "a.bam", "--genes", "x"), "--genes is not for reads"),
        (("get", "http://127.0.0.1:1/x", "-o", "a", "--units", "x"), "--units is not for a URL"),
        (("get", "-o", "a.bam"), "the id of the reads is missing"),
        (("sequence", "g", "--gene"), "--gene needs the genome and the gene"),
    ],
)
def test_options_without_a_meaning_are_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    found = run("-s", "http://127.0.0.1:1", *arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert message in found.stderr


def test_reads_by_id_and_by_url(site: Site, run: Run, tmp_path: Path) -> None:
    site.files["/b"] = b"body"
    for kind, format in (("reads", "BAM"), ("variants", "VCF")):
        site.replies[f"/{kind}/run/x"] = ticket(site, [b"head ", "/b"], format=format)
    found = run("-s", site.address, "get", "run/x", "-o", "a.bam", "-r", "chr1:11-20", "--tags", "RG,NM")
    assert (found.returncode, (tmp_path / "a.bam").read_bytes()) == (0, b"head body"), found.stderr
    query = next(asked.query for asked in site.asked if asked.path == "/reads/run/x")
    expected = {"referenceName": ["chr1"], "start": ["10"], "end": ["20"], "format": ["BAM"], "tags": ["RG,NM"]}
    assert query == expected
    assert run("-s", site.address, "get", "run/x", "-o", "a.vcf").returncode == 0
    site.asked.clear()
    found = run("--token", "T", "get", f"{site.address}/reads/run/x", "-o", "-", "--format", "bam")
    assert (found.returncode, found.stdout) == (0, "head body"), found.stderr
    assert site.asked[0].headers["authorization"] == "Bearer T"
    site.asked.clear()
    with serving(Site()) as chosen:  # the token of a server is not for the URL of another
        url = f"{site.address}/reads/run/x"
        assert run("-s", chosen.address, "get", url, "-o", "b", RNAGET_TOKEN="T").returncode == 0
    assert all("authorization" not in asked.headers for asked in site.asked)


def test_letters(site: Site, run: Run, tmp_path: Path) -> None:
    letters = "ACGT" * 40
    site.replies["/sequence/g:chr1"] = lambda asked: (
        200,
        {},
        letters[int(asked.query.get("start", ["0"])[0]) : int(asked.query.get("end", ["160"])[0])].encode(),
    )
    found = run("-s", site.address, "sequence", "g", "chr1:1-100")
    assert found.stdout == f">g:chr1:1-100\n{letters[:60]}\n{letters[60:100]}\n"
    assert run("-s", site.address, "sequence", "g:chr1", "--raw").stdout == letters
    assert run("-s", site.address, "sequence", "g:chr1", "-o", "a.fa").returncode == 0
    assert (tmp_path / "a.fa").read_text().startswith(f">g:chr1\n{letters[:60]}\n")
    assert run("-s", site.address, "sequence", "g", "chr1:5-2").returncode == 1


def test_letters_that_are_none(site: Site, run: Run) -> None:
    for sent in (b"\x1b[31mACGT", b'{"message": "no"}', b"ACGT\n>x", b"\xff"):
        site.replies["/sequence/x"] = lambda _, sent=sent: (200, {}, sent)
        found = run("-s", site.address, "sequence", "x")
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == f"Error: {site.address} sends no sequence: is the id right?\n"


def test_an_id_that_is_of_something_else(root: str, run: Run) -> None:
    found = run("-s", root, "get", "nothing", "-o", "a.tsv", "--region", "chr1:1-5")
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert "nothing was taken for the id of tracks: --kind matrix or --kind reads or" in found.stderr
    assert "was taken" not in run("-s", root, "get", "nothing", "-o", "a.tsv", "--kind", "matrix").stderr


def test_an_id_that_is_right_is_not_doubted(root: str, run: Run) -> None:
    for asked in (("--genes", "GONE"), ("--samples", "R1L1Kidney2,GONE"), ("--filter", "Tissue=GONE")):
        found = run("-s", root, "get", "marioni_counts", "-o", "x.tsv", *asked)
        assert found.returncode == 1 and "'GONE'" in found.stderr
        assert "taken for" not in found.stderr


def test_what_can_be_asked_of_a_server_without_filters(site: Site, run: Run) -> None:
    for name, value in (("formats", ["tsv"]), ("units", ["TPM"])):
        body = json.dumps(value).encode()
        site.replies[f"/rnaget/expressions/{name}"] = lambda _, body=body: (200, JSON, body)
    site.replies["/rnaget/expressions/filters"] = lambda _: (501, JSON, b'{"message": "no filters here"}')
    found = run("-s", f"{site.address}/rnaget", "expressions")
    assert (found.returncode, found.stdout) == (0, "formats  tsv\nunits    TPM\nfilters\n")


def test_a_proxy_is_used_and_named_where_it_is_away(site: Site, run: Run) -> None:
    site.replies["http://rna.example/rnaget/studies"] = site.replies["/rnaget/studies"] = lambda asked: (
        (200, JSON, b'[{"id": "s"}]') if asked.headers["host"] == "rna.example" else (400, JSON, b"{}")
    )
    server = ("--retries", "0", "-s", "http://rna.example/rnaget", "studies")
    assert run(*server, http_proxy=site.address).stdout == "s\n"
    for address in ("http://rna.example/rnaget", "https://rna.example/rnaget"):
        away = {name: "http://me:SECRET@127.0.0.1:1" for name in ("http_proxy", "https_proxy")}
        found = run("--retries", "0", "-s", address, "studies", **away)
        assert found.returncode == 1 and "by the proxy 127.0.0.1:1, cannot be reached" in found.stderr
        assert "SECRET" not in found.stderr
    direct = run("--retries", "0", "-s", site.address, "studies", http_proxy="http://127.0.0.1:1", no_proxy="127.0.0.1")
    assert "proxy" not in direct.stderr


def test_a_name_that_is_too_long(root: str, run: Run) -> None:
    name = "x" * 300 + ".tsv"
    found = run("-s", root, "get", "marioni_counts", "-o", name)
    assert (found.returncode, found.stderr) == (1, f"Error: {name} cannot be written: File name too long\n")


def test_a_file_of_a_server_without_tickets_is_gone_on_with(site: Site, run: Run, tmp_path: Path) -> None:
    content = CHANCE.randbytes(200_000)
    site.files["/expressions/m/bytes"] = content
    get = ("-s", site.address, "--retries", "0", "get", "m", "-o", "a", "--resume")
    run(*get)  # finds out which requests there are
    (tmp_path / "a").unlink()
    count = len(site.asked)
    site.asked.clear()
    site.faults = Faults(random.Random(3), 1)
    site.faults.draw = iter([*[None] * (count - 1), "cut"]).__next__  # type: ignore[method-assign]
    assert run(*get).returncode == 1
    size = (tmp_path / "a.part").stat().st_size
    site.faults = Faults()
    assert run(*get).returncode == 0
    assert size and site.asked[-1].headers["range"] == f"bytes={size}-"
    assert (tmp_path / "a").read_bytes() == content


CHANCE = random.Random(8)
FILES = {"a.tsv": b"gene\tS\n", "sub/b.bin": CHANCE.randbytes(200_000), "empty": b""}


def study(site: Site, **changes: dict[str, Any]) -> None:
    """Offer FILES as those of a study."""
    rows = []
    for name, content in FILES.items():
        site.files[f"/files/{name}"] = content
        row = {"name": name, "url": f"{site.address}/files/{name}", "bytes": len(content)}
        rows.append({**row, "md5": hashlib.md5(content).hexdigest(), **changes.get(name, {})})

    def report(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.query.get("study") != ["s"]:
            return 404, JSON, b'{"message": "there is no study \'x\'"}'
        return 200, JSON, json.dumps({"pending": 0, "files": rows}).encode()

    site.replies["/files"] = report


def content_of(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def test_a_whole_study(site: Site, run: Run, tmp_path: Path) -> None:
    study(site)
    found = run("-s", site.address, "download", "s", "out/s")
    assert (found.returncode, found.stdout.count("fetched")) == (0, 3), found.stderr
    kept = content_of(tmp_path / "out" / "s")
    sums = kept.pop("md5sums.txt")
    assert kept == FILES
    check = subprocess.run(
        ["md5sum", "-c", "md5sums.txt"], cwd=tmp_path / "out" / "s", capture_output=True, check=False
    )
    assert check.returncode == 0 and sums.count(b"\n") == 3
    site.asked.clear()
    found = run("-s", site.address, "download", "s", "out/s", "--json")
    assert [row["state"] for row in json.loads(found.stdout)] == ["kept"] * 3
    assert not [path for path in site.paths() if path.startswith("/files/")]
    (tmp_path / "out" / "s" / "a.tsv").write_text("other")
    found = run("-s", site.address, "download", "s", "out/s")
    assert found.returncode == 1 and "a.tsv is there with other bytes: --force replaces it" in found.stderr
    assert (tmp_path / "out" / "s" / "a.tsv").read_text() == "other"
    assert run("-s", site.address, "download", "s", "out/s", "--force").returncode == 0
    assert (tmp_path / "out" / "s" / "a.tsv").read_bytes() == FILES["a.tsv"]
    found = run("-s", site.address, "download", "x", "none")
    assert (found.returncode, found.stderr) == (1, "Error: 404: there is no study 'x'\n")


def test_files_that_look_like_tickets_and_sums_in_capitals(site: Site, run: Run, tmp_path: Path) -> None:
    content = b'{"url": "http://127.0.0.1:1/x", "md5": "0", "htsget": {}}'
    site.replies["/files/a.tsv"] = lambda _: (200, JSON, content)
    study(site, **{"a.tsv": {"bytes": len(content), "md5": hashlib.md5(content).hexdigest().upper()}})
    for state in ("fetched", "kept"):
        found = run("-s", site.address, "download", "s", "out")
        assert (found.returncode, found.stdout.count(state)) == (0, 3), found.stderr
        assert (tmp_path / "out" / "a.tsv").read_bytes() == content


def test_a_study_is_gone_on_with(site: Site, run: Run, tmp_path: Path) -> None:
    study(site)
    site.faults = Faults(random.Random(3), 1, ("cut",))
    site.faults.draw = iter([*[None] * 4, "cut", None]).__next__  # type: ignore[method-assign]
    found = run("-s", site.address, "--retries", "0", "download", "s", "out")
    assert found.returncode == 1 and "sub/b.bin: failed: the reply broke off" in found.stderr
    part = tmp_path / "out" / "sub" / "b.bin.checking.part"
    size = part.stat().st_size
    assert size and not (tmp_path / "out" / "sub" / "b.bin").exists()
    site.faults = Faults()
    site.asked.clear()
    assert run("-s", site.address, "download", "s", "out").returncode == 0
    ranges = [asked.headers.get("range") for asked in site.asked if asked.path == "/files/sub/b.bin"]
    assert ranges == [f"bytes={size}-"]
    kept = content_of(tmp_path / "out")
    assert {name: kept[name] for name in FILES} == FILES and len(kept) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"md5": "0" * 32}, "has the md5"),
        ({"bytes": 5}, "7 bytes, but 5 by the report"),
        ({"name": "../a.tsv"}, "would not be in the directory"),
        ({"name": "/etc/a.tsv"}, "would not be in the directory"),
        ({"name": "md5sums.txt"}, "two files of the name"),
        ({"name": "EMPTY"}, "two files of the name"),
        ({"name": "empty.checking"}, "the name of another one while that arrives"),
        ({"url": None}, "has no url"),
        ({"url": "file:///etc/passwd"}, "no address|begin with http|unknown url type|scheme"),
    ],
)
def test_reports_that_are_wrong(site: Site, run: Run, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    study(site, **{"a.tsv": changes})
    found = run("-s", site.address, "download", "s", "out")
    assert found.returncode == 1 and re.search(message, found.stderr), found.stderr
    assert not {"a.tsv", "a.tsv.checking", "a.tsv.checking.part"} & set(content_of(tmp_path / "out"))
    assert not (tmp_path / "a.tsv").exists()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "home" / ".config" / "rnaget" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_servers_by_name(site: Site, run: Run, configured: Callable[[str], Path], tmp_path: Path) -> None:
    site.replies["/projects"] = lambda asked: (
        200,
        JSON,
        json.dumps([{"id": asked.headers.get("authorization", "nobody")}]).encode(),
    )
    (tmp_path / "token").write_text("of-a-file\n")
    path = configured(
        f'server = "first"\n[servers.first]\nurl = "{site.address}"\ntoken = "one"\n'
        f'[servers.second]\nurl = "{site.address}/"\ntoken_file = "{tmp_path}/token"\n'
        f'[servers.third]\nurl = "{site.address}"\ntoken_env = "MINE"\n'
    )
    assert run("projects").stdout == "Bearer one\n"
    assert run("-s", "second", "projects").stdout == "Bearer of-a-file\n"
    assert run("-s", "third", "projects", MINE="x").stdout == "Bearer x\n"
    assert run("projects", RNAGET_SERVER="third", RNAGET_TOKEN="given", MINE="x").stdout == "Bearer given\n"
    assert "MINE, which has the token of third, is not set" in run("-s", "third", "projects").stderr
    found = run("-s", "fourth", "projects")
    assert found.returncode == 1 and "has first, second, third" in found.stderr
    path.chmod(0o644)
    assert "can be read by others: chmod 600" in run("projects").stderr
    assert "one" not in run("projects").stderr.replace("config.toml", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server = \n", "config.toml: Invalid value (at line 1"),
        ("[servers.a]\nurl = 5\n", "[servers.a] needs url"),
        ('[servers.a]\nurl = "http://x"\ntokn = "x"\n', "has the key tokn"),
        ('[servers.a]\nurl = "http://x"\ntimeout = "x"\n', "timeout of [servers.a] is of another type"),
        ('[servers.a]\nurl = "http://x"\ntimeout = -1\n', "timeout of [servers.a] is no number of seconds"),
        ('[servers.a]\nurl = "http://x"\ntimeout = nan\n', "timeout of [servers.a] is no number of seconds"),
        ("srver = 5\n", "srver is no key"),
        ('server = "none"\n', "names no servers"),
    ],
)
def test_configuration_that_is_wrong(run: Run, configured: Callable[[str], Path], text: str, message: str) -> None:
    configured(text)
    found = run("projects")
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert message in found.stderr


def test_a_server_that_is_an_empty_text(run: Run, site: Site, configured: Callable[[str], Path]) -> None:
    """As of a variable of a script that is not set: it must not mean the server of the file."""
    configured(f'server = "{site.address}"\n')
    found = run("-s", "", "projects")
    assert (found.returncode, site.asked) == (1, []) and "an empty text is not the address" in found.stderr


def test_completion(run: Run, configured: Callable[[str], Path]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_RNAGET_COMPLETE" in run("completion", shell).stdout
    configured('[servers.lab]\nurl = "http://x"\n')
    words = {"COMP_WORDS": "rnaget --server l", "COMP_CWORD": "2", "_RNAGET_COMPLETE": "bash_complete"}
    assert run(**words).stdout == "plain,lab\n"


def test_a_pipe_that_closes_early(site: Site, tmp_path: Path) -> None:
    site.files["/big"] = b"line\n" * 2_000_000
    command = f"{COMMAND} get {site.address}/big -o - | head -n 1; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.stderr) == ("line\n141\n", "")


def test_output_is_added_to_a_file(site: Site, tmp_path: Path) -> None:
    site.files["/file"] = b"x" * 100_000
    site.faults = Faults(random.Random(3), 0.5, ("cut",))
    (tmp_path / "a").write_text("before ")
    command = f"{COMMAND} --retries 30 get {site.address}/file -o - >> {tmp_path}/a"
    assert subprocess.run(["bash", "-c", command], timeout=60, check=False).returncode == 0
    assert (tmp_path / "a").read_bytes() == b"before " + site.files["/file"]
