"""What a client sends: frames into inputs of the machine, in order, and none of them holds up the other sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.audio.detector_rate import DetectorRate
from antiphon.audio.resample import resample
from antiphon.conversation import inputs
from antiphon.conversation.machine import Conversation
from antiphon.doors.realtime_audio import InputBuffer, audio_ticks, rate_hz
from antiphon.ports.vad import VoiceActivity, VoiceStream
from antiphon.wire import realtime_codec
from antiphon.wire.realtime_client import ClientMessage, ConversationItemCreate, InputAudioBufferAppend
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_session import AudioFormat

LARGE_BYTES = 256 * 2**10
"""What is larger is worked on in a thread, or in slices between which the event loop goes on."""
_SLICE_BYTES = 64 * 2**10


class Host(Protocol):
    """The connection that an intake belongs to."""

    machine: Conversation

    def tell(self, event: inputs.AnyInput) -> None:
        """Work one input in and carry out what follows."""
        ...

    def tell_from_callback(self, event: inputs.AnyInput) -> None:
        """Do the same from outside of the connection's tasks."""
        ...

    def append(self, event: inputs.AudioAppended) -> bool:
        """Work in that audio has come; False when it was refused."""
        ...


class Intake:
    """Takes one client's frames, and lets the voice detector hear what it says."""

    def __init__(self, host: Host, vad: VoiceActivity, *, max_append_bytes: int) -> None:
        self._host = host
        self._vad = vad
        self._most = max_append_bytes
        self.buffer = InputBuffer(host.machine.state.session.audio.input.format)
        self.given_audio: list[tuple[AudioFormat, bytes]] = []
        """Audio of the item that is being created; the machine only hears how long it is."""
        self._voice: VoiceStream | None = None
        self._detector_rate: DetectorRate | None = None
        self._stream = 0

    async def take(self, frame: str) -> None:
        """Take one event. Raises `BadEvent`."""
        message = realtime_codec.decode(frame)
        if len(frame) > LARGE_BYTES:
            await self._take_large(message)
        elif isinstance(message, InputAudioBufferAppend):
            self._append(message)
        else:
            self._tell(self._with_audio_apart(message))
        if self.buffer.form is not self._host.machine.state.session.audio.input.format:
            await self._reformat()

    async def _take_large(self, message: ClientMessage) -> None:
        if isinstance(message, InputAudioBufferAppend):
            await self._append_large(message)
        else:
            self._tell(await asyncio.to_thread(self._with_audio_apart, message))

    def _tell(self, message: ClientMessage) -> None:
        ticks = tuple(audio_ticks(form, data) for form, data in self.given_audio)
        self._host.tell(inputs.Received(message, ticks))
        self.given_audio.clear()

    # -- audio into the buffer ---------------------------------------------------------------------------------------
    def _append(self, message: InputAudioBufferAppend) -> None:
        pcm = self.buffer.decode(self._audio_of(message))
        if self._host.append(inputs.AudioAppended(self.buffer.ticks(pcm), message.event_id)):
            self.buffer.append(pcm)
            self._listen(pcm)

    async def _append_large(self, message: InputAudioBufferAppend) -> None:
        data = await asyncio.to_thread(self._audio_of, message)
        ticks = audio_ticks(self.buffer.form, data)
        if not self._host.machine.has_room(ticks):
            self._host.append(inputs.AudioAppended(ticks, message.event_id))
            return
        pcm = await asyncio.to_thread(self.buffer.decode, data)
        if self._host.append(inputs.AudioAppended(self.buffer.ticks(pcm), message.event_id)):
            self.buffer.append(pcm)
            for at in range(0, len(pcm), _SLICE_BYTES):
                self._listen(pcm[at : at + _SLICE_BYTES])
                await asyncio.sleep(0)

    def _audio_of(self, message: InputAudioBufferAppend) -> bytes:
        return realtime_codec.decode_audio(message.audio, param="audio", event_id=message.event_id, most=self._most)

    def _with_audio_apart(self, message: ClientMessage) -> ClientMessage:
        """Take the audio of a new item out of its event."""
        self.given_audio.clear()
        if not isinstance(message, ConversationItemCreate) or not isinstance(message.item, Message):
            return message
        form = self._host.machine.state.session.audio.input.format
        content: list[Content] = []
        for index, part in enumerate(message.item.content):
            if part.type == "input_audio" and part.audio:
                param = f"item.content[{index}].audio"
                data = realtime_codec.decode_audio(part.audio, param=param, event_id=message.event_id, most=self._most)
                self.given_audio.append((form, data))
            content.append(replace(part, audio=UNSET))
        return replace(message, item=replace(message.item, content=tuple(content)))

    async def _reformat(self) -> None:
        """Hear on in the format that the session has now."""
        buffer, form = self.buffer, self._host.machine.state.session.audio.input.format
        before_hz = buffer.rate_hz
        while buffer.size_bytes > LARGE_BYTES and rate_hz(form) != buffer.rate_hz:
            start, pcm = buffer.start, buffer.whole()
            brought = await asyncio.to_thread(resample, pcm, buffer.rate_hz, rate_hz(form))
            if buffer.start == start:  # else a turn was committed meanwhile
                buffer.replace(form, bytearray(brought))
        buffer.reformat(form)
        if buffer.rate_hz != before_hz:
            self._detector_rate = None

    # -- the voice detector ------------------------------------------------------------------------------------------
    def _listen(self, pcm: bytes) -> None:
        """Let the voice detector hear it, where the session wants that."""
        if self._host.machine.state.session.audio.input.turn_detection is None:
            return
        if self._voice is None:
            self._voice = self._vad.open(self._heard)
        if self._detector_rate is None:
            self._detector_rate = DetectorRate(self.buffer.rate_hz)
        windows = self._detector_rate.feed(pcm)
        if windows:
            self._voice.feed(windows)

    def _heard(self, scores: Sequence[float]) -> None:
        self._host.tell_from_callback(inputs.VoiceScored(self._stream, tuple(scores)))

    def restart(self, stream: int) -> None:
        """Begin a fresh stream of voice scores."""
        self._stream = stream
        self._detector_rate = None
        if self._voice is not None:
            self._voice.reset()

    def close(self) -> None:
        """Hear nothing any more."""
        if self._voice is not None:
            self._voice.close()
