"""Processes of Apertium: kept, in step with their texts whatever these hold, and gone when nobody needs them.

The programs are stood for by one that hands everything back, in capitals where it is told so; the real ones, where
they are installed, are tried at the end and in the tests of every translation.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.errors import ProviderTimeout, ProviderUnavailable, Unsupported
from antiphon.ports.engine import EngineContext
from antiphon.providers.apertium.translation import Apertium, create
from tests.unit.providers.apertium.stage import STAND_IN, gone, living

Make = Callable[..., Apertium]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One direction, of the stand-in."""
    program = tmp_path / "bin" / "lt-proc"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    (tmp_path / "eng-spa.mode").write_text(STAND_IN)
    return tmp_path


@pytest.fixture
async def make(folder: Path) -> AsyncIterator[Make]:
    engines: list[Apertium] = []

    def made(timeout_s: float = 10.0) -> Apertium:
        engines.append(Apertium(timeout_s=timeout_s, folders=[folder]))
        return engines[-1]

    yield made
    for engine in engines:
        await engine.close()


@pytest.fixture
async def apertium(make: Make) -> Apertium:
    engine = make()
    await engine.start()
    return engine


async def spanish(engine: Apertium, text: str) -> str:
    return await engine.translate(text, source="en", target="es")


def pid_of(engine: Apertium) -> int:
    process = engine._directions["eng-spa"]._process
    assert process is not None
    return process.pid


async def test_one_process_is_kept_and_calls_side_by_side_do_not_mix(apertium: Apertium) -> None:
    await spanish(apertium, "first")
    first = pid_of(apertium)
    texts = [f"number {n}" for n in range(20)]
    assert await asyncio.gather(*[spanish(apertium, text) for text in texts]) == texts
    assert pid_of(apertium) == first


async def test_a_crash_in_the_middle_is_an_error_and_the_next_call_works(apertium: Apertium) -> None:
    with pytest.raises(ProviderUnavailable, match="died"):
        await spanish(apertium, "die")
    assert await spanish(apertium, "again") == "again"


async def test_a_process_that_died_between_two_calls_is_started_again(apertium: Apertium) -> None:
    await spanish(apertium, "first")
    first = pid_of(apertium)
    os.killpg(first, signal.SIGKILL)
    process = apertium._directions["eng-spa"]._process
    assert process is not None
    await process.wait()
    assert await spanish(apertium, "second") == "second"
    assert pid_of(apertium) != first


async def test_a_call_that_is_cancelled_takes_its_process_along_and_no_other_call(apertium: Apertium) -> None:
    hanging = asyncio.create_task(spanish(apertium, "hang"), name="hanging")
    while not apertium._directions or apertium._directions["eng-spa"]._process is None:
        await asyncio.sleep(0)
    first = pid_of(apertium)
    waiting = asyncio.create_task(spanish(apertium, "loud"), name="waiting")
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await waiting == "LOUD"
    await gone(first)


async def test_a_caller_who_gives_up_while_waiting_for_the_turn_leaves_the_process_alone(apertium: Apertium) -> None:
    await spanish(apertium, "first")
    first = pid_of(apertium)
    turn = apertium._directions["eng-spa"]._turn
    async with turn:
        waiting = asyncio.create_task(spanish(apertium, "second"), name="waiting")
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await spanish(apertium, "third") == "third"
    assert pid_of(apertium) == first


async def test_a_text_that_takes_too_long_costs_the_deadline(make: Make) -> None:
    engine = make(timeout_s=0.3)
    await engine.start()
    await spanish(engine, "first")
    first = pid_of(engine)
    with pytest.raises(ProviderTimeout, match="apertium"):
        await spanish(engine, "hang")
    assert await spanish(engine, "again") == "again"
    await gone(first)


async def test_a_closed_engine_has_no_process_and_starts_none(apertium: Apertium) -> None:
    await spanish(apertium, "first")
    first = pid_of(apertium)
    await apertium.close()
    await apertium.close()
    await gone(first)
    with pytest.raises(ProviderUnavailable, match="closed"):
        await spanish(apertium, "second")


async def test_the_processes_end_with_the_server_whatever_ended_it(folder: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from antiphon.providers.apertium.translation import Apertium\n"
        "async def main():\n"
        "    engine = Apertium(timeout_s=10, folders=[pathlib.Path(sys.argv[1])])\n"
        "    await engine.start()\n"
        "    await engine.translate('first', source='en', target='es')\n"
        "    print(engine._directions['eng-spa']._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    group = int(await server.stdout.readline())
    assert living(group) == 2
    server.kill()
    await server.communicate()
    await gone(group)


async def test_without_a_pair_it_starts_and_says_how_to_get_one(tmp_path: Path) -> None:
    engine = Apertium(timeout_s=1, folders=[tmp_path])
    with capture_logs() as logs:
        await engine.start()
    assert [(entry["log_level"], entry["command"]) for entry in logs] == [
        ("info", "apt install apertium apertium-eng-spa")
    ]
    assert not engine.has_pair("en", "es")
    with pytest.raises(Unsupported, match="en to es"):
        await spanish(engine, "hello")
    await engine.close()


async def test_before_the_start_nothing_is_known(folder: Path) -> None:
    engine = Apertium(timeout_s=1, folders=[folder])
    assert not engine.has_pair("en", "es")
    assert engine.capabilities.languages == ()
    await engine.start()
    assert engine.has_pair("en", "es")
    assert engine.capabilities.languages == ("en", "es")


# -- the real programs -----------------------------------------------------------------------------------------------


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Apertium]:
    engine = create(EngineContext(tmp_path))
    assert isinstance(engine, Apertium)
    await engine.start()
    if not engine.has_pair("en", "es"):
        pytest.skip("apertium-eng-spa is not installed: apt install apertium apertium-eng-spa")
    yield engine
    await engine.close()


async def test_english_becomes_spanish_and_back(real: Apertium) -> None:
    assert await spanish(real, "The house is white.") == "La casa es blanca."
    assert await real.translate("La casa es blanca.", source="es", target="en-US") == "The house is white."


async def test_a_missing_full_stop_is_thought_of_and_not_written(real: Apertium) -> None:
    assert await spanish(real, "Hello world") == "Hola Mundo"


async def test_a_word_that_is_not_in_the_dictionary_has_no_mark(real: Apertium) -> None:
    assert await spanish(real, "The *xyzzyq house") == "El *xyzzyq casa"


async def test_one_real_program_that_dies_costs_one_answer(real: Apertium) -> None:
    await spanish(real, "first")
    (victim,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if "(lrx-proc)" in (line := path.read_text()) and line.rpartition(") ")[2].split()[2] == str(pid_of(real))
    ]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ProviderUnavailable, match="died"):
        await spanish(real, "second")
    assert await spanish(real, "The house is white.") == "La casa es blanca."
