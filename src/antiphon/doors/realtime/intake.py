"""Turns a client's frames into inputs of the machine, in order, without blocking other sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.audio.detector_rate import DetectorRate
from antiphon.audio.resample import resample
from antiphon.conversation import inputs
from antiphon.conversation.machine import Conversation
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.audio import InputBuffer, audio_ticks, rate_hz
from antiphon.doors.websocket.large_events import LARGE_BYTES, decoded, is_large, misplaced, opened, plain
from antiphon.ports.vad import VoiceActivity, VoiceStream
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.realtime_client import (
    ClientCommand,
    ClientMessage,
    ConversationItemCreate,
    InputAudioBufferAppend,
)
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_session import AudioFormat


class Intake:
    """Decodes one client's frames and feeds its audio to the voice detector."""

    def __init__(
        self,
        machine: Conversation,
        vad: VoiceActivity,
        large_events: asyncio.Semaphore,
        max_append_bytes: int,
        *,
        on_score: Callable[[inputs.VoiceScored], None],
    ) -> None:
        """``large_events`` admits events that are processed in slices; ``on_score`` is called outside of any task."""
        self._machine = machine
        self._large_events = large_events
        self._vad = vad
        self._on_score = on_score
        self._most = max_append_bytes
        self.buffer = InputBuffer(self._form)
        self.given_audio: list[tuple[AudioFormat, bytes]] = []
        """Audio of the item that is being created; the machine is given its length only."""
        self._voice: VoiceStream | None = None
        self._detector_rate: DetectorRate | None = None
        self._stream = 0

    @property
    def _form(self) -> AudioFormat:
        """The session's present input format."""
        return self._machine.state.session.audio.input.format

    async def take(
        self, frame: str | LongText, work_in: Callable[[inputs.Received | inputs.AudioAppended], None]
    ) -> None:
        """Take one event. ``work_in`` gives it to the machine; audio that the machine has no room for is dropped.

        Raises `BadEvent`.
        """
        is_slow = is_large(frame)
        async with self._large_events if is_slow else nullcontext():
            message, large = await self._opened(frame, is_slow=is_slow)
            if not isinstance(message, InputAudioBufferAppend):
                work_in(inputs.Received(message, tuple(audio_ticks(form, data) for form, data in self.given_audio)))
                self.given_audio.clear()
            elif large is None:
                pcm = self.buffer.decode(self._audio_of(message))
                event = inputs.AudioAppended(self.buffer.ticks(pcm), message.event_id)
                has_room = self._machine.has_room(event.ticks)
                work_in(event)
                if has_room:
                    self.buffer.append(pcm)
                    self._listen(pcm)
            else:
                event, slices = await self._append_large(message, large)
                has_room = self._machine.has_room(event.ticks)
                work_in(event)
                if has_room:
                    for pcm in slices:
                        self._listen(pcm)
                        await asyncio.sleep(0)
        if self.buffer.form is not self._form:
            await self._reformat()

    async def _opened(self, frame: str | LongText, *, is_slow: bool) -> tuple[ClientMessage, memoryview | None]:
        """Return an event, and the audio of an append if it was cut out because of its size."""
        text, audio = frame, None
        taken: dict[str, memoryview] = {}
        if is_slow:
            text, taken = await opened(frame)
        assert isinstance(text, str | bytes)  # noqa: S101 -- narrows the type: a long text is large
        message = realtime_codec.decode(text)
        if isinstance(message, InputAudioBufferAppend):
            audio = taken.pop(message.audio, None)
        else:
            message = await self._with_audio_apart(message, taken)
        if taken:
            raise misplaced()
        return message, audio

    # -- audio into the buffer ---------------------------------------------------------------------------------------
    async def _append_large(
        self, message: InputAudioBufferAppend, taken: memoryview
    ) -> tuple[inputs.AudioAppended, list[bytes]]:
        """Put audio into the buffer if it has room; returns the input for the machine, and the decoded slices."""
        buffer = self.buffer
        audio = await decoded(taken, param="audio", event_id=message.event_id, most=self._most)
        ticks = sum(audio_ticks(buffer.form, data) for data in audio)
        slices: list[bytes] = []
        if not self._machine.has_room(ticks):
            return inputs.AudioAppended(ticks, message.event_id), slices
        for data in audio:
            slices.append(buffer.decode(data))
            buffer.append(slices[-1])
            await asyncio.sleep(0)
        return inputs.AudioAppended(sum(map(buffer.ticks, slices)), message.event_id), slices

    def _audio_of(self, message: InputAudioBufferAppend) -> bytes:
        return realtime_codec.decode_audio(message.audio, param="audio", event_id=message.event_id, most=self._most)

    # -- items -------------------------------------------------------------------------------------------------------
    async def _with_audio_apart(self, message: ClientCommand, taken: dict[str, memoryview]) -> ClientCommand:
        """Move the audio of a new item from its event to `given_audio`; put ``taken`` images back into the event."""
        self.given_audio.clear()
        if not isinstance(message, ConversationItemCreate) or not isinstance(message.item, Message):
            return message
        form = self._form
        content: list[Content] = []
        for index, part in enumerate(message.item.content):
            param = f"item.content[{index}]"
            if part.type == "input_audio" and part.audio:
                large = taken.pop(part.audio, None)
                self.given_audio.append(
                    (form, await self._audio(part.audio, large, f"{param}.audio", message.event_id))
                )
            image = part.image_url
            if image and (large := taken.pop(image, None)) is not None:
                image = await _image(large, f"{param}.image_url", message.event_id)
            content.append(replace(part, audio=UNSET, image_url=image))
        return replace(message, item=replace(message.item, content=tuple(content)))

    async def _audio(self, text: str, large: memoryview | None, param: str, event_id: str | None) -> bytes:
        if large is None:
            return realtime_codec.decode_audio(text, param=param, event_id=event_id, most=self._most)
        return b"".join(await decoded(large, param=param, event_id=event_id, most=self._most))

    async def _reformat(self) -> None:
        """Continue in the session's present format."""
        buffer, form = self.buffer, self._form
        before_hz = buffer.rate_hz
        while buffer.size_bytes > LARGE_BYTES and rate_hz(form) != buffer.rate_hz:
            start, pcm = buffer.start, buffer.whole()
            resampled = await asyncio.to_thread(resample, pcm, buffer.rate_hz, rate_hz(form))
            if buffer.start == start:  # else a turn was committed meanwhile
                buffer.replace(form, bytearray(resampled))
        buffer.reformat(form)
        if buffer.rate_hz != before_hz:
            self._detector_rate = None

    # -- the voice detector ------------------------------------------------------------------------------------------
    def _listen(self, pcm: bytes) -> None:
        """Feed the voice detector, if the session has turn detection."""
        if self._machine.state.session.audio.input.turn_detection is None:
            return
        if self._voice is None:
            self._voice = self._vad.open(self._scored)
        if self._detector_rate is None:
            self._detector_rate = DetectorRate(self.buffer.rate_hz)
        windows = self._detector_rate.feed(pcm)
        if windows:
            self._voice.feed(windows)

    def _scored(self, scores: Sequence[float]) -> None:
        self._on_score(inputs.VoiceScored(self._stream, tuple(scores)))

    def restart(self, stream: int) -> None:
        """Begin a fresh stream of voice scores."""
        self._stream = stream
        self._detector_rate = None
        if self._voice is not None:
            self._voice.reset()

    def close(self) -> None:
        """Close the voice detector's stream."""
        if self._voice is not None:
            self._voice.close()


async def _image(taken: memoryview, param: str, event_id: str | None) -> str:
    """Return the text of an image. Raises `BadEvent`."""
    try:
        return b"".join([piece async for piece in plain(taken)]).decode()
    except ValueError as error:
        message = f"Invalid '{param}': {error}."
        raise BadEvent(message, code="invalid_value", param=param, event_id=event_id) from error
