"""The processes of one direction: in step with their texts whatever these hold, and dead as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.errors import ProviderUnavailable
from antiphon.providers.apertium.modes import Mode, Modes
from antiphon.providers.apertium.process import ApertiumProcess
from tests.unit.providers.apertium.stage import STAND_IN, gone, living

SIGNS = st.text(st.sampled_from("\\^$/[]{}<>@.\0\n\r\t*+~#|&;:,() abZ1é👍你\u200b\u2028'\"-_=%!?"), max_size=40)


async def launched(line: str = STAND_IN) -> ApertiumProcess:
    return await ApertiumProcess.launch(Mode("eng-spa", line))


async def ended(process: ApertiumProcess) -> None:
    process.kill()
    await process.wait()


@pytest.fixture
async def process() -> AsyncIterator[ApertiumProcess]:
    made = await launched()
    yield made
    await ended(made)


@pytest.mark.parametrize(
    "text",
    [
        "^foo<n>$ {[a]} / @b \\ .[] \\[ \\\\",
        "👍 naïve 你好",
        "one\ntwo\r\n\tthree",
        "Who?",
        "Well …",
        "number 7",
        "x.",
        "word " * 50_000 + "word",
    ],
    ids=lambda text: text[:12],
)
async def test_any_text_comes_out_as_it_went_in(process: ApertiumProcess, text: str) -> None:
    assert await process.ask(text) == text


@pytest.mark.parametrize(("text", "told"), [("a\0b", "a b"), (" \n a \n", "a"), ("\ud800", "?"), ("\0", ""), (" ", "")])
async def test_what_cannot_pass_is_replaced(process: ApertiumProcess, text: str, told: str) -> None:
    assert await process.ask(text) == told


async def test_texts_follow_each_other(process: ApertiumProcess) -> None:
    assert [await process.ask(text) for text in ("one", "loud", "two")] == ["one", "LOUD", "two"]
    assert not process.is_gone


@pytest.mark.parametrize("signs", ["", "hal"])
async def test_the_nul_of_a_program_whose_source_has_died_is_no_answer(signs: str) -> None:
    process = await launched(f"sed -zu 's/.*/{signs}/'")
    with pytest.raises(ProviderUnavailable, match="died"):
        await process.ask("hello")
    await ended(process)


async def test_a_program_that_ends_is_an_error_and_the_process_is_gone(process: ApertiumProcess) -> None:
    with pytest.raises(ProviderUnavailable, match="the apertium process has died"):
        await process.ask("die")
    assert process.is_gone


async def test_a_kill_ends_the_whole_group_once_and_for_all(process: ApertiumProcess) -> None:
    await process.ask("first")
    assert living(process.pid) == 2
    process.kill()
    assert process.is_gone
    process.kill()
    await process.wait()
    await gone(process.pid)
    with pytest.raises(ProviderUnavailable, match="died"):
        await process.ask("second")


async def test_a_shell_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProviderUnavailable, match="did not start"):
        await launched()


async def test_only_the_programs_own_environment_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEYS", "sk-secret")
    monkeypatch.setenv("APERTIUM_PATH", "/opt/apertium")
    process = await launched("sed -zu -e 's/.*/printenv/e'")
    told = (await process.ask("x")).split("\n") if not process.is_gone else []
    await ended(process)
    assert "APERTIUM_PATH=/opt/apertium" in told
    assert "LC_ALL=C.UTF-8" in told
    assert not any("sk-secret" in line for line in told)


async def test_no_text_brings_the_real_programs_out_of_step() -> None:
    mode = Modes([Path("/usr/share/apertium/modes")]).find("en", "es")
    if mode is None:
        pytest.skip("apertium-eng-spa is not installed: apt install apertium apertium-eng-spa")
    process = await ApertiumProcess.launch(mode)
    loop = asyncio.get_running_loop()

    @settings(max_examples=50, deadline=None, database=None)
    @given(SIGNS | st.text(max_size=40))
    def stays_in_step(text: str) -> None:
        async def ask() -> tuple[str, str]:
            return await process.ask(text), await process.ask("number 7.")

        told, after = asyncio.run_coroutine_threadsafe(ask(), loop).result(10)
        assert after == "Número 7."
        for sign in "[]{}^$<>@\\/":
            assert told.count(sign) == text.count(sign)

    try:
        await asyncio.to_thread(stays_in_step)
    finally:
        await ended(process)
