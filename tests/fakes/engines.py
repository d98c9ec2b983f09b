"""Engines that follow a script: what they yield, where they wait, how they fail; they note what they were asked.

A script is a list of results, of `asyncio.Event`s to wait for, and of errors to raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatEvent, ChatRequest
from antiphon.entities.speech import Pcm, Segment, SpeechChunk, Transcript
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.tts import SpeakOptions

Script = Sequence[Any]


class Scripted:
    """What all of them share."""

    capabilities = Capabilities("scripted")

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        """One a call; the last one is played again."""
        self.asked: list[tuple[Any, ...]] = []
        self.left = 0
        """Calls that have ended, in whatever way."""

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def _play(self, *asked: Any) -> AsyncIterator[Any]:
        script = self._scripts[min(len(self.asked), len(self._scripts) - 1)]
        self.asked.append(asked)
        try:
            for step in script:
                match step:
                    case asyncio.Event():
                        await step.wait()
                    case Exception():
                        raise step
                    case _:
                        yield step
        finally:
            self.left += 1


class ScriptedStt(Scripted):
    """Yields segments and transcripts."""

    def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Play the next script."""
        return self._play(audio, options)


class ScriptedLlm(Scripted):
    """Yields text, calls and the end of an answer."""

    def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Play the next script."""
        return self._play(request)


class ScriptedTts(Scripted):
    """Yields speech."""

    def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Play the next script."""
        return self._play(text, options)


class ScriptedTranslation(Scripted):
    """Returns the first result of its script; has every pair."""

    def has_pair(self, source: str | None, target: str) -> bool:
        """Say yes."""
        del source, target
        return True

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Play the next script."""
        return await anext(self._play(text, source, target))


class ScriptedTurn(Scripted):
    """Returns the first result of its script."""

    async def score(self, audio: Pcm) -> float:
        """Play the next script."""
        return await anext(self._play(audio))
