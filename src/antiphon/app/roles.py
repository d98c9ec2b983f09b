"""Which parts of the platform a process runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from antiphon.errors import InvalidRequest

Role = Literal["gateway", "transcribe", "respond", "speak", "translate", "score", "persist", "dub"]
Roles = frozenset[Role]

ALL: Roles = frozenset(get_args(Role))
ENGINES: dict[Role, str] = {
    "gateway": "vad",
    "transcribe": "stt",
    "respond": "llm",
    "speak": "tts",
    "translate": "translation",
    "score": "end_of_turn",
}
"""The kind of engine that a role loads; who persists, or has fragments dubbed by the others, loads none."""


def parse_roles(names: Iterable[str]) -> Roles:
    """Return the roles of these names; ``all`` means every one. Raises `InvalidRequest`."""
    found: set[Role] = set()
    for name in names:
        role = next((role for role in get_args(Role) if role == name), None)
        if role is not None:
            found.add(role)
        elif name == "all":
            found |= ALL
        else:
            raise InvalidRequest(
                f"There is no role '{name}'; there are all, {', '.join(get_args(Role))}.", param="roles"
            )
    if not found:
        raise InvalidRequest("Name at least one role.", param="roles")
    return frozenset(found)


def engine_kinds(roles: Roles) -> frozenset[str]:
    """Return the kinds of engines that these roles load."""
    return frozenset(ENGINES[role] for role in roles if role in ENGINES)
