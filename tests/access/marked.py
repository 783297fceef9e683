"""A catalogue in which every text of a record is marked by who may see it, and clients of its server.

To add a kind of record, write it in `records_of` with the mark of its place in every text; to add a condition, add a
place. The rule who sees which mark is `Place.is_for`, which knows nothing of the server.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.datasets.repository import View
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.importers.sequences.job import GenomeRequest, run_genome_import
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal
from tests.reads.files import run

TAXA = {"zqex": 7_001_001, "zqgx": 7_001_002}
SHARED_SEQUENCE = "ACGTTGCAAC" * 7
CHROMOSOME = "chr1"
POSITIONS = 40


@dataclass(frozen=True)
class Place:
    """A part of the catalogue with one mark, and the grants of which each is needed; none: it is for all.

    `registered` asks for a sign-in.
    """

    mark: str
    grants: frozenset[str] = frozenset()
    registered: bool = False

    def is_for(self, principal: Principal) -> bool:
        if principal.is_operator:
            return True
        if principal.projects is not None and self.mark not in OF_A_PROJECT:
            return False
        signed_in = principal.name is not None
        return self.grants <= principal.grants and (signed_in or not (self.registered or self.grants))


A, B = frozenset(("grant-a",)), frozenset(("grant-b",))
OPEN = Place("zqox")
PLACES = (
    OPEN,
    Place("zqrx", registered=True),  # a study
    Place("zqax", A),  # a project and all below it
    Place("zqbx", B),  # a study
    Place("zqnx", A | B, registered=True),  # a matrix in a study in a project, each with a condition
    Place("zqmx", A),  # records in the study that is for all
    Place("zqgx", A),  # a genome
    Place("zqex"),  # a genome that is for all
    Place("zqpx", registered=True),  # the project of the matrix of three conditions
    Place("zqsx", A, registered=True),  # the study of it
)
OF_A_PROJECT = frozenset(("zqax", "zqgx", "zqex"))
"""The marks that one with all grants sees whose credentials are for the project of the first."""

ABSENT = "zqzx"
"""The mark of nothing."""

PEOPLE: Mapping[str, Principal] = {
    "none": ANYONE,
    "registered": Principal("somebody"),
    "one grant": Principal("ann", A),
    "other grant": Principal("bob", B | {"grant-of-another-server"}),
    "both grants": Principal("cay", A | B),
    "one project": Principal("dan", A | B, projects=frozenset(("p-zqax",))),
    "operator": OPERATOR,
}


def hidden_from(principal: Principal) -> tuple[Place, ...]:
    return tuple(place for place in PLACES if not place.is_for(principal))


class Client(TestClient):
    """A client of an application; `principal` says who has signed in with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.principal = ANYONE

        async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self.principal != ANYONE:
                scope = {**scope, PRINCIPAL_KEY: self.principal}
            await app(scope, receive, send)

        super().__init__(signed_in, raise_server_exceptions=False)


def write_catalogue(data: Path, without: Collection[str] = ()) -> None:
    """Write the catalogue, without all that has some marks."""
    projects: dict[str, tuple[Any, dict[str, tuple[Any, list[Place]]]]] = {
        "zqox": (
            "public",
            {
                "zqox": ("public", [OPEN, PLACES[5]]),
                "zqrx": ("registered", [PLACES[1]]),
                "zqbx": ({"controlled": ["grant-b"]}, [PLACES[3]]),
            },
        ),
        "zqax": ({"controlled": ["grant-a"]}, {"zqax": ("public", [PLACES[2]])}),
        "zqpx": (
            "registered",
            {"zqsx": ({"controlled": ["grant-a"]}, [PLACES[4]])},
        ),
    }
    dump(data / "catalog.yaml", {"id": "org.example", "name": "Access"})
    for project, (access, studies) in projects.items():
        if project in without:
            continue
        dump(data / project / "project.yaml", {**described("p", project), "access": access})
        for study, (study_access, places) in studies.items():
            if study in without:
                continue
            directory = data / project / study
            content = {
                **described("s", study),
                "genome": "g-zqex",
                "access": study_access,
                "citation": f"{study} paper",
            }
            for place in places:
                if place.mark not in without:
                    records_of(place, directory, content)
            dump(directory / "study.yaml", content)
    for mark, access in (("zqex", "public"), ("zqgx", {"controlled": ["grant-a"]})):
        if mark in without:
            continue
        write_genome(data, mark, access)


def described(kind: str, mark: str) -> dict[str, Any]:
    return {
        "id": f"{kind}-{mark}",
        "name": f"{mark} name",
        "description": f"{mark} description",
        "tags": [f"{mark}-tag"],
    }


def records_of(place: Place, directory: Path, study: dict[str, Any]) -> None:
    """Add a matrix, two sets of tracks, reads and variants of a place to a study."""
    mark = place.mark
    directory.mkdir(parents=True, exist_ok=True)
    number = float(1 + PLACES.index(place))
    write_matrix(directory / f"{mark}.loom", mark, 7_654_300 + number)
    write_tracks(directory / f"{mark}-tracks.loom", mark, 8_654_300 + number)
    write_reads(directory, mark)
    access: Any = "public"
    if mark == "zqmx":
        access = {"controlled": ["grant-a", "grant-unheld"]}
    if mark == "zqnx":
        access = {"controlled": ["grant-b"]}
    filters = {f"{mark}_tissue": {"attribute": f"{mark}_tissue", "axis": "sample", "description": f"{mark} filter"}}
    study.setdefault("expressions", []).append(
        {
            **described("m", mark),
            **{"file": f"{mark}.loom", "units": f"{mark}-units", "feature_id": "gene", "feature_name": "symbol"},
            **{"sample_id": "sample", "filters": filters, "access": access, "license": f"{mark}-license"},
        }
    )
    study.setdefault("continuous", []).append(
        {
            **described("t", mark),
            **{"file": f"{mark}-tracks.loom", "units": f"{mark}-units", "track_id": "sample", "access": access},
            "filters": {f"{mark}_kind": {"attribute": f"{mark}_kind"}},
        }
    )
    for format, file, index in (
        ("BAM", f"{mark}.bam", f"{mark}.bam.bai"),
        ("VCF", f"{mark}.vcf.gz", f"{mark}.vcf.gz.tbi"),
    ):
        study.setdefault("reads", []).append(
            {
                **{"id": f"r-{mark}/1", "name": f"{mark} name", "description": f"{mark} description"},
                **{"samples": [f"sample-{mark}-1"], "access": access},
                "files": [{"format": format, "file": file, "index": index}],
            }
        )


def write_matrix(path: Path, mark: str, number: float) -> None:
    genes, samples = [f"gene-{mark}-{n}" for n in (1, 2)], [f"sample-{mark}-{n}" for n in (1, 2, 3)]
    rows = {"gene": [*genes, "gene-of-all"], "symbol": [f"SYM{mark.upper()}{n}" for n in (1, 2)] + ["ALL"]}
    columns = {"sample": samples, f"{mark}_tissue": [f"{mark} liver", f"{mark} liver", f"{mark} heart"]}
    write_loom(path, np.full((3, 3), number, np.float32), rows, columns)


def write_tracks(path: Path, mark: str, number: float) -> None:
    rows = {"sample": [f"track-{mark}-{n}" for n in (1, 2)], f"{mark}_kind": [f"{mark} chip", f"{mark} input"]}
    positions = {"position": [f"{CHROMOSOME}:{n}" for n in range(POSITIONS)]}
    write_loom(path, np.full((2, POSITIONS), number, np.float32), rows, positions)


def write_loom(path: Path, cells: Any, rows: dict[str, list[str]], columns: dict[str, list[str]]) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["LOOM_SPEC_VERSION"] = "3.0.0"
        file["matrix"] = cells
        for group, attributes in (("row_attrs", rows), ("col_attrs", columns)):
            file.create_group(group)
            for name, values in attributes.items():
                file[f"{group}/{name}"] = [value.encode() for value in values]
        for group in ("attrs", "layers", "row_graphs", "col_graphs"):
            file.create_group(group)


def write_reads(directory: Path, mark: str) -> None:
    sam = directory / f"{mark}.sam"
    sam.write_text(
        f"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:{CHROMOSOME}\tLN:1000\n@RG\tID:{mark}\tSM:sample-{mark}-1\n"
        f"{mark}-read\t0\t{CHROMOSOME}\t5\t30\t4M\t*\t0\t0\tACGT\tIIII\tRG:Z:{mark}\n"
    )
    run("samtools", "view", "--no-PG", "-b", "-o", directory / f"{mark}.bam", sam)
    run("samtools", "index", directory / f"{mark}.bam")
    sam.unlink()
    vcf = directory / f"{mark}.vcf"
    header = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", f"sample-{mark}-1"])
    vcf.write_text(
        f"##fileformat=VCFv4.2\n##contig=<ID={CHROMOSOME},length=1000>\n"
        f'##FORMAT=<ID=GT,Number=1,Type=String,Description="G">\n{header}\n'
        f"{CHROMOSOME}\t9\t{mark}\tA\tC\t50\t.\t.\tGT\t0/1\n"
    )
    run("bgzip", "-f", vcf)
    run("tabix", "-p", "vcf", directory / f"{mark}.vcf.gz")


def own_sequence(mark: str) -> str:
    """Return letters that only the genome of a mark has."""
    return "".join(random.Random(mark).choices("ACGT", k=90))


def write_genome(data: Path, mark: str, access: Any) -> None:
    """Import a genome of a sequence of its own, and one that all have."""
    fasta = data / f"{mark}.fa"
    fasta.write_text(f">chr-{mark} {mark}\n{own_sequence(mark)}\n>shared\n{SHARED_SEQUENCE}\n")
    annotation = data / f"{mark}.gff3"
    annotation.write_text(
        "##gff-version 3\n"
        f"chr-{mark}\tx\tgene\t1\t60\t.\t+\t.\tID=gene:gene-{mark}-1;Name=SYM{mark.upper()}1;gene_id=gene-{mark}-1\n"
    )
    request = GenomeRequest(
        sources=(fasta,),
        data=data,
        id=f"g-{mark}",
        name=f"{mark} name",
        assembly=f"GCA_{mark}",
        scientific_name=f"{mark} sapiens",
        common_name=f"{mark} animal",
        taxonomy_id=TAXA[mark],
        annotation=annotation,
    )
    run_genome_import(request, lambda _: None)
    path = data / "genomes" / f"g-{mark}" / "genome.yaml"
    content = yaml.safe_load(path.read_text())
    dump(path, {**content, "taxonomy_id": str(content["taxonomy_id"]), "access": access, "tags": [f"{mark}-tag"]})
    fasta.unlink()
    annotation.unlink()


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def secrets_of(place: Place, view: View) -> Iterator[str]:
    """Yield texts by which something of a place would be given away: its mark, numbers, digests, ids of files.

    The view is that of an operator.
    """
    yield place.mark
    number = 1 + PLACES.index(place)
    yield from (f"{start}{number}" for start in ("765430", "865430"))
    if place.mark in ("zqgx", "zqex"):
        letters = own_sequence(place.mark)
        collection = view.stores.open_genome(view.catalog.genomes[f"g-{place.mark}"]).collection()
        yield from (letters, str(TAXA[place.mark]), collection.digest)
        yield from (collection.digests["names"], collection.digests["sequences"])
        for kind in (hashlib.md5, hashlib.sha1):
            yield kind(letters.encode()).hexdigest()
        yield base64.urlsafe_b64encode(hashlib.sha512(letters.encode()).digest()[:24]).decode()
    for id, study in view.catalog.bundles.items():
        if study.id == f"s-{place.mark}":
            yield id
    for file in view.catalog.files.values():
        if file.path.name.startswith(place.mark):
            yield file.id
        if file.path.name.startswith(place.mark) and file.kind != "index":  # of which several are alike
            content = file.path.read_bytes()
            yield from (hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest())
            yield base64.b64encode(hashlib.md5(content).digest()).decode()
