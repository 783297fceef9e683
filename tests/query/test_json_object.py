"""Objects are read as json.loads reads them, piece by piece: nothing of any content holds the interpreter for long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import cache, partial

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


@cache
def _worst(size: int) -> dict[str, str]:
    return {
        "empty lists": '{"a":[' + "[]," * (size // 3) + "[]]}",
        "depth": '{"a":' + "[" * size,
        "short texts": '{"a":[' + '"ab",' * (size // 5) + '"c"]}',
        "escapes": '{"a":[' + '"\\n",' * (size // 5) + '"c"]}',
        "numbers": '{"a":[' + "1," * (size // 2) + "1]}",
        "one text": '{"a":"' + "x" * size + '"}',
        "one text of escapes": '{"a":"' + "\\u1234" * (size // 6) + '"}',
        "one whole number": '{"a":' + "9" * size + "}",
        "one number": '{"a":0.' + "9" * size + "}",
        "one name": "{" + '"a":1,' * (size // 6) + '"a":1}',
        "many names": "{" + ",".join(f'"{number:07d}":1' for number in range(size // 12)) + "}",
        "white space": '{"a":' + " " * size + "1}",
        "commas": '{"a":[' + "," * size + "]}",
    }


@pytest.mark.parametrize("size", [2 << 20, pytest.param(8 << 20, marks=pytest.mark.long)])
@pytest.mark.parametrize("content", _worst(0))
def test_no_content_holds_the_interpreter(content: str, size: int) -> None:
    """For the first of these json.loads takes half a second without a pause if it has 8 MiB.

    What a busy machine makes longer is tried again; what holds the interpreter does so each time.
    """
    clock = _clock_of_this_thread()
    for _ in range(3):
        began = clock()
        json.loads(_worst(size)["empty lists"])
        whole = clock() - began
        longest = _longest_pause(_worst(size)[content])
        if longest < whole / 2:
            return
    assert longest < whole / 2


def _longest_pause(text: str) -> float:
    """Return the longest time of work for which another thread had to wait while a text was read."""
    longest = 0.0
    stop, clock = threading.Event(), _clock_of_this_thread()

    def watch() -> None:
        nonlocal longest
        last = clock()
        while not stop.is_set():
            time.sleep(0.001)
            now = clock()
            longest, last = max(longest, now - last), now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        read_object(text, 500_000)
    except ValueError:
        pass
    finally:
        stop.set()
        thread.join()
    return longest


def _clock_of_this_thread() -> Callable[[], float]:
    """Return a function that gives, in any thread, how long this one has worked, or the time where nothing tells."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.perf_counter
    return partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
