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
"""Longest that an engine may take to end its threads and processes."""

_log = structlog.get_logger(__name__)

AnyEngine = SpeechToText | LanguageModel | TextToSpeech | Translation | VoiceActivity | EndOfTurn


class Engines:
    """One engine, or one failover chain, of each kind, which is loaded when it is first asked for."""

    def __init__(self, make: Callable[[Kind], AnyEngine], configured: Mapping[str, Sequence[str]]) -> None:
        """``configured`` are, by kind, the names that the settings say."""
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
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each kind says of itself."""
        return {kind: self.of(kind).capabilities for kind in KINDS}

    @property
    def first_names(self) -> Mapping[str, str]:
        """The engine of each kind that the settings ask first."""
        return {kind: names[0] for kind, names in self._configured.items() if names}

    def services(self, kinds: Collection[str]) -> dict[str, Checked]:
        """Return those of ``kinds`` whose service can be asked how it is, by endpoint: ``llm:openai``."""
        return {
            f"{kind}:{one.capabilities.name}": one
            for kind in KINDS
            for one in (members(self.of(kind)) if kind in kinds else ())
            if one.capabilities.has_check
        }

    async def start(self, kinds: Collection[str] = KINDS) -> None:
        """Load and warm up those of ``kinds``, side by side. Raises `WeightsMissing`."""
        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                if kind in kinds:
                    engine = self.of(kind)
                    group.create_task(engine.start(), name=f"start {engine.capabilities.name}")

    def states(self, kinds: Collection[str], refuses: Callable[[str], bool]) -> dict[str, dict[str, EngineState]]:
        """Return how each engine of the ``kinds``, which were started, is; ``refuses`` says whether a circuit does."""
        found: dict[str, dict[str, EngineState]] = {}
        for kind in KINDS:
            if kind in kinds:
                working = [part.capabilities.name for part in members(self.of(kind))]
                names = dict.fromkeys((*self._configured.get(kind, ()), *working))
                found[kind] = {name: _state(kind, name, working, refuses) for name in names}
                if kind == "vad":  # the first that starts works alone
                    found[kind] = _with_reserve(found[kind])
        return found

    async def close(self) -> None:
        """Free all that was loaded; an engine that fails to close, or does not return, is logged."""
        closing = {kind: asyncio.wait_for(engine.close(), _CLOSE_S) for kind, engine in self._made.items()}
        for kind, result in zip(closing, await asyncio.gather(*closing.values(), return_exceptions=True), strict=True):
            if isinstance(result, BaseException):
                _log.error("engine close failed", kind=kind, **error_fields(result))


def make_engines(
    settings: Settings,
    breakers: Breakers | None = None,
    on_other_voice: Callable[[], None] = lambda: None,
    on_failure: Callable[[], None] = lambda: None,
) -> Engines:
    """Return the engines that the settings name; each is made when it is asked for, and none is started.

    ``on_other_voice`` is called whenever another voice begins to stand in for one, ``on_failure`` for failures that
    no call can raise.
    """
    context = replace(engine_context(settings), on_failure=on_failure)
    configured = {kind: getattr(settings, kind) for kind in KINDS}

    def make(kind: Kind) -> AnyEngine:
        stand_ins = StandIns(on_other_voice) if kind == "tts" else None
        return load(kind, configured[kind], context, breakers, stand_ins)

    return Engines(make, configured)


def engine_context(settings: Settings) -> EngineContext:
    """Return what engines are told."""
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
    """Return the states, where engines behind the first that works were not tried."""
    before: list[EngineState] = []
    for name, state in states.items():
        states[name] = "reserve" if state == "left_out" and "ok" in before else state
        before.append(state)
    return states
