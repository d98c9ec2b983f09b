"""What becomes of every golden client event when one field is wrong: of another type, missing, or unknown.

``golden/refusals.json`` holds the answers; ``python -m tests.contract.refusal_table`` writes it anew, for a look at
the difference.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from antiphon.wire.event_decoder import BadEvent, EventDecoder
from tests.contract import goldens
from tests.contract.goldens import Direction

TABLE = goldens.FOLDER / "refusals.json"
FREE = ("parameters", "variables", "metadata")
"""Objects whose fields are the client's own."""
UNKNOWN = "surprise"
ACCEPTED = "accepted"

Table = dict[str, dict[str, str]]


def cases() -> list[tuple[Direction, str]]:
    """Return all golden client events."""
    directions: tuple[Direction, ...] = ("client", "translation/client")
    return [(direction, name) for direction in directions for name in goldens.names(direction)]


def observed(direction: Direction, name: str) -> dict[str, str]:
    """Return ``{"<what is wrong> <path>": "<code> <param>"}`` of one golden."""
    decoder = EventDecoder[Any](goldens.UNIONS[direction])
    return {wrong: answer(decoder, frame) for wrong, frame in variations(goldens.event(direction, name))}


def recorded() -> Table:
    """Return the golden table, by ``<direction>/<name>``."""
    return json.loads(TABLE.read_text("utf-8"))


def answer(decoder: EventDecoder[Any], frame: str) -> str:
    """Return the code and the param that a frame is refused with."""
    try:
        decoder.decode(frame)
    except BadEvent as bad:
        return f"{bad.code} {bad.param}"
    return ACCEPTED


def variations(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an event's wrong variants, each with its name."""
    for path in _objects(event, ()):
        changed = copy.deepcopy(event)
        _at(changed, path)[UNKNOWN] = 1
        yield f"unknown {_name((*path, UNKNOWN))}", json.dumps(changed)
        for name in _at(event, path):
            yield f"missing {_name((*path, name))}", _without(event, path, name)
            if _at(event, path)[name] is not None:
                yield f"mistyped {_name((*path, name))}", _mistyped(event, path, name)


def _without(event: dict[str, Any], path: tuple[str | int, ...], name: str) -> str:
    changed = copy.deepcopy(event)
    del _at(changed, path)[name]
    return json.dumps(changed)


def _mistyped(event: dict[str, Any], path: tuple[str | int, ...], name: str) -> str:
    changed = copy.deepcopy(event)
    holder = _at(changed, path)
    holder[name] = [7] if not isinstance(holder[name], list) else {"a": 7}
    return json.dumps(changed)


def _objects(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every object whose fields are part of the protocol."""
    if isinstance(value, dict):
        yield path
        for name, inside in value.items():
            if name not in FREE and not (name == "tools" and "server_label" in value):
                yield from _objects(inside, (*path, name))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _objects(inside, (*path, index))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _name(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


if __name__ == "__main__":
    table = {f"{direction}/{name}": observed(direction, name) for direction, name in cases()}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
