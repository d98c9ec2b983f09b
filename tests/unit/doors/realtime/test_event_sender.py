"""What goes out to one client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from antiphon.clock import VirtualClock
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.realtime.event_sender import EventSender
from antiphon.doors.realtime.sent_events import PIECES
from antiphon.doors.websocket.audio import ItemAudio
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.wire.entries import AudioReady
from antiphon.wire.realtime_server import InputAudioBufferCleared
from antiphon.wire.realtime_session import AudioPcm
from tests.options import embedded_bus, session_rules


class Client:
    """Somebody who takes everything at once."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, text: bytes) -> bool:
        self.events.append(msgspec.json.decode(text))
        return True

    async def send_text(self, text: bytes) -> None:
        self.write(text)

    def abort(self) -> None:
        raise AssertionError("everybody reads here")


@asynccontextmanager
async def output(client: Client, rules: Rules | None = None) -> AsyncGenerator[EventSender]:
    session = describe(None, Defaults(), now=0.0)
    state = Conversation.begin(session, rules or session_rules(), seed="s", now=0.0, lasts_s=3600).state
    async with asyncio.TaskGroup() as group:
        send_queue = SendQueue(group, client, limit_bytes=10_000, stall_s=5.0)
        made = EventSender(send_queue, ItemAudio(Path("nothing is spilled")), None, state)
        yield made
        made.close()


async def test_speech_at_the_pace_of_listening_waits_in_pieces_of_40_ms() -> None:
    entry = AudioReady("job", bytes(48 * 100))
    async with output(Client(), session_rules(pace=True)) as paced, output(Client()) as fast:
        assert paced.take(7, entry) == [(7 * PIECES, 960), (7 * PIECES + 1, 960), (7 * PIECES + 2, 480)]
        assert fast.take(7, entry) == [(7 * PIECES, 2400)]


async def test_events_that_the_client_has_are_not_sent_once_more() -> None:
    client = Client()
    async with output(client) as out:
        out.known_until = 4
        for number in (3, 4, 5):
            out.send(InputAudioBufferCleared(event_id=f"event_s{number:07d}"))
        out.skip_all()
        out.send(InputAudioBufferCleared(event_id="event_s0000006"))
    assert [event["event_id"] for event in client.events] == ["event_s0000005"]


async def test_speech_is_fetched_from_the_pipe_as_far_as_the_pipe_has_it() -> None:
    bus = embedded_bus(VirtualClock())
    await bus.write("pipe", [AudioReady("job", bytes([number]) * 10) for number in range(5)])
    tail = await bus.tail("pipe")
    wanted = {(tail - 1) * PIECES, tail * PIECES}
    async with output(Client()) as out:
        assert await out.fetch(lambda after: bus.read("pipe", after=after), tail, wanted)
        assert not await out.fetch(lambda after: bus.read("pipe", after=after), tail, {tail * PIECES + 1})
    await bus.drop("pipe")
    async with output(Client()) as out:
        assert not await out.fetch(lambda after: bus.read("pipe", after=after), tail, wanted)
    await bus.close()


async def test_a_closed_session_keeps_no_audio() -> None:
    async with output(Client()) as out:
        out.items.add("item_1", AudioPcm(), bytes(4800))
        assert out.items.reader("item_1")() == [bytes(4800)]
    assert out.items.reader("item_1")() == []
