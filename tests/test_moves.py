"""A request is answered by few files: whoever reads what happens to it need not turn many pages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.moves import trace_one_gene

# 58 when it was written, of which half are between the layers that data pass through: HTTP, query, slicing, guarded
# store, file, writer, delivery. Two more are allowed for a step that has to be.
MOST_MOVES = 60


def test_a_request_of_one_gene_moves_between_few_files(tmp_path: Path) -> None:
    trace = trace_one_gene(tmp_path)
    moves = [function for function, is_move in trace.entered if is_move]
    assert 30 < trace.moves <= MOST_MOVES, moves
    assert moves[0].startswith("http/") and len(trace.entered) > trace.moves
