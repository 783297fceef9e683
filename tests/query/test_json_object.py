"""Objects are read as json.loads reads them, piece by piece: nothing of any content holds the interpreter for long."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.query.json_object import NestedValue, RepeatedName, TooManyValues, read_object

MANY = 1 << 24
single = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = single | st.lists(single, max_size=30) | st.dictionaries(st.text(max_size=5), single, max_size=30)
objects = st.dictionaries(st.text(max_size=5), values, max_size=30)


@given(objects, st.sampled_from([None, 1, "\t"]), st.booleans(), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_an_object_is_read_as_by_json(
    thing: dict[str, object], indent: None, ascii: bool, separators: tuple[str, str]
) -> None:
    text = json.dumps(thing, indent=indent, ensure_ascii=ascii, separators=separators)
    assert repr(read_object(text, MANY)) == repr(json.loads(text))


@given(objects, st.data())
def test_a_damaged_text_is_read_as_by_json_or_refused_by_both(thing: dict[str, object], data: st.DataObject) -> None:
    text = json.dumps(thing)
    at = data.draw(st.integers(0, len(text) - 1))
    text = (
        text[:at]
        + data.draw(st.sampled_from(["", ",", '"', "\\", "}", "]", "0", ":", "\x01", " ", "é"]))
        + text[at + 1 :]
    )
    try:
        expected = repr(json.loads(text, object_pairs_hook=_once))
    except ValueError:
        with pytest.raises(ValueError):
            read_object(text, MANY)
        return
    try:
        assert repr(read_object(text, MANY)) == expected
    except (NestedValue, json.JSONDecodeError):
        assert not isinstance(json.loads(text), dict)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": [[]]}', NestedValue),
        ('{"a": [1, 2, {}]}', NestedValue),
        ('{"a": {"b": []}}', NestedValue),
        ('{"a": 1, "b": 2, "a": 3}', RepeatedName),
        ('{"a": {"b": 1, "b": 2}}', RepeatedName),
        ('{"a": [1, 2, 3], "b": 4}', TooManyValues),
        ("", json.JSONDecodeError),
        ('{"a": [1,]}', json.JSONDecodeError),
        ('{"a": 1,}', json.JSONDecodeError),
        ('{"a": 1} 2', json.JSONDecodeError),
        ('{"a": 01}', json.JSONDecodeError),
    ],
)
def test_what_is_not_of_the_form_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_object(text, 4)


SIZE = 8 << 20
WORST = {
    "empty lists": '{"a":[' + "[]," * (SIZE // 3) + "[]]}",
    "depth": '{"a":' + "[" * SIZE,
    "short texts": '{"a":[' + '"ab",' * (SIZE // 5) + '"c"]}',
    "escapes": '{"a":[' + '"\\n",' * (SIZE // 5) + '"c"]}',
    "numbers": '{"a":[' + "1," * (SIZE // 2) + "1]}",
    "one text": '{"a":"' + "x" * SIZE + '"}',
    "one text of escapes": '{"a":"' + "\\u1234" * (SIZE // 6) + '"}',
    "one whole number": '{"a":' + "9" * SIZE + "}",
    "one number": '{"a":0.' + "9" * SIZE + "}",
    "one name": "{" + '"a":1,' * (SIZE // 6) + '"a":1}',
    "many names": "{" + ",".join(f'"{number:07d}":1' for number in range(SIZE // 12)) + "}",
    "white space": '{"a":' + " " * SIZE + "1}",
    "commas": '{"a":[' + "," * SIZE + "]}",
}


@pytest.mark.parametrize("content", WORST)
def test_no_content_holds_the_interpreter(content: str) -> None:
    """For the first of these json.loads takes half a second without a pause, or more on a machine that is busy."""
    began = time.perf_counter()
    json.loads(WORST["empty lists"])
    whole = time.perf_counter() - began
    longest = 0.0
    stop = threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        read_object(WORST[content], 500_000)
    except ValueError:
        pass
    finally:
        stop.set()
        thread.join()
    assert longest < max(0.1, whole / 2)
