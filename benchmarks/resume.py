"""B4: a gateway is killed while 50 sessions hear an answer; how soon they go on at another, and whether all is whole.

Beside it as many new sessions that open at once at the same gateway, with the same client.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pybase64

from antiphon.client import Session, SessionLost, connect
from antiphon.wire.realtime_items import Message
from antiphon.wire.realtime_server import (
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ServerEvent,
    SessionCreated,
    SessionResumed,
)
from benchmarks import stage
from benchmarks.figures import ROUNDS, Figure, best, tell

SESSIONS = 50
WORDS, WORD_MS = 60, 100
SPEECH_BYTES = WORDS * WORD_MS * 48
SLOW = {
    "stub_llm_words": WORDS,
    "stub_llm_wps": 10,
    "stub_tts_ms_per_word": WORD_MS,
    "llm_workers": SESSIONS,
    "tts_workers": SESSIONS,
}
"""An answer of six seconds, made as slowly as it is spoken."""
_SPEAKS_S = 1.0
_TIMEOUT_S = 20.0


@dataclass
class Heard:
    """What one client got of its answer."""

    ids: list[str] = field(default_factory=list[str])
    audio_bytes: int = 0
    words: str = ""
    first_at: float = 0.0
    """When the first event of the resumed session came."""
    resumed_at: float = 0.0
    done: ResponseDone | None = None

    def note(self, event: ServerEvent, *, is_resumed: bool) -> None:
        """Take the next event."""
        self.ids.append(event.event_id)
        if is_resumed and not self.first_at:
            self.first_at = time.perf_counter()
        match event:
            case ResponseOutputAudioDelta():
                self.audio_bytes += len(pybase64.b64decode(event.delta))
            case ResponseOutputAudioTranscriptDelta():
                self.words += event.delta
            case SessionResumed():
                self.resumed_at = time.perf_counter()
            case ResponseDone():
                self.done = event
            case _:
                pass

    @property
    def goes_on(self) -> bool:
        """Whether the answer came to its end."""
        return self.done is not None and self.done.response.status == "completed"

    @property
    def is_whole(self) -> bool:
        """Whether nothing of an answer that came to its end is missing."""
        if self.done is None or not self.goes_on:
            return False
        (message,) = self.done.response.output
        assert isinstance(message, Message)
        return self.audio_bytes == SPEECH_BYTES and self.words == message.content[0].transcript


@dataclass
class Round:
    """One gateway's end; times in milliseconds since its kill."""

    first: list[float]
    resumed: list[float]
    fresh: list[float]
    sessions: list[Heard]


def run(short: bool) -> list[Figure]:
    """Kill gateways."""
    rounds: list[Round] = []
    for _ in range(ROUNDS if short else 3 * ROUNDS):
        with stage.fleet(2, **SLOW) as fleet:
            rounds.append(asyncio.run(_round(fleet)))
    figures: list[Figure] = []
    for name, share, limit in (("p50", 0.5, None), ("p99", 0.99, 1000.0)):
        fresh = best([one.fresh for one in rounds], share)
        for what, times in (
            ("first event", [one.first for one in rounds]),
            ("antiphon.session.resumed", [one.resumed for one in rounds]),
        ):
            said = f"kill of a gateway to {what}, {SESSIONS} sessions, {name}"
            figures.append(Figure("B4", said, best(times, share), "ms", limit, fresh, "new sessions at once"))
    heard = [session for one in rounds for session in one.sessions]
    ended = sum(session.goes_on for session in heard)
    doubled = sum(len(session.ids) - len(set(session.ids)) for session in heard)
    broken = sum(session.goes_on and not session.is_whole for session in heard)
    return [
        *figures,
        Figure("B4", "answers that went on to their end", 100 * ended / len(heard), "%", 90, more=True),
        Figure("B4", "events that came twice", float(doubled), "events", 0),
        Figure("B4", "answers with something missing or doubled in them", float(broken), "answers", 0),
    ]


async def _round(fleet: stage.Fleet) -> Round:
    doomed, other = fleet.gateways
    urls = [f"http://127.0.0.1:{gateway.port}" for gateway in (doomed, other)]
    heard = [Heard() for _ in range(SESSIONS)]
    begun = [asyncio.Event() for _ in range(SESSIONS)]
    talks = [asyncio.create_task(_talk(urls, one, event)) for one, event in zip(heard, begun, strict=True)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in begun))
        await asyncio.sleep(_SPEAKS_S)
        killed_at = time.perf_counter()
        doomed.kill()
        await asyncio.gather(*talks)
        fresh = await asyncio.gather(*(_open(urls[1]) for _ in range(SESSIONS)))
    first = [(one.first_at - killed_at) * 1000 if one.first_at else float("inf") for one in heard]
    resumed = [(one.resumed_at - killed_at) * 1000 if one.resumed_at else float("inf") for one in heard]
    return Round(first, resumed, list(fresh), heard)


async def _talk(urls: list[str], heard: Heard, begun: asyncio.Event) -> None:
    """Ask something and hear the answer to its end, wherever that is."""
    async with connect(*urls, reconnect_timeout_s=_TIMEOUT_S) as session:
        await session.say("tell me")
        await session.respond()
        try:
            await _listen(session, heard, begun)
        except SessionLost:
            return  # counted as an answer that did not go on


async def _listen(session: Session, heard: Heard, begun: asyncio.Event) -> None:
    async for event in session:
        assert isinstance(event, ServerEvent)
        heard.note(event, is_resumed=session.resumptions > 0)
        if isinstance(event, ResponseOutputAudioDelta):
            begun.set()
        if heard.done is not None:
            return


async def _open(url: str) -> float:
    """Return how long a new session takes to be there, milliseconds."""
    began = time.perf_counter()
    async with connect(url) as session:
        await session.until(SessionCreated)
        return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    tell(run)
