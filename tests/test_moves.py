"""A request is answered by few files: whoever reads what happens to it need not turn many pages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.moves import trace_one_gene
from tests.conftest import ROOT

# Half of them are between the layers that data pass through: HTTP, query, slicing, guarded store, file, writer,
# delivery. Three lead to the notes that are taken of a request, and one more to who may see what. A new step has to
# save another one.
MOST_MOVES = 60


def test_a_request_of_one_gene_moves_between_few_files(tmp_path: Path) -> None:
    trace = trace_one_gene(tmp_path)
    moves = [function for function, is_move in trace.entered if is_move]
    assert 30 < trace.moves <= MOST_MOVES, moves
    assert f" moves {trace.moves} times " in (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert moves[0].startswith("http/") and len(trace.entered) > trace.moves
