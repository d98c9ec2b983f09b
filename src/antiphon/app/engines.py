"""The engines of this process: loaded by name, started together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from antiphon.app.settings import Settings, variables_of
from antiphon.entities.capabilities import Capabilities, EngineState
from antiphon.ports.breakers import Breakers
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.ports.engine import Checked, EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.stt import SpeechToText
from antiphon.ports.translation import Translation
from antiphon.ports.tts import TextToSpeech
from antiphon.ports.vad import VoiceActivity
from antiphon.providers.chains.stand_ins import StandIns
from antiphon.providers.registry import load, members

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
    configured: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By kind, the names that the settings say."""

    @property
    def all(self) -> tuple[SpeechToText | LanguageModel | TextToSpeech | Translation | VoiceActivity | EndOfTurn, ...]:
        """Every engine, in the order of their kinds."""
        return (self.stt, self.llm, self.tts, self.translation, self.vad, self.end_of_turn)

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each kind says of itself."""
        return {kind: engine.capabilities for kind, engine in zip(KINDS, self.all, strict=True)}

    def services(self, kinds: Collection[str]) -> dict[str, Checked]:
        """Return those of ``kinds`` whose service can be asked how it is, by endpoint: ``llm:openai``."""
        return {
            f"{kind}:{one.capabilities.name}": one
            for kind, engine in zip(KINDS, self.all, strict=True)
            for one in (members(engine) if kind in kinds else ())
            if one.capabilities.has_check
        }

    async def start(self, kinds: Collection[str] = KINDS) -> None:
        """Load and warm up those of ``kinds``, side by side. Raises `WeightsMissing`."""
        async with asyncio.TaskGroup() as group:
            for kind, engine in zip(KINDS, self.all, strict=True):
                if kind in kinds:
                    group.create_task(engine.start(), name=f"start {engine.capabilities.name}")

    def states(self, kinds: Collection[str], refuses: Callable[[str], bool]) -> dict[str, dict[str, EngineState]]:
        """Return how each engine of the ``kinds``, which were started, is; ``refuses`` says whether a circuit does."""
        found: dict[str, dict[str, EngineState]] = {}
        for kind, engine in zip(KINDS, self.all, strict=True):
            if kind in kinds:
                working = [part.capabilities.name for part in members(engine)]
                names = dict.fromkeys((*self.configured.get(kind, ()), *working))
                found[kind] = {name: _state(kind, name, working, refuses) for name in names}
                if kind == "vad":  # the first that starts works alone
                    found[kind] = _with_reserve(found[kind])
        return found

    async def close(self) -> None:
        """Free everything."""
        for engine in self.all:
            await engine.close()


def make_engines(
    settings: Settings, breakers: Breakers | None = None, on_other_voice: Callable[[], None] = lambda: None
) -> Engines:
    """Make the engines that the settings name; none is started yet. Raises `NotFound`, `WeightsMissing`.

    ``on_other_voice`` is called whenever another voice begins to stand in for one.
    """
    context = engine_context(settings)
    return Engines(
        stt=load("stt", settings.stt, context, breakers),
        llm=load("llm", settings.llm, context, breakers),
        tts=load("tts", settings.tts, context, breakers, StandIns(on_other_voice)),
        translation=load("translation", settings.translation, context, breakers),
        vad=load("vad", settings.vad, context, breakers),
        end_of_turn=load("end_of_turn", settings.end_of_turn, context, breakers),
        configured={kind: getattr(settings, kind) for kind in KINDS},
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
        variables=variables_of(type(settings).model_fields),
    )


def _state(kind: str, name: str, working: Collection[str], refuses: Callable[[str], bool]) -> EngineState:
    if name not in working:
        return "left_out"
    return "circuit_open" if refuses(f"{kind}:{name}") else "ok"


def _with_reserve(states: dict[str, EngineState]) -> dict[str, EngineState]:
    """Return the states, where engines behind the first that works were not tried."""
    before: list[EngineState] = []
    for name, state in states.items():
        states[name] = "reserve" if state == "left_out" and "ok" in before else state
        before.append(state)
    return states


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
