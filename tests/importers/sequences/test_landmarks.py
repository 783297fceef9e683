"""Lines of an annotation that describe a whole sequence: its length, and whether it is circular."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.importers.sequences.annotated import gene_of, run_import, store_of

GENOME = {"chr1": "ACGT" * 25, "chrM": "GATTA" * 12}
GENE = "chr1 x gene 5 20 . + . ID=gene:G1\n"


@pytest.mark.parametrize(
    ("type", "attributes"),
    [
        ("chromosome", "ID=chromosome:chr1"),
        ("chromosome", "ID=one;Name=1"),
        ("chromosome", "."),
        ("region", "ID=chr1:1..{};Dbxref=taxon:4932;gbkey=Src;genome=chromosome"),
        ("region", "ID=id0;Dbxref=taxon:4932;gbkey=Src"),
        ("region", "ID=chr1:1..{}"),
        ("region", "ID=chr1;Is_circular=true"),
        ("contig", "ID=chr1;Name=chr1"),
        ("supercontig", "ID=supercontig:chr1"),
        ("scaffold", "ID=scaffold:chr1;Alias=x"),
        ("scaffold", "Is_circular=true;ID=other"),
    ],
)
@pytest.mark.parametrize("length", [99, 101, 9999])
@pytest.mark.parametrize("first", [True, False])
def test_another_length_is_another_assembly(
    type: str, attributes: str, length: int, first: bool, tmp_path: Path
) -> None:
    for stop in (length, 100):
        line = f"chr1 x {type} 1 {stop} . . . {attributes.format(stop)}\n"
        text = "##gff-version 3\n" + (line + GENE if first else GENE + line)
        data = tmp_path / str(stop)
        code, output = run_import(data, GENOME, text)
        if stop == 100:
            assert code == 0, output
            continue
        assert code == 1
        assert f"genes:{2 if first else 3}: chr1 has {length:,} bases here and 100 in the genome" in output
        assert not (data / "genomes").exists()


@pytest.mark.parametrize(
    "line",
    [
        "chr1 x contig 1 40 . + . ID=AL1.1",  # a piece of the assembly
        "chr1 x region 1 40 . + . ID=id-G1;gbkey=Region",
        "chr1 x region 3 40 . + . ID=chr1",
        "chr1 x biological_region 1 40 . + . ID=chr1",
        "chrUn x scaffold 1 40 . + . ID=scaffold:chrUn",  # without genes
    ],
)
def test_parts_of_a_sequence_and_others_pass(line: str, tmp_path: Path) -> None:
    code, output = run_import(tmp_path, GENOME, f"##gff-version 3\n{line}\n{GENE}")
    assert code == 0, output


@pytest.mark.parametrize("type", ["region", "chromosome", "contig", "supercontig", "scaffold"])
@pytest.mark.parametrize("key", ["Is_circular", "is_circular"])
def test_any_of_them_may_call_it_circular(type: str, key: str, tmp_path: Path) -> None:
    text = f"##gff-version 3\nchrM x {type} 1 60 . . . ID=other;{key}=true\nchrM x gene 51 70 . + . ID=gene:G1\n"
    store = store_of(tmp_path, GENOME, text)
    gene = gene_of(store, "G1")
    assert (gene.start, gene.stop, gene.circular) == (50, 70, True)


def test_a_length_by_an_alias(tmp_path: Path) -> None:
    names = tmp_path / "names.tsv"
    names.write_text("sequence\talias\tauthority\nchr1\tNC_1.1\trefseq\n")
    text = "##gff-version 3\nNC_1.1 x region 1 99 . . . ID=NC_1.1:1..99;gbkey=Src\n" + GENE.replace("chr1", "NC_1.1")
    code, output = run_import(tmp_path / "d", GENOME, text, "--aliases", str(names))
    assert code == 1 and "NC_1.1 has 99 bases here and 100 in the genome" in output
