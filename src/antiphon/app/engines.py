"""The engines of this process: loaded by name, started together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from antiphon.app.settings import Settings
from antiphon.entities.capabilities import Capabilities
from antiphon.ports.breakers import Breakers
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.stt import SpeechToText
from antiphon.ports.translation import Translation
from antiphon.ports.tts import TextToSpeech
from antiphon.ports.vad import VoiceActivity
from antiphon.providers.registry import load

KINDS = ("stt", "llm", "tts", "translation", "vad", "end_of_turn")


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine, or one failover chain, of each kind."""

    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    translation: Translation
    vad: VoiceActivity
    end_of_turn: EndOfTurn

    @property
    def all(self) -> tuple[SpeechToText | LanguageModel | TextToSpeech | Translation | VoiceActivity | EndOfTurn, ...]:
        """Every engine, in the order of their kinds."""
        return (self.stt, self.llm, self.tts, self.translation, self.vad, self.end_of_turn)

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each kind says of itself."""
        return {kind: engine.capabilities for kind, engine in zip(KINDS, self.all, strict=True)}

    async def start(self, kinds: Collection[str] = KINDS) -> None:
        """Load and warm up those of ``kinds``, side by side. Raises `WeightsMissing`."""
        async with asyncio.TaskGroup() as group:
            for kind, engine in zip(KINDS, self.all, strict=True):
                if kind in kinds:
                    group.create_task(engine.start(), name=f"start {engine.capabilities.name}")

    async def close(self) -> None:
        """Free everything."""
        for engine in self.all:
            await engine.close()


def make_engines(settings: Settings, breakers: Breakers | None = None) -> Engines:
    """Make the engines that the settings name; none is started yet. Raises `NotFound`, `WeightsMissing`."""
    context = engine_context(settings)
    return Engines(
        stt=load("stt", settings.stt, context, breakers),
        llm=load("llm", settings.llm, context, breakers),
        tts=load("tts", settings.tts, context, breakers),
        translation=load("translation", settings.translation, context, breakers),
        vad=load("vad", settings.vad, context, breakers),
        end_of_turn=load("end_of_turn", settings.end_of_turn, context, breakers),
    )


def engine_context(settings: Settings) -> EngineContext:
    """Return what engines are told: every setting by its plain name, secrets opened."""
    return EngineContext(
        data_dir=settings.data_dir,
        offline=settings.offline,
        threads=settings.engine_threads,
        timeout_s=settings.provider_timeout_s,
        failover_s=settings.failover_s,
        settings={name: _plain(getattr(settings, name)) for name in type(settings).model_fields},
    )


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
