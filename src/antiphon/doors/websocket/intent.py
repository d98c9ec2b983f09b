"""The ``intent`` parameter of a WebSocket's URL: the kind of session that its client asks for."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.errors import InvalidRequest
from antiphon.text.quoting import quoted


def intent_of(query: Mapping[str, list[str]], *known: str) -> str:
    """Return the intent of a query, one of ``known``; the first of these is the default.

    Raises `InvalidRequest` for an unknown intent, and for two different ones.
    """
    asked = sorted({*query.get("intent", known[:1])})
    wrong = next((one for one in asked if one not in known), asked[0] if len(asked) > 1 else None)
    if wrong is not None:
        there = " or ".join(map(quoted, known))
        raise InvalidRequest(f"Invalid intent {quoted(wrong)} here: use {there}, or none.", param="intent")
    return asked[0]
