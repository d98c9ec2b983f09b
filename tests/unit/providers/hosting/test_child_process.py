"""An engine in its own process: what happens to it, and to those who wait for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from antiphon.entities.priority import LIVE, TOLERANT
from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.frames import Audio, Say
from antiphon.resilience.priority_semaphore import priority
from tests.abuse.measuring import family

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _engine_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def process(*arguments: str, timeout_s: float = 10.0) -> ChildProcess:
    return ChildProcess(
        "scripted", "tests.fakes.child_engine", needs="msgspec", arguments=arguments, timeout_s=timeout_s
    )


@pytest.fixture
async def child() -> AsyncIterator[ChildProcess]:
    made = process()
    yield made
    await made.close()


async def say(child: ChildProcess, text: str) -> list[bytes]:
    async with aclosing(child.ask(lambda id_: Say(id_, text))) as replies:
        return [reply.pcm async for reply in replies if isinstance(reply, Audio)]


async def test_it_starts_by_itself_and_says_what_it_is(child: ChildProcess) -> None:
    assert await say(child, "ab") == [b"ab"]
    ready = await child.start()
    assert (ready.rate_hz, ready.voices) == (8_000, (("tone", "en", "A tone"),))


async def test_it_finds_models_proxies_and_certificates_and_no_secret(
    child: ChildProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"TTS_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCH_HOME", "USER", "HTTPS_PROXY", "SSL_CERT_FILE"}
    for name in (*wanted, "TORCH_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    await child.start()
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in family(os.getpid())[1:]]
    given = {name for name in os.environ if f"value-of-{name}\0".encode() in b"".join(environments)}
    assert given == wanted


async def test_answers_go_to_those_who_asked(child: ChildProcess) -> None:
    texts = [f"number{index:02}" for index in range(20)]
    answers = await asyncio.gather(*(say(child, text) for text in texts))
    assert answers == [[text.encode()] for text in texts]


async def test_the_most_urgent_sentence_is_next(child: ChildProcess) -> None:
    done: list[str] = []

    async def ask(text: str, urgency: int) -> None:
        priority.set(urgency)
        await say(child, text)
        done.append(text)

    await child.start()
    wishes = (("pieces 5", LIVE), ("tolerant", TOLERANT), ("more", TOLERANT), ("live", LIVE))
    await asyncio.gather(*(ask(*wish) for wish in wishes))
    assert done == ["pieces 5", "live", "tolerant", "more"]


async def test_who_waits_for_others_still_has_its_whole_time() -> None:
    child = ChildProcess("scripted", "tests.fakes.child_engine", needs="msgspec", timeout_s=0.5, loading_s=10.0)
    await child.start()
    answers = await asyncio.gather(*(say(child, "pieces 20") for _ in range(4)))  # 0.2 s each
    assert [len(answer) for answer in answers] == [20] * 4
    await child.close()


async def test_a_bad_sentence_fails_alone(child: ChildProcess) -> None:
    bad, good = await asyncio.gather(say(child, "fail"), say(child, "good"), return_exceptions=True)
    assert isinstance(bad, ProviderUnavailable)
    assert "no such phoneme" in str(bad)
    assert "phoneme" not in bad.message
    assert good == [b"good"]


async def test_a_process_that_died_is_started_again_without_a_word(child: ChildProcess) -> None:
    await child.start()
    pid = child.pid
    os.kill(pid, signal.SIGKILL)
    assert await say(child, "back") == [b"back"]
    assert child.pid != pid


async def test_a_process_that_dies_while_speaking_fails_that_speech(child: ChildProcess) -> None:
    speech = child.ask(lambda id_: Say(id_, "pieces 1000"))
    await anext(speech)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ProviderUnavailable, match="died"):
        _ = [reply async for reply in speech]
    assert await say(child, "back") == [b"back"]


async def test_a_sentence_that_kills_twice_is_given_up(child: ChildProcess) -> None:
    with pytest.raises(ProviderUnavailable, match="died"):
        await say(child, "die")


async def test_a_cancelled_sentence_stops_in_the_process(child: ChildProcess) -> None:
    async with aclosing(child.ask(lambda id_: Say(id_, "pieces 1000"))) as replies:
        await anext(replies)
    began = time.perf_counter()
    assert await say(child, "next") == [b"next"]
    assert time.perf_counter() - began < 5


async def test_sentences_cancelled_while_they_wait_are_not_spoken(child: ChildProcess) -> None:
    tasks = [asyncio.create_task(say(child, "pieces 300")) for _ in range(5)]
    await child.start()
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    began = time.perf_counter()
    assert await say(child, "next") == [b"next"]
    assert time.perf_counter() - began < 5


async def test_a_silent_process_is_killed_at_the_deadline_and_replaced() -> None:
    child = process(timeout_s=1.0)
    try:
        await child.start()
        pid = child.pid
        with pytest.raises(ProviderTimeout):
            await say(child, "hang")
        assert await say(child, "back") == [b"back"]
        assert child.pid != pid
    finally:
        await child.close()


async def test_a_process_that_writes_nonsense_is_killed(child: ChildProcess) -> None:
    await child.start()
    output = max(int(file.name) for file in Path(f"/proc/{child.pid}/fd").iterdir())
    with pytest.raises(ProviderUnavailable, match="died"):
        await say(child, f"babble {output}")
    assert await say(child, "back") == [b"back"]


async def test_a_model_that_does_not_load_says_why() -> None:
    child = process("fail-to-load")
    with pytest.raises(ProviderUnavailable, match="the model file is broken"):
        await child.start()
    await child.close()


async def test_a_missing_library_is_named_with_the_command_that_brings_it() -> None:
    child = ChildProcess("piper", "tests.fakes.child_engine", needs="no_such_library", timeout_s=5.0)
    with pytest.raises(WeightsMissing, match=r"no_such_library.*pip install 'antiphon\[piper\]'"):
        await child.start()
    await child.close()


async def test_a_closed_process_is_gone_and_stays_so() -> None:
    child = process()
    await child.start()
    pid = child.pid
    await child.close()
    await child.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ProviderUnavailable, match="closed"):
        await say(child, "anything")


async def test_a_hanging_process_is_closed_by_force() -> None:
    child = process()
    hanging = asyncio.create_task(say(child, "hang"))
    await child.start()
    await asyncio.sleep(0.1)
    pid, began = child.pid, time.perf_counter()
    await child.close()
    assert time.perf_counter() - began < 10
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ProviderUnavailable):
        await hanging


async def test_the_process_ends_with_the_server_whatever_ended_it(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import asyncio, os, sys\n"
        "from antiphon.providers.hosting.child_process import ChildProcess\n"
        "async def main():\n"
        "    child = ChildProcess('x', 'tests.fakes.child_engine', needs='msgspec', timeout_s=10)\n"
        "    await child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    import sys

    server = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    output, _ = await server.communicate()
    pid = int(output)
    for _ in range(100):
        if not _runs(pid):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the engine's process outlived the server by five seconds")


def _runs(pid: int) -> bool:
    """A zombie that nobody has collected yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
