"""Holds every event of the dubbing door against our own types, their JSON Schema, and the contract of the field."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema
import msgspec
from jsonschema.protocols import Validator

from antiphon.wire import dubbing_client
from antiphon.wire.dubbing_server import EVENTS
from tests.contract.recorder import ContractError, nulls

FOLDER = Path(__file__).resolve().parent / "golden" / "dubbing"
Direction = Literal["client", "server"]

KINDS: dict[Direction, dict[str, type[msgspec.Struct]]] = {"client": dubbing_client.EVENTS, "server": EVENTS}

MAX_BYTES = 4 * 2**20
"""Published Python clients refuse longer messages."""


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


_TEXT = {"type": "string"}
_NAME = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_NUMBER = {"type": "number", "minimum": 0}
_OBJECT = {"type": "object"}
_STAGE = {"enum": ["asr", "translation", "tts"]}
_AUDIO = _object(
    {
        "format": {"enum": ["m4a", "pcm_s16le", "pcm_f32le"]},
        "sample_rate_hz": {"type": "integer", "minimum": 8000, "maximum": 96000},
        "channels": {"enum": [1, 2]},
        "duration_ms": {"type": "integer", "minimum": 0, "maximum": 61_000},
        "data_base64": _NAME,
    }
)
_FAILURE = _object({"stage": _STAGE, "code": _NAME, "message": _NAME, "retryable": _FLAG})
_LENGTHS = {
    "original_duration_ms": _COUNT,
    "dubbed_duration_ms": _COUNT,
    "duration_variance_percent": _NUMBER,
    "speed_ratio": {"type": "number", "minimum": 0.5, "maximum": 2.0},
}
_MODELS = ("asr_model", "translation_model", "tts_model")
_METADATA = _object(_LENGTHS, dict.fromkeys(_MODELS, _NAME))
_BREAKDOWN = _object({name: {"type": "object", "additionalProperties": _COUNT} for name in ("by_stage", "by_code")})
_COUNTS = {
    "total_fragments": _COUNT,
    "success_count": _COUNT,
    "partial_count": _COUNT,
    "failed_count": _COUNT,
    "avg_processing_time_ms": _NUMBER,
    "p95_processing_time_ms": _NUMBER,
    "error_breakdown": _BREAKDOWN,
}
_SERVER_CAPABILITIES = _object({"batch_processing": _FLAG, "async_delivery": _FLAG})


def _with_status(status: str, **then: Any) -> dict[str, Any]:
    return {"if": {"properties": {"status": {"const": status}}}, "then": then}


CONTRACT: dict[str, dict[str, Any]] = {
    "stream:ready": _object(
        {
            "stream_id": _NAME,
            "session_id": {
                "type": "string",
                "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            },
            "max_inflight": {"type": "integer", "minimum": 1, "maximum": 10},
            "capabilities": {"anyOf": [{"type": "array", "items": _NAME, "minItems": 1}, _SERVER_CAPABILITIES]},
        },
        {"server_capabilities": _SERVER_CAPABILITIES},
    ),
    "fragment:ack": _object(
        {
            "fragment_id": _NAME,
            "status": {"enum": ["queued", "processing"]},
            "timestamp": {"type": "integer", "minimum": 1_600_000_000_000},
            "queue_position": _COUNT,
            "estimated_completion_ms": _COUNT,
        }
    ),
    "fragment:processed": {
        **_object(
            {
                "fragment_id": _NAME,
                "stream_id": _NAME,
                "sequence_number": _COUNT,
                "status": {"enum": ["success", "partial", "failed"]},
                "processing_time_ms": _COUNT,
                "stage_timings": _object({"asr_ms": _COUNT, "translation_ms": _COUNT, "tts_ms": _COUNT}),
            },
            {
                "metadata": _METADATA,
                "dubbed_audio": _AUDIO,
                "transcript": _TEXT,
                "translated_text": _TEXT,
                "error": _FAILURE,
                "warnings": {"type": "array", "items": _NAME},
            },
        ),
        "allOf": [
            _with_status(
                "success",
                required=["dubbed_audio", "transcript", "translated_text", "metadata"],
                properties={"error": False, "metadata": {"required": list(_MODELS)}},
            ),
            _with_status(
                "partial",
                required=["dubbed_audio", "transcript", "translated_text", "metadata", "error"],
                properties={"metadata": {"required": list(_MODELS)}},
            ),
            _with_status("failed", required=["error"], properties={"dubbed_audio": False}),
        ],
    },
    "backpressure": {
        **_object(
            {
                "stream_id": _NAME,
                "severity": {"enum": ["low", "medium", "high"]},
                "action": {"enum": ["none", "slow_down", "pause"]},
                "current_inflight": _COUNT,
                "max_inflight": {"type": "integer", "minimum": 1, "maximum": 10},
                "queue_depth": _COUNT,
                "threshold_exceeded": {"enum": ["medium", "high", None]},
            },
            {"recommended_delay_ms": {"type": "integer", "minimum": 1}},
        ),
        "if": {"properties": {"severity": {"const": "low"}}},
        "then": {"properties": {"threshold_exceeded": {"const": None}}},
        "else": {"properties": {"threshold_exceeded": {"enum": ["medium", "high"]}}},
    },
    "stream:complete": _object(
        {"stream_id": _NAME, "total_duration_ms": _COUNT, **_COUNTS, "statistics": _object(_COUNTS)}
    ),
    "error": _object(
        {
            "code": {"type": "string", "pattern": "^[A-Z_]+$"},
            "message": _NAME,
            "retryable": _FLAG,
            "severity": {"enum": ["warning", "error", "fatal"]},
            "error_id": _NAME,
        },
        {"stream_id": _NAME, "fragment_id": _NAME, "stage": _STAGE, "details": _OBJECT, "metadata": _OBJECT},
    ),
    "config:error_simulation:ack": _object(
        {"status": {"enum": ["accepted", "rejected"]}, "rules_count": _COUNT},
        {"message": _NAME, "error_message": _NAME},
    ),
    "simulate:disconnect:ack": _object(
        {"status": {"const": "scheduled"}, "disconnect_at_ms": _COUNT, "message": _NAME}
    ),
}
"""What workers in the field rely on: fields that must be there, and the types of all. More fields may be there."""


def names(direction: Direction) -> list[str]:
    """Return the names of all goldens: ``stream.ready`` or ``stream.ready~variant``, a dot for each colon."""
    return sorted(path.stem for path in (FOLDER / direction).glob("*.json"))


def event_of(golden: str) -> str:
    """Return the event that a golden belongs to."""
    return golden.partition("~")[0].replace(".", ":")


def golden(direction: Direction, name: str) -> dict[str, Any]:
    """Return a golden's value."""
    return json.loads((FOLDER / direction / f"{name}.json").read_bytes())


def check_dubbing_event(name: str, payload: Any) -> None:
    """Raise `ContractError` unless an event that the server sent keeps the whole contract."""
    if name not in EVENTS:
        raise ContractError(f"there is no event '{name}'")
    found = [
        *_own_type(name, payload),
        *(f"our schema: {error.json_path} {error.message}" for error in own_schema(name).iter_errors(payload)),
        *(f"the field's: {error.json_path} {error.message}" for error in field_schema(name).iter_errors(payload)),
        *(f"{path} is null" for path in nulls(payload) if not may_be_null(payload, path)),
    ]
    if len(json.dumps(payload)) > MAX_BYTES:
        found.append("is longer than 4 MiB")
    if found:
        raise ContractError(f"{name}: {'; '.join(found)[:2000]}\n{json.dumps(payload, indent=2)[:2000]}")


def may_be_null(payload: Any, path: str) -> bool:
    """Say whether a field is null where it has to be: in a window that is not full."""
    return path == "threshold_exceeded" and payload.get("severity") == "low"


def _own_type(name: str, payload: Any) -> list[str]:
    try:
        known = json.loads(msgspec.json.encode(msgspec.convert(payload, EVENTS[name])))
    except msgspec.ValidationError as error:
        return [f"does not fit our own type: {error}"]
    return [] if known == payload else [f"holds fields that our own type does not have, or lacks some: {known}"]


@cache
def own_schema(name: str) -> Validator:
    """Return the JSON Schema that is generated from the type of a server event."""
    return jsonschema.Draft202012Validator(msgspec.json.schema(EVENTS[name]))


@cache
def field_schema(name: str) -> Validator:
    """Return what the field relies on, as a JSON Schema."""
    return jsonschema.Draft202012Validator(CONTRACT[name])
