from __future__ import annotations

import html

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.model.text import decode, encode, encode_all

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=30)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_text_comes_back_as_it_was(texts: list[str]) -> None:
    assert decode(encode_all(texts)).tolist() == texts


@given(TEXT)
def test_loompy_reads_the_same_text(text: str) -> None:
    assert html.unescape(encode(text).decode("ascii")) == text


def test_plain_ampersands_stay_for_readers_that_do_not_unescape() -> None:
    assert encode("R&D") == b"R&D"


def test_utf8_of_other_programs_is_read() -> None:
    assert decode(np.array(["β".encode()])).tolist() == ["β"]
