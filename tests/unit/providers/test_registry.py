"""Engines are found by name, and what is missing is said with what mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Never

import pytest
from structlog.testing import capture_logs

from antiphon.entities.chat import ChatEvent, ChatMessage, ChatRequest
from antiphon.errors import InvalidRequest, NotFound, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers import registry
from antiphon.providers.chains.kinds import LlmChain, VadChain
from antiphon.providers.chains.stand_ins import StandIns
from antiphon.providers.stub.llm import StubLlm
from antiphon.state.embedded_breakers import EmbeddedBreakers


@pytest.fixture
def context(tmp_path: Path) -> EngineContext:
    return EngineContext(tmp_path, settings={"stub_llm_words": 3})


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines of another package beside ours: one without its library, one without its weights."""
    group = "antiphon.llm"
    mine = [
        EntryPoint("bare", f"{__name__}:create_without_library", group),
        EntryPoint("hungry", f"{__name__}:create_without_weights", group),
        EntryPoint("broken", f"{__name__}:create_broken", group),
    ]
    ours = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", lambda group: [*ours(group=group), *mine])


def create_without_library(context: EngineContext) -> Never:
    raise ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp")


def create_without_weights(context: EngineContext) -> Never:
    raise WeightsMissing("run antiphon models pull hungry")


def create_broken(context: EngineContext) -> Any:
    from antiphon.providers import nothing_of_that_name

    return nothing_of_that_name


def test_one_name_without_circuits_gives_the_engine_itself(context: EngineContext) -> None:
    assert isinstance(registry.load("llm", ("stub",), context), StubLlm)
    assert not isinstance(registry.load("llm", ("ollama",), context), LlmChain)


@pytest.mark.parametrize("name", ["ollama", "stub"])
def test_one_name_with_circuits_gives_a_chain_of_one(name: str, context: EngineContext) -> None:
    chain = registry.load("llm", (name,), context, EmbeddedBreakers())
    assert isinstance(chain, LlmChain)
    assert [engine.capabilities.name for engine in chain.engines] == [name]


async def test_a_single_engine_of_this_process_has_no_circuit_that_could_refuse_it(
    context: EngineContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing else to ask, and it costs nothing to ask it again."""

    def broken(self: StubLlm, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        raise ProviderUnavailable("broken for now")

    engine = registry.load("llm", ("stub",), context, EmbeddedBreakers())
    request = ChatRequest((ChatMessage("user", "hello"),))
    with monkeypatch.context() as patched:
        patched.setattr(StubLlm, "respond", broken)
        for _ in range(50):
            with pytest.raises(ProviderUnavailable, match="broken for now"):
                [event async for event in engine.respond(request)]
    assert [event async for event in engine.respond(request)]


def test_voice_activity_is_no_call_and_needs_no_chain(context: EngineContext) -> None:
    assert not isinstance(registry.load("vad", ("stub",), context, EmbeddedBreakers()), VadChain)


def test_several_names_give_a_chain_in_order(context: EngineContext) -> None:
    chain = registry.load("llm", ("rules", "stub"), context)
    assert isinstance(chain, LlmChain)
    assert [engine.capabilities.name for engine in chain.engines] == ["rules", "stub"]


def test_an_unknown_name_is_answered_with_the_known_ones(context: EngineContext) -> None:
    with pytest.raises(NotFound, match=r"'smolm'.*openai.*rules.*smollm2.*ANTIPHON_LLM"):
        registry.load("llm", ("smolm", "rules"), context)


def test_no_name_is_an_error_that_lists_the_choice(context: EngineContext) -> None:
    with pytest.raises(InvalidRequest, match="rules"):
        registry.load("llm", (), context)


@pytest.mark.usefixtures("strangers")
def test_a_missing_library_is_said_with_the_extra_that_brings_it(context: EngineContext) -> None:
    with pytest.raises(WeightsMissing, match=r"'bare' needs 'xllamacpp'.*pip install 'antiphon\[local\]'"):
        registry.load("llm", ("bare",), context)


@pytest.mark.usefixtures("strangers")
def test_a_chain_leaves_out_what_cannot_be_made_and_warns(context: EngineContext) -> None:
    with capture_logs() as logs:
        chain = registry.load("llm", ("bare", "rules", "hungry", "stub"), context)
    assert isinstance(chain, LlmChain)
    assert [engine.capabilities.name for engine in chain.engines] == ["rules", "stub"]
    assert [entry["engine"] for entry in logs] == ["bare", "hungry"]
    assert "antiphon models pull hungry" in logs[1]["reason"]


@pytest.mark.usefixtures("strangers")
async def test_whoever_is_left_in_place_of_a_missing_first_engine_is_told_of(context: EngineContext) -> None:
    begun: list[None] = []
    with capture_logs() as logs:
        chain = registry.load("tts", ("bare", "stub"), context, stand_ins=StandIns(lambda: begun.append(None)))
        assert not begun, "a gateway makes engines that others start"
        await chain.start()
    assert [(log["event"], log["engine"]) for log in logs] == [("engine left out", "bare"), ("tts.degraded", "bare")]
    assert len(begun) == 1


@pytest.mark.usefixtures("strangers")
def test_a_chain_of_engines_that_all_lack_something_is_an_error(context: EngineContext) -> None:
    with pytest.raises(WeightsMissing, match=r"xllamacpp.*models pull hungry"):
        registry.load("llm", ("bare", "hungry"), context)


@pytest.mark.usefixtures("strangers")
def test_a_broken_module_of_our_own_is_not_hidden(context: EngineContext) -> None:
    with pytest.raises(ImportError, match="nothing_of_that_name"):
        registry.load("llm", ("broken", "stub"), context)


@pytest.mark.parametrize("kind", ["stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding"])
def test_every_kind_has_a_stub(kind: registry.Kind) -> None:
    assert "stub" in registry.names_of(kind)
