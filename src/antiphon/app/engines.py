"""The engines of this process: loaded by name, started together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import structlog

from antiphon.app.settings import Settings, variables_of
from antiphon.entities.capabilities import Capabilities, EngineState
from antiphon.observe.failures import error_fields
from antiphon.ports.breakers import Breakers
from antiphon.ports.embedding import Embedding
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.ports.engine import Checked, EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.stt import SpeechToText
from antiphon.ports.translation import Translation
from antiphon.ports.tts import TextToSpeech
from antiphon.ports.vad import VoiceActivity
from antiphon.providers.chains.stand_ins import StandIns
from antiphon.providers.registry import Kind, load, members

KINDS: tuple[Kind, ...] = get_args(Kind)
_CLOSE_S = 10.0
"""Timeout for an engine to end its threads and processes."""

_log = structlog.get_logger(__name__)

AnyEngine = SpeechToText | LanguageModel | TextToSpeech | Translation | VoiceActivity | EndOfTurn | Embedding


class Engines:
    """One engine or failover chain per kind, loaded on first use."""

    def __init__(self, make: Callable[[Kind], AnyEngine], configured: Mapping[str, Sequence[str]]) -> None:
        """``configured`` has the names from the settings, by kind."""
        self._make = make
        self._configured = configured
        self._made: dict[Kind, AnyEngine] = {}

    def of(self, kind: Kind) -> Any:
        """Return the engine of a kind. Raises `NotFound`, `WeightsMissing`."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    @property
    def stt(self) -> SpeechToText:
        """Speech to text."""
        return self.of("stt")

    @property
    def llm(self) -> LanguageModel:
        """The language model."""
        return self.of("llm")

    @property
    def tts(self) -> TextToSpeech:
        """Text to speech."""
        return self.of("tts")

    @property
    def translation(self) -> Translation:
        """Translation of texts."""
        return self.of("translation")

    @property
    def vad(self) -> VoiceActivity:
        """Voice activity."""
        return self.of("vad")

    @property
    def end_of_turn(self) -> EndOfTurn:
        """The end-of-turn model."""
        return self.of("end_of_turn")

    @property
    def embedding(self) -> Embedding:
        """Vectors of texts."""
        return self.of("embedding")

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """Capabilities by kind."""
        return {kind: self.of(kind).capabilities for kind in KINDS}

    @property
    def first_names(self) -> Mapping[str, str]:
        """The first configured engine of each kind."""
        return {kind: names[0] for kind, names in self._configured.items() if names}

    def services(self, kinds: Collection[str]) -> dict[str, Checked]:
        """Return the engines of ``kinds`` that have a health check, by endpoint: ``llm:openai``."""
        return {
            f"{kind}:{one.capabilities.name}": one
            for kind in KINDS
            for one in (members(self.of(kind)) if kind in kinds else ())
            if one.capabilities.has_check
        }

    async def start(self, kinds: Collection[str] = KINDS) -> None:
        """Load and warm up the engines of ``kinds`` concurrently. Raises `WeightsMissing`."""
        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                if kind in kinds:
                    engine = self.of(kind)
                    group.create_task(engine.start(), name=f"start {engine.capabilities.name}")

    def states(self, kinds: Collection[str], refuses: Callable[[str], bool]) -> dict[str, dict[str, EngineState]]:
        """Return the state of each engine of the started ``kinds``; ``refuses`` tells whether a circuit is open."""
        found: dict[str, dict[str, EngineState]] = {}
        for kind in KINDS:
            if kind in kinds:
                working = [part.capabilities.name for part in members(self.of(kind))]
                names = dict.fromkeys((*self._configured.get(kind, ()), *working))
                found[kind] = {name: _state(kind, name, working, refuses) for name in names}
                if kind == "vad":  # only the first that starts is used
                    found[kind] = _with_reserve(found[kind])
        return found

    async def close(self) -> None:
        """Close all loaded engines; failures and timeouts are logged."""
        closing = {kind: asyncio.wait_for(engine.close(), _CLOSE_S) for kind, engine in self._made.items()}
        for kind, result in zip(closing, await asyncio.gather(*closing.values(), return_exceptions=True), strict=True):
            if isinstance(result, BaseException):
                _log.error("engine close failed", kind=kind, **error_fields(result))


def make_engines(
    settings: Settings,
    breakers: Breakers | None = None,
    on_tts_failover: Callable[[], None] = lambda: None,
    on_failure: Callable[[], None] = lambda: None,
) -> Engines:
    """Return the configured engines, none of them started; each is created on first use.

    ``on_tts_failover`` is called whenever speech fails over to another engine, ``on_failure`` for failures outside
    of calls.
    """
    context = replace(engine_context(settings), on_failure=on_failure)
    configured = {kind: getattr(settings, kind) for kind in KINDS}

    def make(kind: Kind) -> AnyEngine:
        stand_ins = StandIns(on_tts_failover) if kind == "tts" else None
        return load(kind, configured[kind], context, breakers, stand_ins)

    return Engines(make, configured)


def engine_context(settings: Settings) -> EngineContext:
    """Return the context that engines are created with."""
    return EngineContext(
        data_dir=settings.data_dir,
        offline=settings.offline,
        threads=settings.engine_threads,
        timeout_s=settings.provider_timeout_s,
        failover_s=settings.failover_s,
        settings=dict(settings),
        variables=variables_of(type(settings), type(settings).model_fields),
    )


def _state(kind: str, name: str, working: Collection[str], refuses: Callable[[str], bool]) -> EngineState:
    if name not in working:
        return "left_out"
    return "circuit_open" if refuses(f"{kind}:{name}") else "ok"


def _with_reserve(states: dict[str, EngineState]) -> dict[str, EngineState]:
    """Mark the engines after the first working one as reserve: they were not tried."""
    before: list[EngineState] = []
    for name, state in states.items():
        states[name] = "reserve" if state == "left_out" and "ok" in before else state
        before.append(state)
    return states
