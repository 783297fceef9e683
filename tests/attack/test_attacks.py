"""Every attack in its short form; those whose rule other tests hold as well, without a server, in the long run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.base import Attack
from tests.attack.kinds import all_attacks
from tests.conftest import ROOT

_FILES, _TICKETS = "stores/test_hdf5_file.py", "delivery/test_tickets.py"
ELSEWHERE = {
    "truncated": (_FILES, "test_a_file_cut_off_in_place_is_an_error_and_not_the_end"),
    "replaced": (_FILES, "test_a_replaced_file_is_read_to_its_end"),
    "bombs_served": (_FILES, "test_shapes_that_take_no_disk_are_refused"),
    "overlong_chunk": (_FILES, "test_chunks_that_expand_to_more_than_they_have_are_refused"),
    "bombs_imported": ("importers/test_hostile.py", "test_a_table_without_end_is_refused"),
    "foreign_served": (_FILES, "test_what_leads_out_of_the_file_is_refused_by_name"),
    "foreign_imported": ("importers/test_hostile.py", "test_external_storage_is_named_at_import_and_by_check"),
    "foreign_later": (_FILES, "test_a_file_written_over_is_not_taken_for_the_one_that_was_opened"),
    "foreign_numbers": (_FILES, "test_whole_numbers_beyond_float64_are_refused"),
    "posted_to_signed": (_TICKETS, "test_a_body_beside_a_ticket_is_refused"),
    "chosen_expiry": (_TICKETS, "test_nothing_is_copied_of_the_signature_that_somebody_gives"),
    "hostile_hosts": ("http/test_connection.py", "test_what_is_no_host_is_refused"),
    "traversal": ("apis/rnaget/test_refusals.py", "test_nothing_outside_of_the_catalogue_is_sent"),
    "killed_imports": ("importers/test_killed.py", "test_imports_killed_at_five_moments_leave_the_catalogue_as_it_was"),
}
"""The attacks that the normal run leaves out, each with a test of the same rule that is in it."""

ATTACKS = [
    pytest.param(one, id=one.name, marks=pytest.mark.long if one.name in ELSEWHERE else ()) for one in all_attacks()
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_server_holds(attack: Attack, tmp_path: Path) -> None:
    assert attack.run(tmp_path, True)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_left_out_is_tested_elsewhere(name: str) -> None:
    path, test = ELSEWHERE[name]
    assert name in {one.name for one in all_attacks()}
    assert f"\ndef {test}(" in (ROOT / "tests" / path).read_text(encoding="utf-8")
