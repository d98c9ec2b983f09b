"""Sends events and speech to one client, and notes them for a resumption."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import aclosing

from antiphon.conversation import inputs
from antiphon.conversation.effects import EndSpeech, Fence, SendAudio, SendItem
from antiphon.conversation.resume import number_of
from antiphon.conversation.state import State
from antiphon.doors.realtime.checkpoint import Checkpointer
from antiphon.doors.realtime.sent_events import PIECES, SentEvent, position_of
from antiphon.doors.websocket.audio import ItemAudio, SpeechEncoder, audio_ticks
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.errors import NotFound
from antiphon.ports.bus import Reader
from antiphon.wire import realtime_codec
from antiphon.wire.entries import AudioReady
from antiphon.wire.realtime_server import ResponseOutputAudioDelta, ServerMessage

_PACED_PIECE_BYTES = 40 * 48
"""Paced speech is sent in pieces of 40 ms: the lead over the listener is exact to one of them."""


class EventSender:
    """Sends the events of a machine. Speech waits here, in pieces, until the machine releases it."""

    def __init__(
        self, send_queue: SendQueue, items: ItemAudio, checkpointer: Checkpointer | None, state: State
    ) -> None:
        self._send_queue = send_queue
        self.items = items
        self._checkpointer = checkpointer
        self._seed = state.seed
        self._piece_bytes = _PACED_PIECE_BYTES if state.rules.pace else 0
        self._speech: dict[int, bytes] = {}
        self._encoders: dict[str, SpeechEncoder] = {}
        self.known_until: float = 0
        """Number of the last event that the client has from the previous gateway; events up to it are skipped."""

    # -- queued speech ----------------------------------------------------------------------------------------------
    def take(self, position: int, entry: AudioReady) -> list[tuple[int, int]]:
        """Queue speech from the session's pipe; returns the number and the ticks of each piece."""
        pieces = self._pieces(position, entry)
        self._speech.update(pieces)
        return [(ref, len(piece) // 2) for ref, piece in pieces]

    def drop(self, ref: int) -> None:
        """Forget a piece."""
        self._speech.pop(ref, None)

    async def fetch(self, results: Callable[[int], Reader], until: int, wanted: set[int]) -> bool:
        """Read pieces from the session's pipe once more, with ``results``; False when some are missing."""
        position = min((position_of(ref) - 1 for ref in wanted), default=until)
        try:
            async with aclosing(results(position)) as entries:
                while position < until:
                    position, entry = await anext(entries)
                    if isinstance(entry, AudioReady):
                        self._speech.update((ref, part) for ref, part in self._pieces(position, entry) if ref in wanted)
        except (NotFound, StopAsyncIteration):
            return False
        return wanted <= self._speech.keys()

    def replace_by_silence(self, refs: set[int]) -> None:
        """Replace missing pieces by silence."""
        self._speech.update(dict.fromkeys(refs - self._speech.keys(), b""))

    def _pieces(self, position: int, entry: AudioReady) -> list[tuple[int, bytes]]:
        audio, most = entry.audio, max(1, self._piece_bytes or len(entry.audio))
        parts = [audio[at : at + most] for at in range(0, max(1, len(audio)), most)]
        return [(position * PIECES + index, part) for index, part in enumerate(parts)]

    # -- sending -----------------------------------------------------------------------------------------------------
    def send(self, event: ServerMessage) -> None:
        """Send an event."""
        number = self._fresh(event.event_id)
        if number is not None:
            frame = realtime_codec.encode(event)
            self._note(SentEvent(number, frame))
            self._send_queue.put(frame)

    def send_audio(self, effect: SendAudio) -> None:
        """Send a piece of speech."""
        event, piece = effect.event, self._speech.pop(effect.ref)
        number = self._fresh(event.event_id)
        if number is None:
            return
        self._note(SentEvent(number, audio=effect))
        encoder = self._encoders.get(event.response_id)
        if encoder is None:
            encoder = self._encoders[event.response_id] = SpeechEncoder(event.item_id, effect.form)
        self._put_audio(event, encoder, encoder.encode(piece))

    def end_speech(self, effect: EndSpeech) -> None:
        """Send the rest of an answer's speech, which the encoder holds."""
        number = self._fresh(effect.event.event_id)
        if number is None:
            return
        self._note(SentEvent(number, end=effect))
        encoder = self._encoders.pop(effect.event.response_id, None)
        if encoder is not None:
            self._put_audio(effect.event, encoder, encoder.finish())

    def send_item(self, effect: SendItem) -> None:
        """Send an item with its audio; when the event is replayed it has none."""
        event = effect.event
        number = self._fresh(event.event_id)
        if number is None:
            return
        self._note(SentEvent(number, realtime_codec.encode(event)))
        item_id = str(event.item.id)
        size_bytes, read = self.items.size_bytes(item_id), self.items.reader(item_id)

        def make() -> bytes:
            return realtime_codec.encode_item(event, read())

        if size_bytes > LARGE_BYTES:
            self._send_queue.put_later(make, size_bytes * 4 // 3)
        else:
            self._send_queue.put(make())

    def fence(self, effect: Fence) -> inputs.Unsent | None:
        """Stop the speech of a response; returns how much of it was queued."""
        encoder = self._encoders.pop(effect.response_id, None)
        dropped = self._send_queue.fence(effect.response_id)
        if encoder is None or not dropped + encoder.kept_ticks:
            return None
        return inputs.Unsent(encoder.item_id, dropped + encoder.kept_ticks)

    def resend(self, event: SentEvent) -> None:
        """Send an event of the previous gateway again; speech that the pipe has lost is left out."""
        if event.audio is not None:
            if event.audio.ref in self._speech:
                self.send_audio(event.audio)
        elif event.end is not None:
            self.end_speech(event.end)
        else:
            self._send_queue.put(event.frame)

    def skip_all(self) -> None:
        """Skip all events until `known_until` is set: the client did not ask for the events that it missed."""
        self.known_until = math.inf

    def close(self) -> None:
        """Drop queued speech and the audio of items."""
        self._speech.clear()
        self.items.close()

    def _fresh(self, event_id: str) -> int | None:
        """Return the number of an event, or None when the client has it from the previous gateway."""
        number = number_of(event_id, self._seed) or 0
        return number if number > self.known_until else None

    def _note(self, event: SentEvent) -> None:
        if self._checkpointer is not None:
            self._checkpointer.sent(event)

    def _put_audio(self, event: ResponseOutputAudioDelta, encoder: SpeechEncoder, data: bytes) -> None:
        if data:
            self.items.add(event.item_id, encoder.form, data)
            frame = realtime_codec.encode_audio_delta(event, data)
            self._send_queue.put(frame, event.response_id, audio_ticks(encoder.form, data))
