"""Every event of dubbing has a golden file, and means the same to us, to our published schema and to the field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from antiphon.dubbing.codes import NATURES
from antiphon.wire.dubbing_client import parse
from antiphon.wire.dubbing_server import EVENTS
from tests.contract import dubbing
from tests.contract.dubbing import CONTRACT, KINDS, Direction, check_dubbing_event, event_of, golden, may_be_null
from tests.contract.recorder import ContractError

CLIENT = dubbing.names("client")
SERVER = dubbing.names("server")
BOTH: list[tuple[Direction, str]] = [*(("client", name) for name in CLIENT), *(("server", name) for name in SERVER)]
REFERENCE = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "reference" / "dubbing-schema.json").read_text("utf-8")
)

RETRYABLE = {
    "BACKPRESSURE_EXCEEDED", "RATE_LIMIT", "TIMEOUT", "MODEL_ERROR", "RATE_LIMIT_EXCEEDED",
    "TRANSLATION_API_UNAVAILABLE",
}  # fmt: skip
FINAL = {
    "AUTH_FAILED", "STREAM_NOT_FOUND", "INVALID_CONFIG", "INVALID_VOICE_PROFILE", "UNSUPPORTED_LANGUAGE",
    "FRAGMENT_TOO_LARGE", "INVALID_SEQUENCE", "INVALID_AUDIO_FORMAT", "STREAM_PAUSED", "ASR_FAILED",
    "TRANSLATION_FAILED", "TTS_SYNTHESIS_FAILED", "DURATION_MISMATCH", "DURATION_MISMATCH_EXCEEDED",
}  # fmt: skip
WARNINGS = {"STREAM_PAUSED", "BACKPRESSURE_EXCEEDED", "RATE_LIMIT"}
"""What workers in the field take each code for."""


# -- the files -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("direction", ["client", "server"])
def test_every_event_has_a_golden_and_every_golden_is_an_event(direction: Direction) -> None:
    assert {event_of(name) for name in dubbing.names(direction)} == set(KINDS[direction])


@pytest.mark.parametrize("direction", ["client", "server"])
def test_every_field_of_every_object_stands_in_a_golden(direction: Direction) -> None:
    shown: dict[str, set[str]] = {}
    for name in dubbing.names(direction):
        _note(
            msgspec.convert(golden(direction, name), KINDS[direction][event_of(name)]), golden(direction, name), shown
        )
    _, schemas = msgspec.json.schema_components(KINDS[direction].values())
    missing = {name: set(schema["properties"]) - shown.get(name, set()) for name, schema in schemas.items()}
    assert not {name: fields for name, fields in missing.items() if fields}


def _note(value: Any, plain: Any, shown: dict[str, set[str]]) -> None:
    """Note which fields of which struct a golden has."""
    if isinstance(value, msgspec.Struct):
        for name, inside in plain.items():
            shown.setdefault(type(value).__name__, set()).add(name)
            _note(getattr(value, name), inside, shown)
    elif isinstance(value, list | tuple):
        for one, inside in zip(value, plain, strict=True):
            _note(one, inside, shown)


# -- what a worker sends -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CLIENT)
def test_what_a_worker_sends_is_read_whole_and_unknown_fields_are_ignored(name: str) -> None:
    payload, kind = golden("client", name), KINDS["client"][event_of(name)]
    read = parse(payload, kind)
    assert parse({**payload, "added_later": 1}, kind) == read
    back = json.loads(msgspec.json.encode(read))
    assert {key: _pruned(value) for key, value in back.items() if key in payload} == _pruned(payload)


def _pruned(value: Any) -> Any:
    """Leave out what an absent field is read as, so that a golden without it compares equal."""
    if isinstance(value, dict):
        return {name: _pruned(inside) for name, inside in value.items() if inside is not None and name != "stage"}
    return [_pruned(inside) for inside in value] if isinstance(value, list) else value


# -- what it is sent ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SERVER)
def test_what_a_worker_is_sent_keeps_the_whole_contract(name: str) -> None:
    payload, kind = golden("server", name), EVENTS[event_of(name)]
    check_dubbing_event(event_of(name), payload)
    assert json.loads(msgspec.json.encode(msgspec.convert(payload, kind))) == payload


def _places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, inside in value.items():
            yield (*path, name)
            yield from _places(inside, (*path, name))


def _changed(payload: dict[str, Any], path: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy, and the object in it that holds the last name of ``path``."""
    inside = whole = copy.deepcopy(payload)
    for step in path[:-1]:
        inside = inside[step]
    return whole, inside


FIELDS = [(name, path) for name in SERVER for path in _places(golden("server", name))]


@pytest.mark.parametrize("name", SERVER)
def test_a_null_anywhere_breaks_the_contract(name: str) -> None:
    payload = golden("server", name)
    for path in (path for where, path in FIELDS if where == name and not may_be_null(payload, ".".join(path))):
        payload, inside = _changed(golden("server", name), path)
        inside[path[-1]] = None
        with pytest.raises(ContractError, match="null"):
            check_dubbing_event(event_of(name), payload)


@pytest.mark.parametrize("name", SERVER)
def test_a_field_that_the_field_relies_on_may_not_be_missing(name: str) -> None:
    for field in CONTRACT[event_of(name)]["required"]:
        payload = golden("server", name)
        del payload[field]
        with pytest.raises(ContractError, match=field):
            check_dubbing_event(event_of(name), payload)


@pytest.mark.parametrize("event", CONTRACT)
def test_what_the_field_relies_on_is_a_part_of_our_own_types(event: str) -> None:
    assert set(CONTRACT) == set(EVENTS)
    fields = set(EVENTS[event].__struct_fields__)
    assert set(CONTRACT[event]["properties"]) <= fields


@pytest.mark.parametrize(("direction", "name"), BOTH)
def test_an_event_is_valid_by_the_published_schema(direction: Direction, name: str) -> None:
    schema = {**REFERENCE[direction][event_of(name)], "$defs": REFERENCE["$defs"]}
    assert not list(jsonschema.Draft202012Validator(schema).iter_errors(golden(direction, name)))


# -- codes -------------------------------------------------------------------------------------------------------------
def test_every_code_says_rightly_whether_it_may_be_tried_again_and_how_bad_it_is() -> None:
    assert set(NATURES) == RETRYABLE | FINAL
    for code, nature in NATURES.items():
        severity = "fatal" if code == "AUTH_FAILED" else "warning" if code in WARNINGS else "error"
        assert (nature.retryable, nature.severity) == (code in RETRYABLE, severity), code
