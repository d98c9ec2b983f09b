"""Updates of a session: merged over what is present, and refused where they are too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from antiphon.text.json_size import MOST_CHARACTERS, MOST_DEPTH, MOST_VALUES
from antiphon.wire.realtime_session import AudioPcm, FunctionTool, Prompt, Reasoning, Tracing


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(("update", "present", "merged"), [
    (Tracing(group_id="g"), None, Tracing(group_id="g")),
    (Tracing(group_id="g"), Tracing(workflow_name="w"), Tracing(workflow_name="w", group_id="g")),
    (Tracing(), Tracing(workflow_name="w"), Tracing(workflow_name="w")),
    (Tracing(workflow_name=None), Tracing(workflow_name="w", group_id="g"), Tracing(group_id="g")),
    (Tracing(workflow_name="new"), Tracing(workflow_name="w"), Tracing(workflow_name="new")),
    (Reasoning(effort=None), None, Reasoning()),
])  # fmt: skip
def test_absent_fields_stay_and_a_null_clears(update: Any, present: Any, merged: Any) -> None:
    assert update.over(present) == merged


def test_an_update_of_another_kind_starts_anew() -> None:
    update: Any = Reasoning(effort="low")
    assert update.over(Tracing(workflow_name="w")) == Reasoning(effort="low")


def test_what_is_not_set_is_not_echoed() -> None:
    assert msgspec.to_builtins(Tracing(workflow_name=None, group_id="g").over()) == {"group_id": "g"}


@pytest.mark.parametrize("rate", [UNSET, None, 24_000])
def test_the_rate_of_pcm_is_always_echoed(rate: Any) -> None:
    assert AudioPcm(rate=rate).rate == 24_000


BIG: dict[str, dict[str, Any]] = {
    "values": {str(number): number for number in range(MOST_VALUES)},
    "depth": nested(MOST_DEPTH + 1),
    "characters": {"a": "x" * (MOST_CHARACTERS + 1)},
}


TAKERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "parameters": lambda value: FunctionTool("f", parameters=value),
    "metadata": lambda value: Tracing(metadata=value),
    "variables": lambda value: Prompt("p", variables=value),
}


@pytest.mark.parametrize("too_much", sorted(BIG))
@pytest.mark.parametrize("field", sorted(TAKERS))
def test_an_oversized_value_is_refused_by_the_name_of_its_field(field: str, too_much: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: the value has "):
        TAKERS[field](BIG[too_much])


def test_an_unknown_field_of_an_update_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `efort`"):
        msgspec.convert({"efort": "low"}, Reasoning)
