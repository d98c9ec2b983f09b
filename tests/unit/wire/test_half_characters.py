"""Half characters are found wherever they are, at a bounded cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.wire.half_characters import find_half, read, refusal_of

HALF = "a\ud800"


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(("value", "param"), [
    ({"type": HALF}, "type"),
    ({"item": {"content": [{"text": "x"}, {"text": HALF}]}}, "item.content[1].text"),
    ({"session": {HALF: 1}}, "session"),
    ({"audio": {"data_base64": HALF}}, "audio.data_base64"),
    ({"response": {"metadata": {"mine": HALF}}}, "response.metadata"),
    ({"x" * 100: HALF}, None),
    ({HALF: 1}, None),
    (HALF, None),
    (nested(HALF, 500), None),
])  # fmt: skip
def test_the_first_one_is_told_by_its_field(value: Any, param: str | None) -> None:
    names = find_half(read(json.dumps(value)))
    assert names is not None
    refusal = refusal_of(names)
    assert (refusal.code, refusal.param) == ("invalid_json", param)
    assert len(refusal.message) < 150


@pytest.mark.parametrize("value", [None, 1, "naïve 👍", {"a": ["é", {"b": "\\ud800"}]}])
def test_whole_texts_hold_none(value: Any) -> None:
    assert find_half(read(json.dumps(value))) is None


@pytest.mark.parametrize("text", ["", "{", "[NaN]", "[-Infinity]", "[" * 100_000, b"\xff"])
def test_what_is_no_json_is_nothing(text: str | bytes) -> None:
    assert read(text) is None


def test_names_of_many_values_that_lie_deep_are_not_kept() -> None:
    shallow = find_half(nested([*range(5_000), HALF], 5))
    deep = find_half(nested([*range(5_000), HALF], 500))
    assert shallow is not None
    assert deep is not None
    assert (len(shallow), len(deep)) == (6, 17)
