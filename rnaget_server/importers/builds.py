"""The assembly that a table of features is on: by the header of an annotation, or by where known genes lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.text.columns import ColumnValues, plain
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.sequences.genes import split_version

_HEADER_LINES = 100
_BUILD = re.compile(r"^#[#!]?\s*(?:genome-build|genome-version|genome_build|assembly)[\s:=]+(?:NCBI\s+)?(\S+)", re.I)
_DESCRIPTION = re.compile(r"^##\s*description:.*\(([A-Za-z]+\d+)[^)]*\)", re.I)
_FAMILY = re.compile(r"([a-z]+)(\d+)")
# Other names of assemblies, without versions of patches.
_ALIASES = {
    **{"hg18": "ncbi36", "hg19": "grch37", "hg38": "grch38", "b37": "grch37", "hs37d5": "grch37", "hs37": "grch37"},
    **{"g1k_v37": "grch37", "human_g1k_v37": "grch37", "b38": "grch38", "hs38": "grch38", "hs38dh": "grch38"},
    **{"mm8": "ncbim36", "mm9": "ncbim37", "mm10": "grcm38", "mm39": "grcm39", "rn6": "rnor_6", "rn7": "mratbn7"},
    **{"hs1": "t2t-chm13v2", "saccer3": "r64-1-1", "danrer10": "grcz10", "danrer11": "grcz11"},
    **{"dm3": "bdgp5", "dm6": "bdgp6", "ce10": "wbcel215", "ce11": "wbcel235"},
}
_SHOWN = {"grch37": "GRCh37 (hg19)", "grch38": "GRCh38 (hg38)", "ncbi36": "NCBI36 (hg18)"}
_SHOWN |= {"grcm38": "GRCm38 (mm10)", "grcm39": "GRCm39 (mm39)"}
_SPECIES = ({"ncbi36", "grch37", "grch38", "t2t-chm13v2"}, {"ncbim36", "ncbim37", "grcm38", "grcm39"})
_KNOWN = frozenset(name for species in _SPECIES for name in species)
# Where genes begin and end that lie elsewhere in each assembly; of one species, and by symbol or id of Ensembl.
_LANDMARKS: tuple[tuple[tuple[str, str], dict[str, tuple[int, int]]], ...] = (
    (("TSPAN6", "ENSG00000000003"), {"grch37": (99883667, 99894988), "grch38": (100627109, 100639991)}),
    (("TNMD", "ENSG00000000005"), {"grch37": (99839799, 99854882), "grch38": (100584802, 100599885)}),
    (("DPM1", "ENSG00000000419"), {"grch37": (49551404, 49575092), "grch38": (50934867, 50958555)}),
    (("FGR", "ENSG00000000938"), {"grch37": (27938575, 27961788), "grch38": (27612064, 27635277)}),
    (("FUCA2", "ENSG00000001036"), {"grch37": (143815948, 143832827), "grch38": (143494811, 143511690)}),
    (("GCLC", "ENSG00000001084"), {"grch37": (53362139, 53481768), "grch38": (53497341, 53616970)}),
    (("NFYA", "ENSG00000001167"), {"grch37": (41040684, 41067715), "grch38": (41072945, 41099976)}),
    (("TP53", "ENSG00000141510"), {"grch37": (7565097, 7590856), "grch38": (7661779, 7687550)}),
    (("PTEN", "ENSG00000171862"), {"grch37": (89622870, 89731687), "grch38": (87863113, 87971930)}),
    (("BRCA2", "ENSG00000139618"), {"grch37": (32889611, 32973805), "grch38": (32315086, 32400268)}),
    (("Gnai3", "ENSMUSG00000000001"), {"grcm38": (108107280, 108146146), "grcm39": (108014596, 108053462)}),
    (("Cdc45", "ENSMUSG00000000028"), {"grcm38": (18780447, 18811987), "grcm39": (18599197, 18630737)}),
    (("Apoh", "ENSMUSG00000000049"), {"grcm38": (108343354, 108414396), "grcm39": (108234180, 108305222)}),
    (("Pbsn", "ENSMUSG00000000003"), {"grcm38": (77837901, 77853623), "grcm39": (76881507, 76897229)}),
)
_BY_NAME = {name: places for names, places in _LANDMARKS for name in names}
_STARTS = frozenset({"start", "genestart", "genestartbp", "startposition", "txstart", "chromstart", "startpositionbp"})
_ENDS = frozenset({"end", "geneend", "geneendbp", "endposition", "txend", "chromend", "stop", "endpositionbp"})
_LEAST = 2


def assembly_of_header(path: Path) -> str | None:
    """Return the assembly that the comments of an annotation name; None if they name none."""
    try:
        with TextLines(path) as lines:
            head = lines.peek(_HEADER_LINES)
    except (OSError, ImportFailure):  # what reads the table says so
        return None
    for line in head[:_HEADER_LINES]:
        if not line.startswith(b"#"):
            break
        text = line.decode("utf-8", "replace")
        found = _BUILD.match(text) or _DESCRIPTION.match(text)
        if found is not None:
            return found[1].strip("();,")
    return None


def assembly_of_genes(columns: Mapping[str, Sequence[str] | ColumnValues], id: str, name: str | None) -> str | None:
    """Return the assembly in which known genes lie where the columns of features say; None if that is in doubt."""
    starts, ends = ([key for key in columns if plain(key) in known] for known in (_STARTS, _ENDS))
    if not starts or not ends:
        return None
    votes: dict[str, int] = {}
    seen = 0
    for at, names in enumerate(zip(*(columns[key] for key in (id, name) if key is not None), strict=True)):
        places = next((_BY_NAME[bare] for text in names if (bare := split_version(str(text))[0]) in _BY_NAME), None)
        if places is None:
            continue
        place = _number(columns[starts[0]][at]), _number(columns[ends[0]][at])
        fitting = [assembly for assembly, known in places.items() if place[0] <= known[1] and place[1] >= known[0]]
        seen += 1
        for assembly in fitting if len(fitting) == 1 else ():
            votes[assembly] = votes.get(assembly, 0) + 1
    best = max(votes, key=lambda assembly: votes[assembly], default=None)
    return best if best is not None and votes[best] >= _LEAST and votes[best] > seen / 2 else None


def remarks_on_builds(genome: str | None, said: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """Return a warning of features on another assembly than the genome, or on two, if they are.

    Parameters
    ----------
    genome
        That of the study; None if it names none.
    said
        What says which assembly the features are on (words for a message), and which.
    """
    evidence = [("the genome of the study is", genome), *said]
    for number, (words, assembly) in enumerate(evidence):
        for others, other in evidence[number + 1 :]:
            if assembly and other and _differ(_canonical(assembly), _canonical(other)):
                return (
                    f"warning: mixed genome builds: {words} {_shown(assembly)}, and {others} {_shown(other)}: take the "
                    "table of features of the genome that was used for the matrix",
                )
    return ()


def _shown(assembly: str) -> str:
    return _SHOWN.get(_canonical(assembly), shown(assembly))


def _canonical(name: str) -> str:
    """Return the name of an assembly in lower case, without its patches, in one spelling."""
    bare = re.sub(r"\.(?:p\d+|\d+)$", "", name.strip().lower())
    family = _FAMILY.match(bare)  # of hg38_noalt and GRCh38-2020-A as well
    known = next((form for form in (bare, family[0] if family else "") if form in _ALIASES or form in _KNOWN), bare)
    return _ALIASES.get(known, known)


def _differ(first: str, second: str) -> bool:
    """Return whether two names are certainly of two assemblies."""
    if first == second:
        return False
    if any({first, second} <= species for species in _SPECIES):
        return True
    families = [_FAMILY.match(name) for name in (first, second)]
    if families[0] is None or families[1] is None:
        return False
    if families[0][1] != families[1][1]:
        return {first, second} <= _KNOWN
    return families[0][2] != families[1][2]


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
