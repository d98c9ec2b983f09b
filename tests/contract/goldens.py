"""The golden events: one JSON file each, ``<event>.json`` or ``<event>~<variant>.json``, in a folder by direction."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any, Literal

from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_server import ServerMessage
from antiphon.wire.translation import TranslationClientMessage, TranslationServerMessage

FOLDER = Path(__file__).resolve().parent / "golden"
Direction = Literal["client", "server", "translation/client", "translation/server"]
UNIONS: dict[Direction, Any] = {
    "client": ClientMessage,
    "server": ServerMessage,
    "translation/client": TranslationClientMessage,
    "translation/server": TranslationServerMessage,
}


def names(direction: Direction) -> list[str]:
    """Return the names of all goldens of a direction."""
    return sorted(path.stem for path in (FOLDER / direction).glob("*.json"))


def text(direction: Direction, name: str) -> bytes:
    """Return a golden as it lies on disk."""
    return (FOLDER / direction / f"{name}.json").read_bytes()


def event(direction: Direction, name: str) -> dict[str, Any]:
    """Return a golden's value."""
    return json.loads(text(direction, name))


def types(direction: Direction) -> list[str]:
    """Return the names of all events of a direction."""
    return [str(message.__struct_config__.tag) for message in typing.get_args(UNIONS[direction])]
