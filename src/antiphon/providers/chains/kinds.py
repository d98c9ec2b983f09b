"""Failover chains: several engines of one kind behind the port of one (``ANTIPHON_LLM=smollm2,rules``).

At the start an engine whose weights or library are missing is left out; a warning says how to install them.
A call moves on to the next engine when one fails before its first result, or a service delivers none in time.
After the first result the error is raised; only the text of an LLM is continued by the next engine.
An engine whose circuit is open is skipped at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

import structlog

from antiphon.clock import Clock, SystemClock
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatEvent, ChatRequest
from antiphon.entities.speech import Pcm, Segment, SpeechChunk, Transcript
from antiphon.errors import AntiphonError, ProviderTimeout, ProviderUnavailable, Unsupported, WeightsMissing
from antiphon.observe.failures import error_fields
from antiphon.observe.trace import leaf_span
from antiphon.ports.breakers import Breakers, Endpoint, Ticket
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.ports.engine import Engine, answered_by
from antiphon.ports.llm import LanguageModel
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.ports.translation import Translation
from antiphon.ports.tts import SpeakOptions, TextToSpeech
from antiphon.ports.vad import VoiceActivity, VoiceStream
from antiphon.providers.chains.calls import CallQueue, EngineCall
from antiphon.providers.chains.stand_ins import StandIns
from antiphon.providers.install_hints import install_hint
from antiphon.resilience.breaker import blame
from antiphon.resilience.failover import Failover, moves_on
from antiphon.resilience.joined_answer import JoinedAnswer
from antiphon.resilience.priority_semaphore import PrioritySemaphore

_log = structlog.get_logger(__name__)


class _NoResult:
    """Stands for the first result of a call that has none."""


_NO_RESULT = _NoResult()


E = TypeVar("E", bound=Engine)
T = TypeVar("T")
V = TypeVar("V")


def _never() -> bool:
    return False


class Chain(Generic[E]):
    """Engines in the order in which they are tried; engines that did not start are left out."""

    kind: ClassVar[str]
    """The first word of its engines' endpoints: ``llm`` of ``llm:openai``."""

    def __init__(
        self,
        engines: Sequence[E],
        *,
        clock: Clock | None = None,
        breakers: Breakers | None = None,
        failover_s: float = 5.0,
        local_at_once: int | None = None,
        missing: str = "",
        stand_ins: StandIns | None = None,
    ) -> None:
        """``failover_s`` bounds the wait for a service's first result while another engine is available.

        Each engine in this process handles ``local_at_once`` calls at a time; None: the engine has its own bound.
        ``missing`` names the engine that should be first but could not be created; ``stand_ins`` records which
        engine answers in place of another.
        """
        if not engines:
            raise ValueError("a chain needs an engine")
        self._engines = list(engines)
        self._clock = clock or SystemClock()
        self._breakers = breakers
        self._failover_s = failover_s
        self._failover = Failover(len(engines))
        self._turns = {
            id(engine): PrioritySemaphore(local_at_once)
            for engine in engines
            if local_at_once is not None and not engine.capabilities.is_remote
        }
        self._missing = missing
        self._stand_ins = stand_ins

    @property
    def engines(self) -> tuple[E, ...]:
        """The engines in the order in which they are tried."""
        return tuple(self._engines)

    @property
    def capabilities(self) -> Capabilities:
        """The first engine's, with the models, voices and languages of all; remote if one of them is."""
        every = [engine.capabilities for engine in self._engines]
        any_language = not all(one.languages for one in every)
        return replace(
            every[0],
            models=_union(one.models for one in every),
            voices=_union(one.voices for one in every),
            languages=() if any_language else _union(one.languages for one in every),
            is_remote=any(one.is_remote for one in every),
        )

    async def start(self) -> None:
        """Start all engines and leave out those that fail. Raises `WeightsMissing` when none starts."""
        if len(self._engines) == 1:
            await self._engines[0].start()
        else:
            started = [engine for engine in self._engines if await self._starts(engine)]
            if not started:
                raise self._none_started()
            if started[0] is not self._engines[0]:
                self._missing = self._missing or self._engines[0].capabilities.name
            self._engines = started
            self._failover = Failover(len(started))
        if self._missing and self._stand_ins is not None:
            self._stand_ins.answered(self._missing, self._engines[0].capabilities.name)

    async def close(self) -> None:
        """Close all engines; idempotent."""
        for engine in self._engines:
            await engine.close()

    def _none_started(self) -> AntiphonError:
        names = ", ".join(engine.capabilities.name for engine in self._engines)
        return WeightsMissing(f"no engine of the chain could start ({names}); the warnings before say why")

    def _all_refused(self) -> AntiphonError:
        # the code of a failed call: the client can react to both in the same way
        names = ", ".join(engine.capabilities.name for engine in self._engines)
        return ProviderUnavailable(f"all engines of the chain kept failing ({names}) and are left alone for a while")

    async def _starts(self, engine: E) -> bool:
        name = engine.capabilities.name
        try:
            await engine.start()
        except (WeightsMissing, ProviderUnavailable) as exc:
            _log.warning("engine left out", engine=name, reason=str(exc))
            return False
        except ImportError as exc:
            _log.warning("engine left out", engine=name, reason=install_hint(name, exc))
            return False
        return True

    async def _stream(
        self,
        call: Callable[[E], AsyncIterator[T]],
        among: Container[E] | None = None,
        leader: int | None = None,
        *,
        extra_s: float = 0.0,
        can_continue: Callable[[], bool] = _never,
    ) -> AsyncIterator[T]:
        """Relay one engine's results; try the next engine when one fails before its first.

        Only the engines in ``among`` are tried (None: all), the one at position ``leader`` first. A first result may
        take ``extra_s`` longer than usual before it counts as slow. ``can_continue`` tells whether another engine's
        results may follow those already delivered; by default they may not.
        """
        failure: AntiphonError | None = None
        order = self._failover.order(self._clock.now(), leader)
        queue = CallQueue([at for at in order if among is None or self._engines[at] in among], self._admit)
        while (admitted := await queue.next()) is not None:
            index, ticket = admitted
            attempt = EngineCall(self._clock, extra_s)
            try:
                async with (
                    self._reporting(ticket, attempt),
                    self._room(self._engines[index], attempt),
                    _closing(call(self._engines[index])) as results,
                ):
                    first = await self._first(index, results, queue)
                    if not isinstance(first, _NoResult):
                        attempt.deliver()
                        engine = self._engines[index].capabilities
                        answered_by.set(engine)
                        if self._stand_ins is not None:
                            self._stand_ins.answered(self._wanted(among, leader), engine.name)
                        yield first
                        async for result in results:
                            yield result
            except AntiphonError as exc:
                self._note(index, exc)
                if not moves_on(exc, delivered=attempt.delivered and not can_continue()):
                    raise
                if failure is None or not isinstance(exc, Unsupported):  # it must not hide a real failure
                    failure = exc
            else:
                self._failover.succeeded(index)
                return
        raise failure or self._all_refused()

    def _wanted(self, among: Container[E] | None, leader: int | None) -> str:
        """Return the name of the engine that answers such a call when no engine fails."""
        if among is None and leader is None and self._missing:
            return self._missing
        able = [at for at, engine in enumerate(self._engines) if among is None or engine in among]
        return self._engines[leader if leader in able else able[0]].capabilities.name

    async def _first(self, index: int, results: AsyncIterator[T], queue: CallQueue) -> T | _NoResult:
        """Return the first result. Raises `ProviderTimeout` for a slow service while another engine is available.

        Local engines and engines that answer in one piece are not timed: their time grows with the request.
        """
        capabilities = self._engines[index].capabilities
        if not (capabilities.is_remote and capabilities.streams and queue):
            return await anext(results, _NO_RESULT)
        coming = asyncio.ensure_future(_next(results))
        try:
            await asyncio.wait((coming,), timeout=self._failover_s)
            if not coming.done() and await queue.has_next():
                raise ProviderTimeout(f"{capabilities.name} gave no first result within {self._failover_s:g} s")
            return await coming
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _answer(self, call: Callable[[E], Awaitable[T]], among: Container[E] | None = None) -> T:
        """Return one engine's answer; try the next engine in ``among`` when one fails."""

        async def once(engine: E) -> AsyncIterator[T]:
            yield await call(engine)

        async with _closing(self._stream(once, among)) as answers:
            (answer,) = [answer async for answer in answers]  # read to the end, so that it counts as a success
        return answer

    async def _admit(self, index: int) -> Ticket | None:
        """Return a ticket of the engine's circuit, None without one. Raises `ProviderUnavailable` if it is open."""
        if self._breakers is None:
            return None
        capabilities = self._engines[index].capabilities
        return await self._breakers.admit(Endpoint(f"{self.kind}:{capabilities.name}", capabilities.is_remote))

    @asynccontextmanager
    async def _room(self, engine: E, attempt: EngineCall) -> AsyncGenerator[None]:
        """Wait until the engine has room for the call, and mark its start."""
        turns = self._turns.get(id(engine))
        async with nullcontext() if turns is None else turns.turn():
            attempt.begin()
            with leaf_span("engine.call", kind=self.kind, engine=engine.capabilities.name) as call:
                try:
                    yield
                finally:
                    call.set(first_s=attempt.first_s())

    @asynccontextmanager
    async def _reporting(self, ticket: Ticket | None, attempt: EngineCall) -> AsyncGenerator[None]:
        """Report the outcome of the block to the circuit, exactly once."""
        ok: bool | None = True
        try:
            yield
        except BaseException as exc:
            ok = blame(exc, delivered=attempt.delivered)
            raise
        finally:
            if self._breakers is not None and ticket is not None:
                await self._breakers.report(ticket, ok, took_s=attempt.first_s())

    def _note(self, index: int, error: AntiphonError) -> None:
        if moves_on(error, delivered=False):
            self._failover.failed(index, error, self._clock.now())
            name = self._engines[index].capabilities.name
            _log.warning("engine failed", engine=name, **error_fields(error))


class SttChain(Chain[SpeechToText]):
    """Several engines as one `SpeechToText`."""

    kind = "stt"

    def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Transcribe with the first engine that can."""
        return self._stream(lambda engine: engine.transcribe(audio, options), extra_s=audio.duration_s)


class LlmChain(Chain[LanguageModel]):
    """Several engines as one `LanguageModel`: when one fails in mid-answer, the next continues its text."""

    kind = "llm"

    @property
    def capabilities(self) -> Capabilities:
        """The first engine's, with the models and languages of all."""
        return replace(super().capabilities, continues=True)

    def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Answer with the first engine that delivers text or a tool call."""
        answer = JoinedAnswer(request)
        return self._stream(answer.by, can_continue=answer.can_continue)


class TtsChain(Chain[TextToSpeech]):
    """Several engines as one `TextToSpeech`; each engine maps voices that it does not have.

    A request with a language goes to the engines that speak it, or to all if none does: an accent is better than
    silence. If exactly one engine has the requested voice, it is tried first.
    """

    kind = "tts"

    def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Speak with the first engine that can."""
        among, leader = self._route(options.language, options.voice) if options.language else (None, None)
        return self._stream(lambda engine: engine.synthesize(text, options), among, leader)

    def _route(self, language: str, voice: str) -> tuple[Sequence[TextToSpeech] | None, int | None]:
        """Return the engines that speak the language (None if none does) and the position of the voice's owner.

        The voice selects its owner only if a language is given: ``alloy`` is the default voice of conversations,
        and a default must not bypass the engine configured first.
        """
        every = [engine.capabilities for engine in self._engines]
        speakers = [engine for engine, one in zip(self._engines, every, strict=True) if one.speaks(language)]
        owners = [at for at, one in enumerate(every) if voice in {own.id for own in one.voices}]
        return speakers or None, owners[0] if len(owners) == 1 else None


class TranslationChain(Chain[Translation]):
    """Several engines as one `Translation`; each pair of languages goes to the engines that have it."""

    kind = "translation"

    def has_pair(self, source: str | None, target: str) -> bool:
        """Return whether any engine has the pair."""
        return any(engine.has_pair(source, target) for engine in self._engines)

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate with the first engine that has the pair and succeeds. Raises `Unsupported` when none has it."""
        if not text.strip():
            return ""
        able = [engine for engine in self._engines if engine.has_pair(source, target)]
        if not able:
            names = ", ".join(engine.capabilities.name for engine in self._engines)
            raise Unsupported(f"no engine translates from {source or 'a detected language'} to {target} ({names})")
        return await self._answer(lambda engine: engine.translate(text, source=source, target=target), able)


class EndOfTurnChain(Chain[EndOfTurn]):
    """Several engines as one `EndOfTurn`."""

    kind = "end_of_turn"

    async def score(self, audio: Pcm) -> float:
        """Score with the first engine that can."""
        return await self._answer(lambda engine: engine.score(audio))


class VadChain(Chain[VoiceActivity]):
    """A `VoiceActivity` of the first engine that starts: a stream cannot change its detector."""

    kind = "vad"

    async def start(self) -> None:
        """Start engines until one succeeds. Raises `WeightsMissing` when none does."""
        for engine in self._engines:
            if await self._starts(engine):
                self._engines = [engine]
                return
        raise self._none_started()

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> VoiceStream:
        """Open a stream of the engine that started."""
        return self._engines[0].open(on_scores)


async def _next(results: AsyncIterator[T]) -> T | _NoResult:
    return await anext(results, _NO_RESULT)


@asynccontextmanager
async def _closing(results: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Close the iterator if it is a generator, so that cancelling reaches the engine at once."""
    try:
        yield results
    finally:
        if isinstance(results, AsyncGenerator):
            await results.aclose()


def _union(parts: Iterable[tuple[V, ...]]) -> tuple[V, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))
