"""Clients that talk without pause and write down what they see."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pybase64

from antiphon.client import ClientError, Session, UnknownEvent, connect
from antiphon.wire.realtime_client import ConversationItemRetrieve
from antiphon.wire.realtime_server import ConversationItemRetrieved, Error, ResponseDone, SessionResumed
from tests.chaos.history import History, Turn

TIMEOUT_S = 20.0
"""A turn that takes longer is lost."""


async def talk(history: History, urls: Sequence[str], stop: asyncio.Event, sockets: dict[str, Session]) -> History:
    """Talk until ``stop`` is set, then ask the server for the conversation as it holds it; all of it is ``history``."""
    try:
        async with connect(*urls, reconnect_timeout_s=TIMEOUT_S, ping_interval=0.5, ping_timeout=1.5) as session:
            sockets[history.name] = session
            for number in itertools.count():
                turn = Turn(number, f"question {number}")
                history.turns.append(turn)
                async with asyncio.timeout(TIMEOUT_S):
                    await _ask(session, turn)
                if not turn.done:
                    history.trouble = "the server ended the session"
                    return history
                if stop.is_set():
                    break
            async with asyncio.timeout(TIMEOUT_S):
                history.last = await _held(session, history)
            history.resumptions = session.resumptions
    except TimeoutError:
        history.trouble = f"nothing came for {TIMEOUT_S:g} s"
    except (ClientError, OSError) as error:
        history.trouble = repr(error)
    return history


async def _ask(session: Session, turn: Turn) -> None:
    await session.say(turn.wish)
    await session.respond()
    async for event in session:
        if isinstance(event, SessionResumed):
            continue
        turn.events.append(_plain(event))
        if isinstance(event, ResponseDone):
            turn.done = True
            return


async def _held(session: Session, history: History) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    ids = [event["item"]["id"] for event in history.events if event["type"] == "conversation.item.done"]
    for item_id in ids:
        await session.send(ConversationItemRetrieve(item_id=item_id))
        async for event in session:
            if isinstance(event, Error):
                break
            if isinstance(event, ConversationItemRetrieved):
                item = msgspec.to_builtins(event.item)
                for part in item.get("content", ()):
                    part.pop("audio", None)  # what was made before a resumption is not there any more
                found.append(item)
                break
    return found


def _plain(event: Any) -> dict[str, Any]:
    """Return an event as a dictionary; of audio only how much it is."""
    if isinstance(event, UnknownEvent):
        return event.data
    plain = msgspec.to_builtins(event)
    if plain["type"] == "response.output_audio.delta":
        plain["bytes"] = len(pybase64.b64decode(plain.pop("delta")))
    return plain
