"""The ``intent`` in the address of a WebSocket: which kind of session its client means."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.errors import InvalidRequest
from antiphon.text.quoting import quoted


def intent_of(query: Mapping[str, list[str]], *known: str) -> str:
    """Return the one of the ``known`` intents that an address names, the first where it names none.

    Raises `InvalidRequest` for another, and for two that differ.
    """
    asked = sorted({*query.get("intent", known[:1])})
    wrong = next((one for one in asked if one not in known), asked[0] if len(asked) > 1 else None)
    if wrong is not None:
        there = " or ".join(map(quoted, known))
        raise InvalidRequest(f"Invalid intent {quoted(wrong)} here: give {there}, or none.", param="intent")
    return asked[0]
