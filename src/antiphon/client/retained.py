"""Sent events that the server may not have processed: retained for a while, to be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

RETAINED_S = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it was sent."""

    at: float
    """Time of sending, seconds."""
    number: int = 0
    """Number in the event's id, from 1; 0 for audio."""
    frame: str = ""
    audio: bytes = b""
    start: int = 0
    """Offset of its audio, bytes since the session's first."""


class Retained:
    """Events of the last half minute, in order. Audio is counted in bytes of the session's input format."""

    def __init__(self, retained_s: float = RETAINED_S) -> None:
        self._retained_s = retained_s
        self._sent: deque[Sent] = deque()
        self._audio = 0
        self.is_frozen = False
        """True while disconnected: all events are retained."""
        self.number = 0
        """Number of the last event that is not audio."""

    def add_audio(self, audio: bytes, at: float) -> None:
        """Retain audio that is sent."""
        self._add(Sent(at, audio=audio, start=self._audio))
        self._audio += len(audio)

    def add(self, frame: str, at: float) -> None:
        """Retain any other event; its number is `number` + 1."""
        self.number += 1
        self._add(Sent(at, self.number, frame))

    def _add(self, sent: Sent) -> None:
        self._sent.append(sent)
        while not self.is_frozen and self._sent[0].at < sent.at - self._retained_s:
            self._sent.popleft()

    def after(self, number: int, audio_start: int) -> Iterator[Sent]:
        """Yield the events after event ``number``, and the audio from byte ``audio_start`` on, in order."""
        for sent in list(self._sent):
            if sent.number > number:
                yield sent
            elif sent.audio and sent.start + len(sent.audio) > audio_start:
                cut = max(0, audio_start - sent.start)
                yield Sent(sent.at, audio=sent.audio[cut:], start=sent.start + cut)

    def rebase(self, start: int, to: int) -> None:
        """Renumber audio: the server counts byte ``start`` as byte ``to``."""
        shift = to - start
        if shift:
            self._audio += shift
            self._sent = deque(
                Sent(sent.at, audio=sent.audio, start=sent.start + shift) if sent.audio else sent for sent in self._sent
            )

    def first_audio(self, audio_start: int) -> int:
        """Return the offset of the first retained audio at or after ``audio_start``."""
        starts = [sent.start for sent in self._sent if sent.audio and sent.start + len(sent.audio) > audio_start]
        return max(audio_start, starts[0]) if starts else self._audio
