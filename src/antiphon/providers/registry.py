"""Engines by name, from the entry points ``antiphon.<kind>`` of this and other packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, overload

import structlog

from antiphon.errors import InvalidRequest, NotFound, WeightsMissing
from antiphon.ports.breakers import Breakers
from antiphon.ports.embedding import Embedding
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.stt import SpeechToText
from antiphon.ports.translation import Translation
from antiphon.ports.tts import TextToSpeech
from antiphon.ports.vad import VoiceActivity
from antiphon.ports.workers import WorkerSettings
from antiphon.providers.chains.embedding import EmbeddingChain
from antiphon.providers.chains.kinds import (
    Chain,
    EndOfTurnChain,
    LlmChain,
    SttChain,
    TranslationChain,
    TtsChain,
    VadChain,
)
from antiphon.providers.chains.stand_ins import StandIns
from antiphon.providers.install_hints import install_hint

_log = structlog.get_logger(__name__)

Kind = Literal["stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding"]

_CHAINS: dict[str, Callable[..., Any]] = {
    "stt": SttChain,
    "llm": LlmChain,
    "tts": TtsChain,
    "translation": TranslationChain,
    "vad": VadChain,
    "end_of_turn": EndOfTurnChain,
    "embedding": EmbeddingChain,
}


@overload
def load(
    kind: Literal["stt"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> SpeechToText: ...
@overload
def load(
    kind: Literal["llm"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> LanguageModel: ...
@overload
def load(
    kind: Literal["tts"],
    names: Sequence[str],
    context: EngineContext,
    breakers: Breakers | None = None,
    stand_ins: StandIns | None = None,
) -> TextToSpeech: ...
@overload
def load(
    kind: Literal["translation"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> Translation: ...
@overload
def load(
    kind: Literal["vad"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> VoiceActivity: ...
@overload
def load(
    kind: Literal["end_of_turn"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> EndOfTurn: ...
@overload
def load(
    kind: Literal["embedding"], names: Sequence[str], context: EngineContext, breakers: Breakers | None = None
) -> Embedding: ...
@overload
def load(
    kind: Kind,
    names: Sequence[str],
    context: EngineContext,
    breakers: Breakers | None = None,
    stand_ins: StandIns | None = None,
) -> Any: ...
def load(
    kind: Kind,
    names: Sequence[str],
    context: EngineContext,
    breakers: Breakers | None = None,
    stand_ins: StandIns | None = None,
) -> Any:
    """Make the engine in ``names``, or a failover chain of several; it is not started yet.

    One name gives a chain of one, which records its calls as spans and uses the circuit of a service; without
    ``breakers``, and for voice activity (its streams are not calls), it gives the engine itself. In a chain of
    several, an engine whose library or weights are missing is left out with a warning; ``stand_ins`` records which
    engine answers in place of another. Raises `NotFound` for an unknown name, `InvalidRequest` for no name, and
    `WeightsMissing` when no engine could be made; each message says what to do.
    """
    if not names:
        raise InvalidRequest(f"no {kind} engine is configured: choose from {_known(kind)}", param=kind)
    points = [_entry_point(kind, name, context.variable(kind)) for name in names]
    engines: list[Any] = []
    reasons: list[str] = []
    missing = ""
    for point in points:
        try:
            engines.append(_create(point, context))
        except WeightsMissing as exc:
            reasons.append(str(exc))
            if len(points) > 1:
                _log.warning("engine left out", kind=kind, engine=point.name, reason=exc.message)
                missing = missing or ("" if engines else point.name)
    if not engines:
        raise WeightsMissing("; ".join(reasons))
    is_single = len(engines) == 1 and not (stand_ins and missing)
    if is_single and (breakers is None or kind == "vad"):
        return engines[0]
    has_circuits = not is_single or engines[0].capabilities.is_remote
    answers = context.section(WorkerSettings).llm_workers if kind == "llm" else None
    return _CHAINS[kind](
        engines,
        breakers=breakers if has_circuits else None,
        failover_s=context.failover_s,
        local_at_once=answers,
        missing=missing,
        stand_ins=stand_ins,
    )


def members(engine: Any) -> tuple[Any, ...]:
    """Return the engines of a chain in the order in which they are tried; a single engine alone."""
    return engine.engines if isinstance(engine, Chain) else (engine,)


def names_of(kind: Kind) -> list[str]:
    """Return the names of all installed engines of a kind, sorted."""
    return sorted({point.name for point in entry_points(group=f"antiphon.{kind}")})


def _entry_point(kind: Kind, name: str, variable: str) -> EntryPoint:
    found = [point for point in entry_points(group=f"antiphon.{kind}") if point.name == name]
    if not found:
        raise NotFound(
            f"no {kind} engine is called {name!r}; installed are {_known(kind)} ({variable}, a comma-separated chain)",
            param=kind,
        )
    return found[0]


def _create(point: EntryPoint, context: EngineContext) -> Any:
    try:
        return point.load()(context)
    except ImportError as exc:
        if (exc.name or "").partition(".")[0] == "antiphon":
            raise  # our own module is broken; installing a package would not help
        raise WeightsMissing(install_hint(point.name, exc), code="engine_not_installed") from exc


def _known(kind: Kind) -> str:
    return ", ".join(names_of(kind)) or "none"
