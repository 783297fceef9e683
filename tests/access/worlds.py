"""Two worlds that differ only in what is hidden from somebody, and what he is answered in both.

A server that keeps a secret answers him alike in both: a number, a length, an order, a suggestion or a link that is
not the same comes of something that he may not see.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import yaml

from rnaget_server.app import create_app
from rnaget_server.model.principal import OPERATOR, Principal
from rnaget_server.settings import Settings
from tests.access.marked import Client, dump, write_catalogue
from tests.datasets.masked_material import GENES, Source, made_source, published
from tests.reads.files import run

MARK = "zqhx"
HIDDEN = {"consent": ["secret"]}
_PASSING = ("x-request-id", "date", "age", "etag", "last-modified")
# A signed URL names the request for it, in few letters or some more, and has an identity of the file.
_SIGNED = re.compile(rb"(_rights=[\w-]+&(?:amp;)?)?_expires=\d+&(?:amp;)?_signature=[0-9a-f]+")
_VERSION = re.compile(rb"version=[0-9a-f]{20}")
# When the catalogue was read.
_READ = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_WHEN = 1_700_000_000

Asked = tuple[str, str, Mapping[str, Any]]
"""The method and the address of a request, and what else the client sends."""


@dataclass(frozen=True)
class Reply:
    """All of a reply that has to be the same in both worlds."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def reply_of(response: httpx.Response) -> Reply:
    """Return what may not depend on anything hidden."""
    body, signed = _SIGNED.subn(b"SIGNED", response.content)
    body = _READ.sub(b"READ", _VERSION.sub(b"version=", body))
    passing = (*_PASSING, "content-length") if signed or response.request.method == "HEAD" else _PASSING
    headers = {name: value for name, value in response.headers.items() if name not in passing}
    return Reply(response.status_code, headers, body)


def source_with(world: int, others_see: str) -> Source:
    """Twelve samples that are the same in every world among hidden ones, which are not.

    Hidden samples that are left out differ in number, name, place and all else; those that are shown without numbers in
    these alone.
    """
    whole = made_source()
    visible = whole.samples.assign(consent=whole.samples["consent"].replace("", "general")).iloc[:12]
    random = np.random.default_rng(world)
    is_left_out = others_see == "omit"
    count = (5, 3)[world] if is_left_out else 4
    word = f"{MARK}{world}" if is_left_out else MARK
    names = [f"case-{word}-{number}" for number in range(count)]
    hidden = pd.DataFrame(
        {
            "consent": "secret",
            "tissue": [("liver", f"{word} organ")[number % 2] for number in range(count)],
            "donor": [f"d{word}" for _ in names],
            "age": [str((90 + 5 * world if is_left_out else 90) + number) for number in range(count)],
            "tsne_1": random.normal(50 * (1 + world), size=count).round(3),
            "tsne_2": random.normal(50 * (1 + world), size=count).round(3),
        },
        pd.Index(names, name="sample"),
    )
    cells = pd.DataFrame(
        random.integers(70, 90, (len(GENES), count)) + 40 * world, whole.cells.index, names, np.float32
    )
    # A gene that no visible sample has, and one that hidden samples of this world alone have not.
    cells.iloc[3 + world] = 0
    samples = pd.concat([visible, hidden])
    order = sorted(range(len(samples)), key=lambda number: (number * 5) % 7 if is_left_out else (number * 5) % 11)
    of_visible = [number for number in range(12)]
    # The visible ones stay in their order.
    placed = iter(of_visible)
    order = [next(placed) if number < 12 else number for number in order]
    points = np.concatenate([whole.umap[:12], random.normal(30 * (1 + world), size=(count, 2)).astype(np.float32)])
    both = pd.concat([whole.cells.iloc[:, :12], cells], axis=1)
    both.iloc[7, :12] = 0
    return Source(both.iloc[:, order], samples.iloc[order], points[order])


def write_samples(directory: Path, world: int, others_see: str) -> Path:
    """Write a catalogue of matrices of all kinds, some of whose samples are for those with a grant."""
    directory.mkdir()
    data = published(source_with(world, others_see), directory)
    (study,) = data.glob("*/*/study.yaml")
    content = yaml.safe_load(study.read_text())
    for matrix in content["expressions"]:
        rule = {"where": HIDDEN, "controlled": ["grant-a"]}
        matrix["access"] = {"samples": [rule], "others_see": others_see}
    study.write_text(json.dumps(content))
    return data


def write_records(directory: Path, hidden: Collection[str]) -> tuple[Path, Path]:
    """Write the marked catalogue as it is, and without what has some marks but with something else that is hidden."""
    with_them, without = directory / "with", directory / "without"
    write_catalogue(with_them)
    # A copy, since the files of others are never made of the same bytes twice.
    shutil.copytree(with_them, without)
    for place in sorted(without.rglob("*.yaml"), reverse=True):
        content = yaml.safe_load(place.read_text())
        if any(content["id"].endswith(mark) for mark in hidden):
            shutil.rmtree(place.parent)
        elif place.name == "study.yaml":
            for kind in ("expressions", "continuous", "reads"):
                content[kind] = [one for one in content[kind] if not any(mark in one["id"] for mark in hidden)]
            dump(place, content)
    dump(without / "zqyx" / "project.yaml", {"id": "p-zqyx", "access": {"controlled": ["grant-unheld"]}})
    return with_them, without


VISIBLE_END = 1000
LENGTH = 10_000


def write_regions(directory: Path, world: int) -> Path:
    """Write a catalogue of reads and variants, of which the first bases are for all who have signed in.

    All records that do not overlap these are others in each world.
    """
    study = directory / "data" / "p" / "s"
    study.mkdir(parents=True)
    same, other = np.random.default_rng(5), np.random.default_rng(world)
    places = [("chr1", int(start), f"seen{number}") for number, start in enumerate(same.integers(1, 900, 300))]
    counts = (250 + 99 * world, 150 + 77 * world)
    for reference, first, count in (("chr1", 1200, counts[0]), ("chr2", 1, counts[1])):
        starts = enumerate(other.integers(first, 9000, count))
        places += [(reference, int(start), f"{MARK}{world}-{reference}-{number}") for number, start in starts]
    places.sort()
    letters = "".join(same.choice(list("ACGT"), 50))
    references = [f"@SQ\tSN:{name}\tLN:{LENGTH}\n" for name in ("chr1", "chr2")]
    reads = [f"{name}\t0\t{at}\t{start}\t30\t50M\t*\t0\t0\t{letters}\t{'F' * 50}\n" for at, start, name in places]
    apart = [f"{MARK}{world}-{number}\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII\n" for number in range(3 + 8 * world)]
    (study / "a.sam").write_text("".join(["@HD\tVN:1.6\tSO:coordinate\n", *references, *reads, *apart]))
    contigs = "".join(f"##contig=<ID={name},length={LENGTH}>\n" for name in ("chr1", "chr2"))
    head = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"])
    variants = "".join(f"{at}\t{start}\t{name}\tA\tC\t50\t.\t.\n" for at, start, name in places)
    (study / "a.vcf").write_text(f"##fileformat=VCFv4.2\n{contigs}{head}\n{variants}")
    files = {"BAM": "a.bam", "CRAM": "a.cram", "VCF": "a.vcf.gz", "BCF": "a.bcf"}
    index = {"BAM": "a.bam.bai", "CRAM": "a.cram.crai", "VCF": "a.vcf.gz.tbi", "BCF": "a.bcf.csi"}
    # They write the name that they are given for a file into it.
    plain = ("--no-PG", "--output-fmt-option", "no_ref=1")
    run("samtools", "view", "--no-PG", "-b", "-o", "a.bam", "a.sam", cwd=study)
    run("samtools", "view", "-C", *plain, "-o", "a.cram", "a.sam", cwd=study)
    run("bcftools", "view", "--no-version", "-Ob", "-o", "a.bcf", "a.vcf", cwd=study)
    run("bgzip", "a.vcf", cwd=study)
    for command in ("samtools index a.bam", "samtools index a.cram", "bcftools index a.bcf", "tabix a.vcf.gz"):
        run(*command.split(), cwd=study)
    (study / "a.sam").unlink()
    seen = {"registered": True, "rules": [{"referenceName": "chr1", "end": VISIBLE_END}]}
    access = {"regions": [seen, {"controlled": ["grant-a"]}]}
    entries = [
        {
            "id": "a",
            "access": access,
            "files": [{"format": one, "file": files[one], "index": index[one]} for one in both],
        }
        for both in (("BAM", "CRAM"), ("VCF", "BCF"))
    ]
    dump(study / "study.yaml", {"id": "s", "reads": entries})
    dump(study.parent / "project.yaml", {"id": "p"})
    dump(directory / "data" / "catalog.yaml", {"id": "c", "name": "C"})
    return directory / "data"


class Worlds:
    """Clients of the servers of two worlds."""

    def __init__(self, one: Client, other: Client) -> None:
        self.one, self.other = one, other

    def differences(self, principal: Principal, requests: Collection[Asked]) -> list[str]:
        """Return how the worlds answer somebody in different ways, after all was asked for by one who sees all."""
        self.one.principal = OPERATOR
        for method, url, more in requests:
            # In other words than the next, as who has signed in always is, since his credentials are among them.
            headers = {**more.get("headers", {}), "Referer": "http://operator"}
            self.one.request(method, url, follow_redirects=False, **{**more, "headers": headers})
        self.one.principal = self.other.principal = principal
        return list(differences((self.one, self.other), requests))


@contextmanager
def worlds(one: Path, other: Path, **settings: Any) -> Iterator[Worlds]:
    """Serve two catalogues."""
    for data in (one, other):
        for path in data.rglob("*"):
            os.utime(path, (_WHEN, _WHEN))
    options = [Settings(data=data, reload_seconds=0, rate_limit="", **settings) for data in (one, other)]
    with Client(create_app(options[0])) as client, Client(create_app(options[1])) as another:
        yield Worlds(client, another)


def differences(clients: tuple[Client, Client], requests: Iterable[Asked]) -> Iterator[str]:
    """Yield the requests that two worlds answer in different ways, with the first difference."""
    for method, url, more in requests:
        one, other = _replies(clients, method, url, more)
        # Searches answer with what they have while an index is made, which takes its time.
        deadline = time.monotonic() + 20
        while one != other and url.startswith("/search") and time.monotonic() < deadline:
            time.sleep(0.2)
            one, other = _replies(clients, method, url, more)
        assert one.status < 500, (method, url, one.body[:300])
        if one != other:
            yield f"{method} {url}: {_difference(one, other)}"


def _replies(clients: tuple[Client, Client], method: str, url: str, more: Mapping[str, Any]) -> tuple[Reply, ...]:
    return tuple(reply_of(client.request(method, url, follow_redirects=False, **more)) for client in clients)


def _difference(one: Reply, other: Reply) -> str:
    if one.status != other.status:
        return f"{one.status} {other.status} {one.body[:200]!r} {other.body[:200]!r}"
    if one.headers != other.headers:
        return f"{sorted(set(one.headers.items()) ^ set(other.headers.items()))}"
    place = next(
        (number for number, (a, b) in enumerate(zip(one.body, other.body, strict=False)) if a != b),
        min(len(one.body), len(other.body)),
    )
    return f"at {place}: {one.body[max(0, place - 60) : place + 60]!r} {other.body[max(0, place - 60) : place + 60]!r}"
