"""Chains move on before the first result, and after it only where the next engine continues the text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, ToolCallDelta
from antiphon.entities.speech import Pcm, SpeechChunk, Transcript
from antiphon.errors import (
    InvalidRequest,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    Unsupported,
    WeightsMissing,
)
from antiphon.observe.trace import MemorySink, recording, span
from antiphon.ports.breakers import Endpoint, Ticket
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.chains.kinds import LlmChain, SttChain, TranslationChain, TtsChain, VadChain
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.embedded_breakers import EmbeddedBreakers
from tests.fakes.engines import ScriptedLlm, ScriptedTts
from tests.unit.providers.chains.stage import ASKED, Engine, Hanging, Speaker, said, spoken
from tests.virtual_time import on_virtual_time


async def test_the_first_engine_answers_while_it_can() -> None:
    first, second = Engine("a"), Engine("b")
    assert await said(LlmChain([first, second])) == "a"
    assert second.asked == 0


@pytest.mark.parametrize("error", [ProviderTimeout("slow"), ProviderRejected("key"), Unsupported("no")])
async def test_a_failure_before_the_first_result_moves_on_with_a_warning(error: Exception) -> None:
    with capture_logs() as logs:
        assert await said(LlmChain([Engine("a", fail=error), Engine("b")])) == "b"
    assert [(entry["engine"], entry["error"]) for entry in logs] == [("a", type(error).__name__)]


async def test_an_engine_that_answers_nothing_is_a_failure_before_anything_is_heard() -> None:
    silent = ScriptedLlm([TextDelta(" "), ChatDone("stop")])
    with capture_logs() as logs:
        assert await said(LlmChain([silent, Engine("b")])) == "b"
    assert [(entry["event"], entry["engine"]) for entry in logs] == [("engine failed", "scripted")]
    assert silent.left == 1


async def test_what_a_service_said_of_its_failure_is_logged_as_words_of_people() -> None:
    error = ProviderRejected("a answered 422", detail="input: my card is 1234")
    with capture_logs() as logs:
        assert await said(LlmChain([Engine("a", fail=error), Engine("b")])) == "b"
    (line,) = logs
    assert (line["reason"], line.pop("pii.detail")) == ("a answered 422", "input: my card is 1234")
    assert "1234" not in repr(line)


async def test_an_engine_that_fails_among_its_words_is_followed_by_one_that_goes_on_with_them() -> None:
    second = ScriptedLlm([TextDelta("noon. The"), TextDelta(" sun is high."), ChatDone("stop", 9, 5)])
    first = ScriptedLlm([TextDelta("It is"), TextDelta(" noon."), ProviderTimeout("late")])
    chain = LlmChain([first, second])
    with capture_logs() as logs:
        *words, done = [event async for event in chain.respond(ASKED)]
    assert words == [TextDelta("It is"), TextDelta(" noon."), TextDelta(" The"), TextDelta(" sun is high.")]
    assert done == ChatDone("stop", 9, 4 + 5)
    assert [(entry["event"], entry["error"]) for entry in logs] == [("engine failed", "ProviderTimeout")]
    assert first.left == second.left == 1
    ((asked,),) = second.asked
    assert asked.messages[:2] == (*ASKED.messages, ChatMessage("assistant", "It is noon."))
    assert (asked.messages[2].role, asked.prefix) == ("user", "")


async def test_an_engine_that_continues_is_given_the_words_as_they_are() -> None:
    class Continuing(ScriptedLlm):
        capabilities = Capabilities("continuing", continues=True)

    second = Continuing([TextDelta(" It is"), TextDelta(" noon."), ChatDone("stop")])
    assert await said(LlmChain([Engine("a", fail=ProviderBusy("no"), after=2), second])) == "aa It is noon."
    assert second.asked == [(replace(ASKED, prefix="aa"),)]


async def test_each_engine_is_asked_once_for_an_answer_and_the_last_failure_rises() -> None:
    engines = [ScriptedLlm([TextDelta(f"{word} "), ProviderBusy(word)]) for word in ("one", "two", "three")]
    events = aiter(LlmChain(engines).respond(ASKED))
    assert [await anext(events) for _ in engines] == [TextDelta("one "), TextDelta("two "), TextDelta("three ")]
    with pytest.raises(ProviderBusy, match="three"):
        await anext(events)
    assert [len(engine.asked) for engine in engines] == [1, 1, 1]


async def test_an_engine_that_cannot_go_on_does_not_hide_why_the_others_failed() -> None:
    with pytest.raises(ProviderTimeout, match="late"):
        await said(LlmChain([Engine("a", fail=ProviderTimeout("late"), after=1), Engine("b", fail=Unsupported("no"))]))


async def test_a_failure_in_the_middle_of_a_call_rises() -> None:
    second = Engine("b")
    first = ScriptedLlm([TextDelta("Wait."), ToolCallDelta(0, "call", "f", "{"), ProviderTimeout("late")])
    with pytest.raises(ProviderTimeout, match="late"):
        await said(LlmChain([first, second]))
    assert second.asked == 0


async def test_other_kinds_of_engines_are_not_followed_after_a_first_result() -> None:
    second = ScriptedTts([SpeechChunk(Pcm(b"", 24_000), "b")])
    first = ScriptedTts([SpeechChunk(Pcm(b"", 24_000), "a"), ProviderTimeout("late")])
    with pytest.raises(ProviderTimeout, match="late"):
        async for _ in TtsChain([first, second]).synthesize("hi", SpeakOptions()):
            pass
    assert second.asked == []


async def test_an_error_of_the_request_is_not_tried_elsewhere() -> None:
    second = Engine("b")
    with pytest.raises(InvalidRequest):
        await said(LlmChain([Engine("a", fail=InvalidRequest("bad")), second]))
    assert second.asked == 0


async def test_the_last_failure_rises_when_all_fail() -> None:
    chain = LlmChain([Engine("a", fail=ProviderTimeout("a")), Engine("b", fail=ProviderRejected("b"))])
    with pytest.raises(ProviderRejected, match="b"):
        await said(chain)


async def test_a_failed_engine_rests_and_comes_back() -> None:
    clock = VirtualClock()
    first = Engine("a", fail=ProviderTimeout("slow"))
    chain = LlmChain([first, Engine("b")], clock=clock)
    assert await said(chain) + await said(chain) == "bb"
    assert first.asked == 1
    first.error = None
    clock.advance(1.1)
    assert await said(chain) == "a"


async def test_closing_the_chain_s_iterator_closes_the_engine_s() -> None:
    first = Engine("a", after=5)
    results = LlmChain([first, Engine("b")]).respond(ASKED)
    await anext(results)
    await results.aclose()  # a generator behind the port's type
    assert first.left == 1


async def test_cancelling_reaches_the_engine() -> None:
    slow, second = Hanging("a"), Engine("b")
    task = asyncio.create_task(said(LlmChain([slow, second])), name="reader")
    await slow.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (slow.left, second.asked) == (1, 0)


@pytest.mark.parametrize(
    "error",
    [
        WeightsMissing("antiphon models pull"),
        ModuleNotFoundError("no", name="xllamacpp"),
        ProviderUnavailable("x"),
    ],
)
async def test_an_engine_that_cannot_start_is_left_out_with_the_command_that_mends_it(
    error: Exception,
) -> None:
    chain = LlmChain([Engine("a", start=error), Engine("b")])
    with capture_logs() as logs:
        await chain.start()
    assert chain.capabilities.name == "b"
    assert await said(chain) == "b"
    hint = "antiphon[local]" if isinstance(error, ImportError) else str(error)
    assert hint in logs[0]["reason"]


async def test_no_engine_that_starts_is_an_error() -> None:
    with pytest.raises(WeightsMissing, match="a, b"):
        await LlmChain([Engine("a", start=WeightsMissing("x")), Engine("b", start=WeightsMissing("y"))]).start()


async def test_capabilities_are_joined_in_order() -> None:
    capabilities = LlmChain([Engine("a"), Engine("b")]).capabilities
    assert capabilities.models == ("a", "b")
    assert [voice.id for voice in capabilities.voices] == ["a", "b"]
    assert capabilities.languages == ("en", "a", "b")


async def test_a_pair_of_languages_that_one_engine_has_not_goes_to_the_next() -> None:
    first = Engine("a", fail=Unsupported("en to ja"))
    chain = TranslationChain([first, Engine("b")])
    assert await chain.translate("hi", source="en", target="ja") == "b:hi"
    assert await chain.translate("hi", source="en", target="ja") == "b:hi"
    assert first.asked == 2


async def test_only_engines_that_have_the_pair_are_asked_first_to_last() -> None:
    engines = [Engine("a"), Engine("b", fail=ProviderTimeout("slow")), Engine("c")]
    engines[0].pairs = {("en", "pt")}
    chain = TranslationChain(engines)
    assert await chain.translate("hi", source="en", target="es") == "c:hi"
    assert await chain.translate("hi", source="en", target="pt") == "a:hi"
    assert [engine.asked for engine in engines] == [1, 1, 1]


@pytest.mark.parametrize("source", ["en", None])
async def test_a_pair_that_no_engine_has_is_unsupported_and_nobody_is_asked(source: str | None) -> None:
    engines = [Engine("a"), Engine("b")]
    engines[0].pairs, engines[1].pairs = {("en", "pt")}, {("es", "en")}
    chain = TranslationChain(engines)
    assert chain.has_pair("es", "en")
    assert not chain.has_pair(source, "ja")
    with pytest.raises(Unsupported, match=rf"{source or 'detected'}.* to ja \(a, b\)"):
        await chain.translate("hi", source=source, target="ja")
    assert await chain.translate("  ", source=source, target="ja") == ""
    assert [engine.asked for engine in engines] == [0, 0]


@pytest.mark.parametrize(
    ("language", "speaker"),
    [("es", "b"), ("ES-mx", "b"), ("pt-BR", "c"), ("en", "a"), ("ja", "a"), (None, "a"), ("", "a")],
)
async def test_only_voices_that_speak_the_language_are_asked_and_all_where_none_does(
    language: str | None, speaker: str
) -> None:
    chain = TtsChain([Speaker("a", "en"), Speaker("b", "en", "es"), Speaker("c", "es", "pt")])
    assert await spoken(chain, language=language) == f"{speaker}:{language}:hi"


async def test_a_voice_that_speaks_any_language_is_asked_in_its_place() -> None:
    chain = TtsChain([Speaker("a", "en"), Speaker("b"), Speaker("c", "es")])
    assert await spoken(chain, language="es") == "b:es:hi"


async def test_an_engine_without_the_language_is_not_asked_even_when_the_others_fail() -> None:
    english = Speaker("a", "en")
    chain = TtsChain([english, Speaker("b", "es", fail=ProviderBusy("full"))])
    with pytest.raises(ProviderBusy, match="full"):
        await spoken(chain, language="es")
    assert english.asked == 0


@pytest.mark.parametrize(
    ("language", "voice", "speaker"),
    [
        ("es", "lola", "c"),
        ("es", "shared", "b"),
        ("es", "nobody", "b"),
        ("en", "lola", "a"),
        (None, "lola", "a"),
    ],
)
async def test_who_alone_has_the_voice_comes_first_of_those_that_speak_the_language(
    language: str | None, voice: str, speaker: str
) -> None:
    speakers = [
        Speaker("a", "en", voice="shared"),
        Speaker("b", "es", voice="shared"),
        Speaker("c", "es", voice="lola"),
    ]
    assert (await spoken(TtsChain(speakers), language=language, voice=voice)).startswith(f"{speaker}:")


async def test_the_owner_of_a_voice_that_fails_is_the_next_one_s_chance() -> None:
    chain = TtsChain([Speaker("a", "es"), Speaker("b", "es", voice="lola", fail=ProviderTimeout("slow"))])
    assert await spoken(chain, language="es", voice="lola") == "a:es:hi"


async def test_a_detector_is_the_first_that_starts_and_no_other_is_loaded() -> None:
    engines = [Engine("a", start=WeightsMissing("x")), Engine("b"), Engine("c")]
    chain = VadChain(engines)
    await chain.start()
    with pytest.raises(NotImplementedError, match="b"):
        chain.open(lambda _: None)
    assert engines[2].started == 0
    await chain.close()
    assert engines[1].closed == 1


async def test_a_chain_of_one_that_cannot_start_says_why_itself() -> None:
    with pytest.raises(ProviderUnavailable, match="no key"):
        await LlmChain([Engine("a", start=ProviderUnavailable("no key"))]).start()


# -- circuits --------------------------------------------------------------------------------------------------------


class Noted(EmbeddedBreakers):
    """Breakers that note what they are asked and told; both take a turn of the loop, as over a network."""

    def __init__(self, clock: VirtualClock, failures: int = 2) -> None:
        super().__init__(BreakerRule(failures=failures, open_s=30.0, slow_s=5.0), clock)
        self.asked: list[Endpoint] = []
        self.told: list[tuple[str, bool | None]] = []

    async def admit(self, endpoint: Endpoint) -> Ticket:
        await asyncio.sleep(0)
        self.asked.append(endpoint)
        return await super().admit(endpoint)

    async def report(self, ticket: Ticket, ok: bool | None, *, took_s: float = 0.0) -> None:
        await asyncio.sleep(0)
        self.told.append((ticket.endpoint.name, ok))
        await super().report(ticket, ok, took_s=took_s)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def breakers(clock: VirtualClock) -> Noted:
    return Noted(clock)


async def test_an_engine_whose_circuit_is_open_is_passed_over_until_a_probe_succeeds(
    clock: VirtualClock, breakers: Noted
) -> None:
    first = Engine("a", fail=ProviderTimeout("dead"))
    chain = LlmChain([first, Engine("b")], clock=clock, breakers=breakers)
    for _ in range(10):
        assert await said(chain) == "b"
        clock.advance(2.9)
    assert first.asked == 2
    first.error = None
    clock.advance(30)
    assert await said(chain) + await said(chain) == "aa"


async def test_each_call_is_reported_once_with_what_it_says_of_the_endpoint(
    clock: VirtualClock, breakers: Noted
) -> None:
    engines = [Engine("a", fail=ProviderBusy("full")), Engine("b")]
    assert await said(LlmChain(engines, clock=clock, breakers=breakers)) == "b"
    assert breakers.told == [("llm:a", False), ("llm:b", True)]


@pytest.mark.parametrize(
    ("error", "after", "ok"),
    [
        (InvalidRequest("bad"), 0, None),
        (ProviderTimeout("late"), 1, False),
        (ProviderTimeout("dead"), 0, False),
        (ValueError("a fault of ours"), 0, None),
    ],
)
async def test_a_call_that_fails_is_reported_by_its_error(
    clock: VirtualClock, breakers: Noted, error: Exception, after: int, ok: bool | None
) -> None:
    with pytest.raises(type(error)):
        await said(LlmChain([Engine("a", fail=error, after=after)], clock=clock, breakers=breakers))
    assert breakers.told == [("llm:a", ok)]


async def test_a_listener_that_stops_after_the_first_result_says_that_the_engine_works(
    clock: VirtualClock, breakers: Noted
) -> None:
    results = LlmChain([Engine("a", after=5)], clock=clock, breakers=breakers).respond(ASKED)
    await anext(results)
    await results.aclose()  # a generator behind the port's type
    assert breakers.told == [("llm:a", True)]


async def test_a_call_that_is_cancelled_before_its_first_result_says_nothing(
    clock: VirtualClock, breakers: Noted
) -> None:
    silent = Hanging("a")
    task = asyncio.create_task(said(LlmChain([silent], clock=clock, breakers=breakers)), name="reader")
    await silent.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breakers.told == [("llm:a", None)]


async def test_what_counts_is_how_long_the_first_result_took_not_how_long_one_listens(
    clock: VirtualClock, breakers: Noted
) -> None:
    class Late(Engine):
        async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
            self.asked += 1
            clock.advance(self.after)
            yield TextDelta(self.capabilities.name)
            yield ChatDone("stop")

    late = Late("a", after=4)
    chain = LlmChain([late, Engine("b")], clock=clock, breakers=breakers)
    for _ in range(3):
        async for _ in chain.respond(ASKED):
            clock.advance(60)  # a listener who takes his time
    assert late.asked == 3
    late.after = 6
    assert await said(chain) + await said(chain) + await said(chain) == "aab"


async def test_when_all_circuits_are_open_the_call_fails_at_once(clock: VirtualClock, breakers: Noted) -> None:
    engines = [Engine("a", fail=ProviderTimeout("a")), Engine("b", fail=ProviderTimeout("b"))]
    chain = LlmChain(engines, clock=clock, breakers=breakers)
    for _ in range(2):
        with pytest.raises(ProviderTimeout):
            await said(chain)
    with pytest.raises(ProviderUnavailable, match=r"a, b.*left alone"):
        await said(chain)
    assert [engine.asked for engine in engines] == [2, 2]


async def test_the_error_of_an_engine_that_was_asked_outweighs_an_open_circuit(
    clock: VirtualClock, breakers: Noted
) -> None:
    engines = [Engine("a", fail=ProviderTimeout("a")), Engine("b")]
    chain = LlmChain(engines, clock=clock, breakers=breakers)
    for _ in range(2):
        await said(chain)
        clock.advance(5)
    engines[1].error = ProviderBusy("b is full")
    with pytest.raises(ProviderBusy, match="b is full"):
        await said(chain)


async def test_an_answer_in_one_piece_ends_a_row_of_failures(clock: VirtualClock, breakers: Noted) -> None:
    first = Engine("a", fail=ProviderTimeout("a"))
    chain = TranslationChain([first, Engine("b")], clock=clock, breakers=breakers)
    for error in (first.error, None, first.error, None):
        first.error = error
        await chain.translate("hi", source="en", target="ja")
        clock.advance(5)
    assert [ok for name, ok in breakers.told if name == "translation:a"] == [False, True, False, True]


async def test_services_share_their_circuit_and_engines_of_this_process_do_not(
    clock: VirtualClock, breakers: Noted
) -> None:
    service = Engine("a", fail=ProviderTimeout("a"))
    service.capabilities = Capabilities("a", is_remote=True)
    await said(LlmChain([service, Engine("b")], clock=clock, breakers=breakers))
    assert breakers.asked == [Endpoint("llm:a", is_shared=True), Endpoint("llm:b", is_shared=False)]


@on_virtual_time
async def test_a_service_that_hangs_costs_five_seconds_and_not_its_whole_deadline(clock: VirtualClock) -> None:
    hanging = Hanging("a")
    hanging.capabilities = Capabilities("a", is_remote=True, streams=True)
    chain = LlmChain([hanging, Engine("b")], clock=clock, failover_s=5.0)
    begin = clock.now()
    assert await said(chain) == "b"
    assert clock.now() - begin == 5.0
    assert hanging.left == 1
    assert await said(chain) == "b"
    assert (clock.now() - begin, hanging.asked) == (5.0, 1), "who has hung is asked last for a while"


@on_virtual_time
async def test_the_last_engine_and_those_that_run_here_have_all_their_time(clock: VirtualClock) -> None:
    here, last = Hanging("a"), Hanging("b")
    last.capabilities = Capabilities("b", is_remote=True, streams=True)
    for engines in ([here, Engine("b")], [Engine("a", fail=ProviderTimeout("a")), last]):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await said(LlmChain(engines, clock=clock, failover_s=5.0))


@on_virtual_time
async def test_once_a_service_has_begun_to_speak_it_has_its_time(clock: VirtualClock) -> None:
    class Slow(Engine):
        async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
            for _ in range(3):
                await asyncio.sleep(4)
                yield TextDelta("a")

    slow = Slow("a")
    slow.capabilities = Capabilities("a", is_remote=True, streams=True)
    assert await said(LlmChain([slow, Engine("b")], clock=clock, failover_s=5.0)) == "aaa"


@on_virtual_time
async def test_a_slow_service_has_all_its_time_while_nobody_else_may_be_asked(clock: VirtualClock) -> None:
    class Slow(Engine):
        async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
            await asyncio.sleep(20)
            yield TextDelta("a")

    slow, dead = Slow("a"), Engine("b")
    slow.capabilities = Capabilities("a", is_remote=True, streams=True)
    chain = LlmChain([slow, dead], clock=clock, breakers=_Closed("llm:b", clock))
    assert await said(chain) == "a"
    assert dead.asked == 0


@on_virtual_time
async def test_a_caller_who_leaves_while_a_service_hangs_takes_it_along(clock: VirtualClock) -> None:
    hanging, second = Hanging("a"), Engine("b")
    hanging.capabilities = Capabilities("a", is_remote=True, streams=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await said(LlmChain([hanging, second], clock=clock))
    assert (hanging.asked, hanging.left, second.asked) == (1, 1, 0)


class _Closed(EmbeddedBreakers):
    """One endpoint is refused, the others are not."""

    def __init__(self, refused: str, clock: VirtualClock) -> None:
        super().__init__(BreakerRule(), clock)
        self._refused = refused

    async def admit(self, endpoint: Endpoint) -> Ticket:
        if endpoint.name == self._refused:
            raise ProviderUnavailable("its circuit is open")
        return await super().admit(endpoint)


class Counting(Engine):
    """Takes a second for an answer, and counts the calls under way."""

    inside = most_inside = 0

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        await asyncio.sleep(1)
        self.inside -= 1
        yield TextDelta(self.capabilities.name)


@on_virtual_time
async def test_when_a_service_is_down_the_engine_here_gets_no_more_calls_than_it_works_on(clock: VirtualClock) -> None:
    service, here = Counting("a"), Counting("b")
    service.capabilities = Capabilities("a", is_remote=True)
    chain = LlmChain([service, here], clock=clock, local_at_once=4)
    assert chain.capabilities.is_remote
    assert await asyncio.gather(*(said(chain) for _ in range(20))) == ["a"] * 20
    assert (service.most_inside, here.most_inside) == (20, 0)
    chain = LlmChain([Engine("a", fail=ProviderUnavailable("down")), here], clock=clock, local_at_once=4)
    assert await asyncio.gather(*(said(chain) for _ in range(20))) == ["b"] * 20
    assert here.most_inside == 4


@on_virtual_time
async def test_waiting_for_room_does_not_make_an_engine_slow(clock: VirtualClock) -> None:
    chain = LlmChain([Counting("a"), Engine("b")], clock=clock, breakers=Noted(clock), local_at_once=1)
    await asyncio.gather(*(said(chain) for _ in range(25)))
    assert await said(chain) == "a", "its circuit is closed"


@on_virtual_time
async def test_a_service_may_take_as_much_longer_as_the_audio_lasts(clock: VirtualClock) -> None:
    class Service(Engine):
        async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Transcript]:
            await asyncio.sleep(60)
            yield Transcript("a", "en", audio.duration_s)

    chain = SttChain([Service("a")], clock=clock, breakers=Noted(clock))

    async def hear(seconds: int) -> None:
        async for _ in chain.transcribe(Pcm(bytes(2_000 * seconds), 1_000), TranscribeOptions()):
            pass

    for seconds in (300, 300, 300, 3, 3):
        await hear(seconds)
    with pytest.raises(ProviderUnavailable, match="kept failing"):
        await hear(300)


async def test_every_call_of_an_engine_has_a_span_and_none_holds_words() -> None:
    sink = MemorySink()
    chain = LlmChain([Engine("a", fail=ProviderBusy("secret words")), Engine("b")])
    asked = ChatRequest((ChatMessage("user", "secret words"),))
    with recording(sink), span("job"):
        assert [one async for one in chain.respond(asked)]
    first, second, job = sink.spans
    assert [(one.name, one.attributes["kind"], one.attributes["engine"]) for one in (first, second)] == [
        ("engine.call", "llm", "a"),
        ("engine.call", "llm", "b"),
    ]
    assert (first.status, first.error, second.status) == ("error", "ProviderBusy", "ok")
    assert {first.parent_id, second.parent_id} == {job.span_id}
    assert second.attributes["first_s"] >= 0
    assert "secret" not in repr(sink.spans)
