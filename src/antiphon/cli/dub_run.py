"""One recording through the dubbing service: read, cut, send, receive, put together, write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pybase64
from msgspec import UNSET

from antiphon import ids
from antiphon.audio.cutting import FragmentCutter
from antiphon.audio.media import Recording, TrackWriter
from antiphon.audio.pcm import Samples
from antiphon.audio.timeline import Timeline
from antiphon.cli.dub_client import ConnectionLost, DubbingClient
from antiphon.cli.dub_flow import Flow, Fragment, Outcome
from antiphon.cli.dub_report import FragmentRow, row_of
from antiphon.errors import AntiphonError, ProviderTimeout, ProviderUnavailable
from antiphon.wire.dubbing_client import StreamConfig, StreamInit
from antiphon.wire.dubbing_server import Backpressure, DubbedAudio, DubbingError, FragmentProcessed

LIVE_TIMEOUT_MS = 8_000
PATIENT_TIMEOUT_MS = 30_000
"""After so long the server gives a fragment up."""
STALL_S = 60.0
"""Beyond that time: a server from which nothing at all comes is given up."""
RECONNECT_S = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Waits before the attempts to connect anew."""
MOST_FRUITLESS = 5
"""So many connections may be lost one after another without a result between."""

Show = Callable[[float], None]
"""Takes how many seconds of the recording are dubbed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done."""

    source_language: str
    target_language: str
    voice: str = "default"
    hints: tuple[str, ...] = ()
    chunk_ms: int = 6_000
    fixed: bool = False
    live: bool = False
    max_inflight: int = 3
    fallback: Literal["silence", "original"] = "silence"
    """What is played where a fragment failed."""
    original_volume: float = 0.0
    """How loud the original goes on under the dubbed speech, 0.0 to 1.0."""


@dataclass(slots=True)
class Dubbed:
    """What came of it."""

    rows: list[FragmentRow] = field(default_factory=list[FragmentRow])
    original_ms: float = 0.0
    reconnections: int = 0


async def dub_recording(
    recording: Recording, track: TrackWriter, wanted: Wanted, connect: Callable[[], DubbingClient], show: Show
) -> Dubbed:
    """Send a recording through the service that ``connect`` reaches, and write the new track.

    Raises what `DubbingClient.open` raises, `ProviderUnavailable` when the connection is lost and cannot be made anew,
    `ProviderTimeout` when nothing comes any more.
    """
    run = _Run(recording, track, wanted, connect, show)
    try:
        return await run.go()
    finally:
        await run.close()


class _Run:
    def __init__(
        self, recording: Recording, track: TrackWriter, wanted: Wanted, connect: Callable[[], DubbingClient], show: Show
    ) -> None:
        self._recording = recording
        self._wanted = wanted
        self._connect = connect
        self._show = show
        self._init = _init(recording, wanted)
        self._link: DubbingClient | None = None
        self._flow = Flow(wanted.max_inflight)
        self._fragments = _fragments(recording, wanted, self._init.stream_id)
        self._next: Fragment | None = None
        self._has_ended = False
        self._assembly = _Assembly(recording, track, wanted)
        self._begun = 0.0
        self._heard_from = 0.0
        self._fruitless = 0
        self._dubbed = Dubbed()

    async def go(self) -> Dubbed:
        link = await self._open()
        self._begun = self._heard_from = time.monotonic()
        await self._read()
        while not (self._has_ended and self._flow.is_empty):
            await self._offer()
            await self._send(link)
            event = await link.receive(self._until())
            if _is_end(event):
                link = await self._open_anew()
            else:
                self._take(event)
                await self._write()
        await asyncio.to_thread(self._assembly.finish)
        with suppress(AntiphonError):  # all results are here: how the stream ends does not matter any more
            await link.end(self._init.stream_id)
        self._dubbed.original_ms = self._assembly.original_ms
        return self._dubbed

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()
            self._link = None

    # -- the connection ----------------------------------------------------------------------------------------------
    async def _open(self) -> DubbingClient:
        await self.close()
        self._link = link = self._connect()
        await link.open(self._init)
        return link

    async def _open_anew(self) -> DubbingClient:
        """Connect again and let the flow begin anew. Raises `ProviderUnavailable` when all attempts failed."""
        self._fruitless += 1
        if self._fruitless > MOST_FRUITLESS:
            raise ProviderUnavailable(f"the connection was lost {self._fruitless} times without a result between")
        lost: AntiphonError | None = None
        for wait_s in RECONNECT_S:
            await asyncio.sleep(wait_s)
            try:
                link = await self._open()
            except (ProviderUnavailable, ProviderTimeout) as error:
                lost = error
                continue
            self._flow.begin_anew()
            self._heard_from = time.monotonic()
            self._dubbed.reconnections += 1
            return link
        raise ProviderUnavailable(f"the connection was lost and could not be made anew: {lost}") from lost

    # -- fragments out -----------------------------------------------------------------------------------------------
    async def _read(self) -> None:
        self._next = await asyncio.to_thread(next, self._fragments, None)
        self._has_ended = self._next is None

    async def _offer(self) -> None:
        """Offer fragments as far as the window is open; live, none before its last sound would have been heard."""
        while self._next is not None and self._flow.wants_more and self._heard_at(self._next) <= time.monotonic():
            self._flow.offer(self._next)
            await self._read()

    def _heard_at(self, fragment: Fragment) -> float:
        """Return when a listener of the original has heard all of a fragment; at once where it is not live."""
        if not self._wanted.live:
            return self._begun
        return self._begun + (fragment.start + len(fragment.samples)) / fragment.rate_hz

    async def _send(self, link: DubbingClient) -> None:
        while (numbered := self._flow.next_to_send(time.monotonic())) is not None:
            await link.send(*numbered, self._init)

    def _until(self) -> float:
        """Return when something is to be done even if nothing comes."""
        due = self._flow.due
        heard = self._heard_at(self._next) if self._next is not None and self._flow.wants_more else None
        return min(one for one in (self._given_up, due, heard) if one is not None)

    @property
    def _given_up(self) -> float:
        """When the server is given up, if nothing comes."""
        last = time.monotonic() if self._flow.is_empty else self._heard_from
        return last + self._init.timeout_ms / 1000 + STALL_S

    # -- results in --------------------------------------------------------------------------------------------------
    def _take(self, event: object) -> None:
        """Work in an event, or that none came. Raises `ProviderTimeout`."""
        now = time.monotonic()
        if event is not None:
            self._heard_from = now
        elif now >= self._given_up:
            raise ProviderTimeout(f"the server said nothing for {now - self._heard_from:.0f} s")
        match event:
            case FragmentProcessed():
                self._flow.processed(event, now)
            case Backpressure():
                self._flow.pressed(event)
            case DubbingError():
                self._flow.refused(event, now)
            case _:
                pass

    async def _write(self) -> None:
        for outcome in self._flow.take():
            self._fruitless = 0
            await asyncio.to_thread(self._assembly.put, outcome)
            heard_at = self._heard_at(outcome.fragment) if self._wanted.live else None
            self._dubbed.rows.append(row_of(outcome, heard_at))
            self._show(self._assembly.original_ms / 1000)


def _is_end(event: object) -> bool:
    """Say whether an event ends the connection, or tells that the server has lost the stream."""
    return isinstance(event, ConnectionLost) or (isinstance(event, DubbingError) and event.code == "STREAM_NOT_FOUND")


class _Assembly:
    """Outcomes to the new track."""

    def __init__(self, recording: Recording, track: TrackWriter, wanted: Wanted) -> None:
        self._track = track
        self._wanted = wanted
        self._rate_hz, self._channels = recording.rate_hz, recording.channels
        self._timeline = Timeline(recording.rate_hz, recording.channels)
        self._end = 0

    @property
    def original_ms(self) -> float:
        """Length of the original so far."""
        return self._end * 1000 / self._rate_hz

    def put(self, outcome: Outcome) -> None:
        """Take the next outcome. Blocks."""
        fragment = outcome.fragment
        piece = self._speech(outcome)
        if piece is None and self._wanted.fallback == "original":
            done = self._timeline.place(fragment.start, fragment.samples)
        else:
            silence = fragment.samples[:0]
            bed, volume = fragment.samples, self._wanted.original_volume
            done = self._timeline.place(fragment.start, silence if piece is None else piece, bed, volume)
        self._track.write(done)
        self._end = fragment.start + len(fragment.samples)

    def finish(self) -> None:
        """Write the rest: the new track ends where the original does. Blocks."""
        self._track.write(self._timeline.finish(self._end))

    def _speech(self, outcome: Outcome) -> Samples | None:
        result = outcome.result
        if result is None or result.dubbed_audio is UNSET:
            return None
        return samples_of(result.dubbed_audio, self._rate_hz, self._channels)


def samples_of(audio: DubbedAudio, rate_hz: int, channels: int) -> Samples:
    """Return dubbed speech, of shape (frames, channels). Raises `ProviderUnavailable` for what was not asked for."""
    if (audio.format, audio.sample_rate_hz, audio.channels) != ("pcm_s16le", rate_hz, channels):
        what = f"{audio.format} of {audio.channels} channels at {audio.sample_rate_hz} Hz"
        raise ProviderUnavailable(f"the server sent {what}, and pcm_s16le of {channels} at {rate_hz} Hz was asked for")
    data = pybase64.b64decode(audio.data_base64)
    whole = len(data) // (2 * channels) * 2 * channels
    return np.frombuffer(data[:whole], "<i2").reshape(-1, channels)


def _init(recording: Recording, wanted: Wanted) -> StreamInit:
    config = StreamConfig(
        source_language=wanted.source_language,
        target_language=wanted.target_language,
        voice_profile=wanted.voice,
        chunk_duration_ms=wanted.chunk_ms,
        sample_rate_hz=recording.rate_hz,
        channels=recording.channels,
        format="pcm_s16le",  # the only one whose length is exact
        domain_hints=wanted.hints,
    )
    return StreamInit(
        stream_id=ids.new_id("dub"),
        worker_id="antiphon-dub",
        config=config,
        max_inflight=wanted.max_inflight,
        timeout_ms=LIVE_TIMEOUT_MS if wanted.live else PATIENT_TIMEOUT_MS,
    )


def _fragments(recording: Recording, wanted: Wanted, stream_id: str) -> Iterator[Fragment]:
    cutter = FragmentCutter(recording.rate_hz, wanted.chunk_ms, fixed=wanted.fixed)
    index = start = 0
    for samples in _pieces(recording, cutter):
        yield Fragment(index, f"{stream_id}-{index}", start, samples, recording.rate_hz)
        index, start = index + 1, start + len(samples)


def _pieces(recording: Recording, cutter: FragmentCutter) -> Iterator[Samples]:
    for block in recording.blocks():
        yield from cutter.feed(block)
    yield from cutter.finish()
