"""Events are gone through before they are decoded: what they hold is counted, and audio taken out of its place."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.event_scan import MOST_TEXT, MOST_VALUES, Scan, TooMuch, needs_a_scan

SOUND = base64.b64encode(bytes(range(256)) * 400).decode()
MANY = MOST_VALUES + 2


def walked(scan: Scan) -> bytes:
    """What is left, in however many steps."""
    steps = scan.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def refused(text: str) -> TooMuch:
    with pytest.raises(TooMuch) as caught:
        walked(Scan(text.encode(), "@"))
    return caught.value


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(['\\"', "\\", '"', "[,{", "\\u0041"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=30,
    ),
    st.booleans(),
)
def test_what_is_small_passes_as_it_is(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode()
    scan = Scan(text, "@")
    assert walked(scan) == text
    assert not scan.taken


@given(st.text(max_size=200) | st.text('[]{},:"\\ax', max_size=50))
def test_what_is_no_json_passes_too(text: str) -> None:
    assert walked(Scan(text.encode(), "@")) == text.encode()


@pytest.mark.parametrize("space", ["", " "])
def test_audio_and_images_are_taken_out_wherever_they_lie(space: str) -> None:
    event = {
        "type": "conversation.item.create",
        "item": {
            "content": [{"audio": SOUND}, {"text": 'a, b [c] {d} \\ " é'}, {"image_url": SOUND}, {"audio": "AAAA"}]
        },
    }
    text = json.dumps(event, separators=("," + space, ":" + space)).encode()
    scan = Scan(text, "@token")
    left = json.loads(walked(scan))
    names = list(scan.taken)
    assert [bytes(taken).decode() for taken in scan.taken.values()] == [SOUND, SOUND]
    parts = left["item"]["content"]
    assert [parts[0]["audio"], parts[2]["image_url"]] == names
    assert (parts[1], parts[3]) == (event["item"]["content"][1], {"audio": "AAAA"})


@pytest.mark.parametrize(
    "escaped",
    [SOUND.replace("/", "\\/"), SOUND.replace("+", "\\u002B"), SOUND + '\\"', "\\" * 100_000, "\\u0041" * 100_000],
    ids=lambda text: text[-8:],
)
def test_audio_with_escapes_is_taken_out_with_them(escaped: str) -> None:
    scan = Scan(f'{{"audio":"{escaped}","next":1}}'.encode(), "@")
    assert json.loads(walked(scan)) == {"audio": "@:0", "next": 1}
    assert bytes(scan.taken["@:0"]).decode() == escaped


@pytest.mark.parametrize("text", [json.dumps({"text": SOUND}), json.dumps({"text": '"audio":"' + SOUND})])
def test_what_is_no_audio_stays(text: str) -> None:
    scan = Scan(text.encode(), "@")
    assert walked(scan) == text.encode()
    assert not scan.taken


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ('{"session":{"tools":[{},{"parameters":{"enum":[' + "1," * MANY, "session.tools[1].parameters"),
        ('{"session":{"tools":[{},{"parameters":{"a":{"parameters":[' + "1," * MANY, "session.tools[1].parameters"),
        ('{"session":{"tools":[' + "{}," * MANY, "session.tools"),
        ('{"event_id":"x","response":{"input":[' + '{"id":"x"},' * MANY, "response.input"),
        ('{"response":{"metadata":{' + '"a":"b",' * MANY, "response.metadata"),
        ('{"item":{"content":[{"text":"a"},{"text":"' + "x" * MOST_TEXT + '"}', "item.content[1].text"),
        ('{"item_id":"' + "x" * (MOST_TEXT + 1) + '"', "item_id"),
        ('{"item_id":"' + "\\n" * MOST_TEXT + '"', "item_id"),
        ('{"Not a field":{"a":[' + "1," * MANY, None),
        ('{"input":' * MANY, None),
        ("[" * MANY, None),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_is_too_much_is_refused_by_the_name_of_its_field(text: str, param: str | None) -> None:
    assert refused(text).param == param


def test_what_is_too_much_has_the_code_that_decoding_it_would_give() -> None:
    assert refused('{"session":' + "[" * MANY).code == "invalid_value"
    assert refused('{"a":' * MANY).code == "invalid_json"
    assert refused('{"item_id":"' + "x" * (MOST_TEXT + 1)).code == "string_above_max_length"


def test_texts_count_together_and_audio_does_not() -> None:
    half = "x" * (MOST_TEXT // 2)
    sound = SOUND * 20
    walked(Scan(json.dumps([{"audio": sound}, half, half[8:]]).encode(), "@"))
    assert refused(json.dumps({"content": [half, half[8:], "xx"]})).param == "content[2]"


@pytest.mark.parametrize(
    "text",
    [
        '{"audio":"' + SOUND.replace("/", "\\/") * 5 + '"}',
        '{"a":[' + '"",' * 100_000,
        '{"text":"' + "\\n" * 200_000 + '"}',
        '{"text":"' + '\\"a' * 200_000 + '"}',
        " " * 1_000_000,
        "\\" * 100_000,
        '"' * 100_000,
        '{"a":"' * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_every_text_is_gone_through_in_many_small_steps(text: str) -> None:
    begin, steps = time.thread_time(), 0
    try:
        for _ in Scan(text.encode(), "@").steps():
            steps += 1
    except TooMuch:
        pass
    assert steps * 256 * 2**10 >= len(text) - 256 * 2**10
    assert (time.thread_time() - begin) / (steps + 1) < 0.2, "a step takes about a millisecond"


def test_only_an_event_of_many_signs_needs_it() -> None:
    assert not needs_a_scan(json.dumps({"audio": SOUND}))
    assert not needs_a_scan("[1,2,3]")
    assert needs_a_scan("[" + "1," * MANY)
