"""Audio and text passed between the core and the engines."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.audio.pcm import Pcm


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word, seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech, seconds from the start of the audio."""

    text: str
    """Empty where the speech was not recognised."""
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()
    average_logprob: float = 0.0
    no_speech_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of one piece of audio. ``text`` is empty for silence and noise."""

    text: str
    language: str
    """ISO 639-1."""
    duration_s: float
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of synthesised speech and the text it speaks.

    ``text`` is set on the first chunk of a sentence and empty on its later ones.
    """

    pcm: Pcm
    text: str = ""
