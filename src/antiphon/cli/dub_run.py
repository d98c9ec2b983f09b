"""Dubs one recording: reads, cuts and sends it, and assembles the results."""

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
RELAXED_TIMEOUT_MS = 30_000
"""Timeout of a fragment at the server, where the run is not live."""
STALL_S = 60.0
"""Added to the fragment timeout: the run fails after this time without any event."""
RECONNECT_S = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Delays before the attempts to reconnect."""
MOST_FRUITLESS = 5
"""Maximum lost connections in a row without a result between them."""

Show = Callable[[float], None]
"""Called with the seconds of the recording that are dubbed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of a dubbing run."""

    source_language: str
    target_language: str
    voice: str = "default"
    hints: tuple[str, ...] = ()
    chunk_ms: int = 6_000
    fixed: bool = False
    live: bool = False
    max_inflight: int = 3
    fallback: Literal["silence", "original"] = "silence"
    """Audio in place of a failed fragment."""
    original_volume: float = 0.0
    """Volume of the original under the dubbed speech, 0.0 to 1.0."""


@dataclass(slots=True)
class Dubbed:
    """Result of a dubbing run."""

    rows: list[FragmentRow] = field(default_factory=list[FragmentRow])
    original_ms: float = 0.0
    reconnections: int = 0


async def dub_recording(
    recording: Recording, track: TrackWriter, wanted: Wanted, connect: Callable[[], DubbingClient], show: Show
) -> Dubbed:
    """Send a recording through the service that ``connect`` reaches, and write the new track.

    Raises what `DubbingClient.open` raises, `ProviderUnavailable` when reconnecting fails, `ProviderTimeout` when the
    server sends no more events.
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
                link = await self._reconnect()
            else:
                self._take(event)
                await self._write()
        await asyncio.to_thread(self._assembly.finish)
        with suppress(AntiphonError):  # all results are here: the end of the stream may fail
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

    async def _reconnect(self) -> DubbingClient:
        """Reconnect and reset the flow. Raises `ProviderUnavailable` when all attempts failed."""
        self._fruitless += 1
        if self._fruitless > MOST_FRUITLESS:
            raise ProviderUnavailable(f"the connection was lost {self._fruitless} times without a result in between")
        lost: AntiphonError | None = None
        for wait_s in RECONNECT_S:
            await asyncio.sleep(wait_s)
            try:
                link = await self._open()
            except (ProviderUnavailable, ProviderTimeout) as error:
                lost = error
                continue
            self._flow.reset()
            self._heard_from = time.monotonic()
            self._dubbed.reconnections += 1
            return link
        raise ProviderUnavailable(f"the connection was lost and reconnecting failed: {lost}") from lost

    # -- fragments out -----------------------------------------------------------------------------------------------
    async def _read(self) -> None:
        self._next = await asyncio.to_thread(next, self._fragments, None)
        self._has_ended = self._next is None

    async def _offer(self) -> None:
        """Offer fragments while the window is open; in a live run none before its end has been played."""
        while self._next is not None and self._flow.wants_more and self._heard_at(self._next) <= time.monotonic():
            self._flow.offer(self._next)
            await self._read()

    def _heard_at(self, fragment: Fragment) -> float:
        """Return when the original of a fragment has been played; for a run that is not live, its start."""
        if not self._wanted.live:
            return self._begun
        return self._begun + (fragment.start + len(fragment.samples)) / fragment.rate_hz

    async def _send(self, link: DubbingClient) -> None:
        while (numbered := self._flow.next_to_send(time.monotonic())) is not None:
            await link.send(*numbered, self._init)

    def _until(self) -> float:
        """Return when to act even if no event arrives."""
        due = self._flow.due
        heard = self._heard_at(self._next) if self._next is not None and self._flow.wants_more else None
        return min(one for one in (self._times_out_at, due, heard) if one is not None)

    @property
    def _times_out_at(self) -> float:
        """When the run times out, if no event arrives."""
        last = time.monotonic() if self._flow.is_empty else self._heard_from
        return last + self._init.timeout_ms / 1000 + STALL_S

    # -- results in --------------------------------------------------------------------------------------------------
    def _take(self, event: object) -> None:
        """Process an event, or its absence. Raises `ProviderTimeout`."""
        now = time.monotonic()
        if event is not None:
            self._heard_from = now
        elif now >= self._times_out_at:
            raise ProviderTimeout(f"the server sent nothing for {now - self._heard_from:.0f} s")
        match event:
            case FragmentProcessed():
                self._flow.processed(event, now)
            case Backpressure():
                self._flow.backpressure(event)
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
    """Return whether the connection has ended, or the server has lost the stream."""
    return isinstance(event, ConnectionLost) or (isinstance(event, DubbingError) and event.code == "STREAM_NOT_FOUND")


class _Assembly:
    """Writes outcomes to the new track."""

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
        """Add the next outcome. Blocks."""
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
        """Write the rest, so that the new track is as long as the original. Blocks."""
        self._track.write(self._timeline.finish(self._end))

    def _speech(self, outcome: Outcome) -> Samples | None:
        result = outcome.result
        if result is None or result.dubbed_audio is UNSET:
            return None
        return samples_of(result.dubbed_audio, self._rate_hz, self._channels)


def samples_of(audio: DubbedAudio, rate_hz: int, channels: int) -> Samples:
    """Return dubbed speech, of shape (frames, channels). Raises `ProviderUnavailable` for another format."""
    if (audio.format, audio.sample_rate_hz, audio.channels) != ("pcm_s16le", rate_hz, channels):
        what = f"{audio.format} of {audio.channels} channels at {audio.sample_rate_hz} Hz"
        raise ProviderUnavailable(f"the server sent {what} instead of pcm_s16le of {channels} at {rate_hz} Hz")
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
        format="pcm_s16le",  # the only format with an exact length
        domain_hints=wanted.hints,
    )
    return StreamInit(
        stream_id=ids.new_id("dub"),
        worker_id="antiphon-dub",
        config=config,
        max_inflight=wanted.max_inflight,
        timeout_ms=LIVE_TIMEOUT_MS if wanted.live else RELAXED_TIMEOUT_MS,
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
