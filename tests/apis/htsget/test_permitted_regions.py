"""Whoever may see some regions of reads or variants gets the records of these, and not one other, in every format."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rnaget_server.app import create_app
from rnaget_server.catalog.load import load
from rnaget_server.cli.checking import file_problems
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal
from rnaget_server.settings import Settings
from rnaget_server.storage.access import FileAccess
from tests.access.marked import Client
from tests.apis.htsget.conftest import READS_ID, fetched, ticket_of
from tests.reads.files import Region, overlaps, run, sam_interval, vcf_interval

KINDS = {"BAM": "reads", "CRAM": "reads", "VCF": "variants", "BCF": "variants"}
FORMATS = [pytest.param(name, id=name) for name in KINDS]
PANEL = [
    {"referenceName": "chr1", "start": 1_000_000, "end": 2_500_000},
    {"referenceName": "chr1", "start": 2_500_000, "end": 2_600_000},
    {"referenceName": "chr2", "end": 150_000},
    {"referenceName": "chrEmpty"},
]
ANN, BOB, CAY = Principal("ann", frozenset(("panel",))), Principal("bob", frozenset(("all",))), Principal("cay")
ACCESS = {"regions": [{"controlled": ["panel"], "rules": PANEL}, {"controlled": ["all"]}]}


def with_access(catalog: Path, data: Path, access: dict[str, Any]) -> Path:
    """A copy of a catalogue, in which all reads and variants have this access."""
    shutil.copytree(catalog, data)
    path = data / "p" / "s" / "study.yaml"
    study = yaml.safe_load(path.read_text())
    for entry in study["reads"]:
        entry["access"] = access
    path.write_text(json.dumps(study))  # which is YAML
    return data


def clients(data: Path, **settings: Any) -> Iterator[Client]:
    with Client(create_app(Settings(data=data, reload_seconds=60, **settings))) as client:
        yield client


@pytest.fixture(scope="module")
def limited(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_access(catalog, tmp_path_factory.mktemp("limited") / "data", ACCESS)


@pytest.fixture(scope="module")
def client(limited: Path) -> Iterator[Client]:
    """A client of a server whose larger tickets have several URLs, and whose small ones have all within."""
    yield from clients(limited, max_inline_bytes=8_000, max_block_bytes=1 << 16)


@pytest.fixture(scope="module")
def lines(files: dict[str, Path]) -> dict[str, list[bytes]]:
    """All records of the files, as samtools and bcftools have them."""
    sam, vcf = run("samtools", "view", files["BAM"]), run("bcftools", "view", "-H", files["VCF"])
    return {"reads": sam.splitlines(), "variants": vcf.splitlines()}


def records(data: bytes, format: str, directory: Path) -> list[bytes]:
    path = directory / f"reply.{format.lower()}"
    path.write_bytes(data)
    tool = ("samtools", "view") if KINDS[format] == "reads" else ("bcftools", "view", "-H")
    return run(*tool, path).splitlines()


def name_of(line: bytes, kind: str) -> bytes:
    return line.split(b"\t")[0 if kind == "reads" else 2]


def address(format: str, **region: Any) -> str:
    asked = "".join(f"&{name}={value}" for name, value in region.items() if value is not None)
    return f"/{KINDS[format]}/{READS_ID}?format={format}{asked}"


def permitted(number: int) -> Iterator[Region]:
    draw = random.Random(number)
    while True:
        rule = draw.choice(PANEL[:3])
        low, high = int(rule.get("start", 0)), int(rule["end"])
        start = draw.randrange(low, high)
        yield Region(str(rule["referenceName"]), start, draw.choice([start + 1, min(start + 900, high), high]))


@pytest.mark.parametrize("format", FORMATS)
def test_exactly_the_records_of_a_permitted_region_are_sent(
    client: Client, lines: dict[str, list[bytes]], format: str, tmp_path: Path
) -> None:
    if format == "CRAM":
        pytest.importorskip("pysam")
    kind = KINDS[format]
    interval = sam_interval if kind == "reads" else vcf_interval
    draw = permitted(3)
    for region in (Region("chr1", 1_000_000, 2_600_000), *(next(draw) for _ in range(3))):
        client.principal = ANN
        ticket = ticket_of(client, address(format, referenceName=region.reference, start=region.start, end=region.end))
        client.principal = ANYONE  # the URLs of a ticket need no credentials
        expected = [name_of(line, kind) for line in lines[kind] if overlaps(interval(line), region)]
        found = [name_of(line, kind) for line in records(fetched(client, ticket), format, tmp_path)]
        assert found == expected


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_several_regions_without_some_fields(
    client: Client, lines: dict[str, list[bytes]], format: str, tmp_path: Path
) -> None:
    pytest.importorskip("pysam")
    client.principal = ANN
    asked = [Region("chr1", 1_200_000, 1_200_500), Region("chr1", 2_499_000, 2_501_000), Region("chr2", 0, 9_000)]
    regions = [{"referenceName": one.reference, "start": one.start, "end": one.end} for one in asked]
    ticket = ticket_of(client, f"/reads/{READS_ID}", format=format, regions=regions, notags=["NM"])
    found = records(fetched(client, ticket), format, tmp_path)
    some = [line for line in lines["reads"] if any(overlaps(sam_interval(line), one) for one in asked)]
    assert [name_of(line, "reads") for line in found] == [name_of(line, "reads") for line in some]
    assert b"NM:i" not in b"".join(found)


BEYOND = [
    {},
    {"referenceName": "chr1"},
    {"referenceName": "chr1", "start": 1_000_000},
    {"referenceName": "chr1", "start": 999_999, "end": 1_000_001},
    {"referenceName": "chr1", "start": 2_000_000, "end": 2_600_001},
    {"referenceName": "chr2", "start": 150_000, "end": 150_001},
    {"referenceName": "*"},
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("region", BEYOND, ids=str)
def test_what_goes_beyond_is_refused(client: Client, format: str, region: dict[str, Any]) -> None:
    client.principal = ANN
    if region == {"referenceName": "*"} and KINDS[format] == "variants":
        region = {"referenceName": "chr2"}
    posted = {"format": format} | ({"regions": [region, {"referenceName": "chr2", "end": 9}]} if region else {})
    for reply in (
        client.get(address(format, **region)),
        client.get(address(format, **region, fields="POS")),
        client.post(f"/{KINDS[format]}/{READS_ID}", json=posted),
    ):
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (403, "PermissionDenied")
        assert "2600000" not in reply.text.replace(",", "")


def test_all_and_nothing(client: Client, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    for principal in (BOB, OPERATOR):
        client.principal = principal
        found = records(fetched(client, ticket_of(client, address("BAM"))), "BAM", tmp_path)
        assert found == lines["reads"]
    client.principal = Principal("dan", frozenset(("panel", "all")))
    assert client.get(address("BAM")).status_code == 200
    client.principal = ANN
    assert client.get(address("BAM", **{"class": "header"})).status_code == 200
    assert client.get(address("VCF", referenceName="chrEmpty")).status_code == 200
    for principal in (CAY, ANYONE):
        client.principal = principal
        hidden, absent = client.get(address("BAM", referenceName="chr2", end=9)), client.get("/reads/none")
        assert hidden.status_code == absent.status_code == 404


def test_all_grants_are_not_those_of_an_operator(catalog: Path, tmp_path: Path) -> None:
    access = {"regions": [{"controlled": ["panel"], "rules": PANEL}]}
    for client in clients(with_access(catalog, tmp_path / "data", access)):
        client.principal = OPERATOR
        assert client.get(address("BAM")).status_code == 200
        client.principal = ANN
        assert client.get(address("BAM")).status_code == 403
        client.principal = OPERATOR
        assert client.get(address("BAM")).status_code == 200


def test_files_are_for_those_who_see_all(client: Client) -> None:
    for principal, some in ((ANN, False), (BOB, True)):
        client.principal = principal
        formats = {file["format"] for file in client.get("/files", params={"format": "json"}).json()["files"]}
        assert ({"BAM", "BAI", "VCF", "TBI"} <= formats) == some
        assert formats.isdisjoint(("BAM", "BAI", "VCF", "TBI")) != some


@pytest.mark.parametrize("everybody", [False, True])
def test_the_url_of_a_block_is_that_of_a_ticket(catalog: Path, tmp_path: Path, everybody: bool) -> None:
    who = {} if everybody else {"controlled": ["panel"]}
    data = with_access(catalog, tmp_path / "data", {"regions": [{**who, "rules": PANEL}]})
    for client in clients(data, max_inline_bytes=0):
        client.principal = ANYONE if everybody else ANN
        ticket = ticket_of(client, address("BAM", referenceName="chr1", start=1_000_000, end=2_600_000))
        url = next(url["url"] for url in ticket["urls"] if "ranges=" in url["url"])
        assert client.get(url).status_code == 200
        address_, _, query = url.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&"))
        # Without a signature, a URL could be of any part of the file.
        for gone in (["_signature"], ["_signature", "_expires", "_rights"]):
            rest = "&".join(f"{name}={value}" for name, value in pairs.items() if name not in gone)
            assert client.get(f"{address_}?{rest}").status_code == 403
        other = "&".join(f"{name}={'0-500' if name == 'ranges' else value}" for name, value in pairs.items())
        assert client.get(f"{address_}?{other}").status_code == 403


def test_a_ticket_ends_with_its_rules(catalog: Path, tmp_path: Path) -> None:
    data = with_access(catalog, tmp_path / "data", ACCESS)
    with Client(create_app(Settings(data=data, reload_seconds=0.01, max_inline_bytes=0))) as client:
        client.principal = ANN
        ticket = ticket_of(client, address("BAM", referenceName="chr1", start=1_000_000, end=2_600_000))
        url = next(url["url"] for url in ticket["urls"] if "ranges=" in url["url"])
        path = data / "p" / "s" / "study.yaml"
        path.write_text(path.read_text().replace("2600000", "2550000"))
        assert client.get(address("BAM", referenceName="chr1", start=1_500_000, end=2_600_000)).status_code == 403
        assert client.get(url).status_code == 410


AUTHORIZATION = {
    "version": 1,
    "htsgetAuth": [
        {
            "location": {"id": READS_ID, "backend": "file:///data"},
            "rules": [{"referenceName": "chr2", "format": "BAM"}],
        },
        {"location": {"prefix": "run/"}, "rules": [{"start": 10, "end": 90}]},
        {"location": {"id": "run/2"}},
        {"path": "/variants/run/1", "referenceNames": [{"name": "chr1", "start": 0, "end": 500}]},
        {"path": r"reads/other\d+"},
    ],
}


def test_rules_as_htsget_rs_has_them(catalog: Path, tmp_path: Path) -> None:
    access = {"regions": [{"controlled": ["panel"], **AUTHORIZATION}]}
    for client in clients(with_access(catalog, tmp_path / "data", access)):
        client.principal = ANN
        answers = {
            address("BAM", referenceName="chr2"): 200,
            address("CRAM", referenceName="chr2"): 403,
            address("CRAM", referenceName="chr1", start=10, end=90): 200,
            address("BAM", referenceName="chr1", start=10, end=91): 403,
            address("BAM"): 403,
            address("VCF", referenceName="chr1", end=500): 200,
            address("VCF", referenceName="chr1", end=501): 403,
            address("VCF", referenceName="chr2", start=20, end=30): 200,
        }
        assert {asked: client.get(asked).status_code for asked in answers} == answers


MISTAKES = [
    ([{"rules": [{"referenceName": "chr1", "start": 9, "end": 9}]}], "end must be above start"),
    ([{"rules": [{"referenceName": "chr1", "end": "many"}]}], "end"),
    ([{"rules": [{"reference": "chr1"}]}], "reference"),
    ([{"rules": []}], "rules"),
    ([{"htsgetAuth": [{"location": {"id": "another"}, "rules": [{"end": 9}]}]}], f"is that of the reads {READS_ID}"),
    ([{"htsgetAuth": [{"location": {}}]}], "`id` and `prefix`"),
    ([{"htsgetAuth": [{"rules": [{"end": 9}]}]}], "`location` and `path`"),
    ([{"htsgetAuth": [{"path": "("}]}], "no regular expression"),
    ([{"htsgetAuth": [{"path": "x"}], "rules": [{"end": 9}]}], "both here"),
    ([{"version": 2, "htsgetAuth": [{"path": "x"}]}], "version"),
]


@pytest.mark.parametrize(("regions", "message"), MISTAKES)
def test_mistakes_in_rules(catalog: Path, tmp_path: Path, regions: list[Any], message: str) -> None:
    data = with_access(catalog, tmp_path / "data", {"regions": regions})
    problems = load(data)[1]
    assert any(message in str(problem) and problem.line == 1 for problem in problems), problems


def test_check_names_references_that_there_are_not(catalog: Path, tmp_path: Path) -> None:
    rules = [{"referenceName": "chr1"}, {"referenceName": "Chr2", "format": "BAM"}, {"referenceName": "*"}]
    found, problems = load(with_access(catalog, tmp_path / "data", {"regions": [{"rules": rules}]}))
    assert found is not None
    assert not problems
    said = [str(problem) for problem in file_problems(found, FileAccess(), print)]
    assert len(said) == 1
    assert "'Chr2'" in said[0]
    assert "chr2" in said[0]
