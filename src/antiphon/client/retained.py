"""What a client has sent and the server has perhaps not worked in: kept for a while, to be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

KEPT_S = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it was sent."""

    at: float
    """When, seconds."""
    number: int = 0
    """Of the event's id, from 1; 0 for audio."""
    frame: str = ""
    audio: bytes = b""
    start: int = 0
    """Where its audio begins, bytes since the session's first."""


class Retained:
    """Events of the last half minute, in order. Audio is counted in bytes of the session's input format."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._sent: deque[Sent] = deque()
        self._audio = 0
        self.is_frozen = False
        """True keeps everything: nobody hears it at the moment."""
        self.number = 0
        """Of the last event that is not audio."""

    def add_audio(self, audio: bytes, at: float) -> None:
        """Note audio that is sent."""
        self._add(Sent(at, audio=audio, start=self._audio))
        self._audio += len(audio)

    def add(self, frame: str, at: float) -> None:
        """Note any other event; its number is `number` + 1."""
        self.number += 1
        self._add(Sent(at, self.number, frame))

    def _add(self, sent: Sent) -> None:
        self._sent.append(sent)
        while not self.is_frozen and self._sent[0].at < sent.at - self._kept_s:
            self._sent.popleft()

    def behind(self, number: int, audio_start: int) -> Iterator[Sent]:
        """Yield what was sent behind event ``number``, and the audio from byte ``audio_start`` on."""
        for sent in list(self._sent):
            if sent.number > number:
                yield sent
            elif sent.audio and sent.start + len(sent.audio) > audio_start:
                cut = max(0, audio_start - sent.start)
                yield Sent(sent.at, audio=sent.audio[cut:], start=sent.start + cut)

    def rebase(self, start: int, to: int) -> None:
        """The server counts the audio that begins at byte ``start`` from ``to`` on."""
        shift = to - start
        if shift:
            self._audio += shift
            self._sent = deque(
                Sent(sent.at, audio=sent.audio, start=sent.start + shift) if sent.audio else sent for sent in self._sent
            )

    def first_audio(self, audio_start: int) -> int:
        """Return where the audio begins that is kept from ``audio_start`` on."""
        starts = [sent.start for sent in self._sent if sent.audio and sent.start + len(sent.audio) > audio_start]
        return max(audio_start, starts[0]) if starts else self._audio
