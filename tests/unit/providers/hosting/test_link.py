"""One run of an engine's process: its environment, its replies by request, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.errors import ProviderUnavailable
from antiphon.providers.hosting.frames import AnyReply, Audio, Done, Failed, Say
from antiphon.providers.hosting.link import ChildLink, Replies
from tests.unit.providers.hosting.stage import COMMAND, ENDLESS, runs


@pytest.fixture
async def link() -> AsyncIterator[ChildLink]:
    made = await ChildLink.launch("scripted", COMMAND)
    yield made
    await made.close()


class Over:
    """Counts how often a request was called over."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def until_last(replies: Replies) -> list[AnyReply | None]:
    """Return the replies up to the last one, or to the end of the process."""
    got: list[AnyReply | None] = [await replies.get()]
    while not isinstance(got[-1], Done | Failed | None):
        got.append(await replies.get())
    return got


async def test_the_process_gets_models_proxies_and_certificates_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"TTS_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCH_HOME", "USER", "HTTPS_PROXY", "SSL_CERT_FILE"}
    for name in (*wanted, "TORCH_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    link = await ChildLink.launch("scripted", COMMAND)
    await link.ready()
    environment = Path(f"/proc/{link.pid}/environ").read_bytes()
    await link.close()
    assert {name for name in os.environ if f"value-of-{name}\0".encode() in environment} == wanted


async def test_replies_are_sorted_by_request_and_each_is_over_once(link: ChildLink) -> None:
    over = [Over(), Over(), Over()]
    queues = [link.open(Say(number, text), over[number - 1]) for number, text in enumerate(("ab", "fail", "cd"), 1)]
    first, second, third = [await until_last(queue) for queue in queues]
    assert first == [Audio(1, b"ab"), Done(1)]
    assert second == [Failed(2, "ValueError: no such phoneme")]
    assert third == [Audio(3, b"cd"), Done(3)]
    assert [one.times for one in over] == [1, 1, 1]


async def test_a_forgotten_request_is_cancelled_in_the_process(link: ChildLink) -> None:
    over = Over()
    replies = link.open(Say(1, ENDLESS), over)
    await replies.get()
    link.forget(1)
    link.forget(1)
    assert over.times == 1
    assert await until_last(link.open(Say(2, "ab"), Over())) == [Audio(2, b"ab"), Done(2)]


async def test_a_process_that_ends_ends_all_its_requests_and_takes_no_more(link: ChildLink) -> None:
    over = [Over(), Over()]
    queues = [link.open(Say(number, ENDLESS), over[number - 1]) for number in (1, 2)]
    await queues[0].get()
    os.kill(link.pid, signal.SIGKILL)
    assert [(await until_last(queue))[-1] for queue in queues] == [None, None]
    assert [one.times for one in over] == [1, 1]
    assert link.is_gone
    assert await link.open(Say(3, "ab"), Over()).get() is None


async def test_a_process_that_writes_no_frames_is_killed(link: ChildLink) -> None:
    await link.ready()
    output = max(int(file.name) for file in Path(f"/proc/{link.pid}/fd").iterdir())
    with capture_logs() as logs:
        assert await until_last(link.open(Say(1, f"babble {output}"), Over())) == [None]
    assert [(line["event"], line["engine"]) for line in logs] == [("engine process killed", "scripted")]
    assert "broken frame" in logs[0]["reason"]


async def test_a_silent_process_is_killed_and_one_that_has_just_spoken_is_not(link: ChildLink) -> None:
    await link.ready()
    link.kill_if_silent(3_600.0)
    assert await until_last(link.open(Say(1, "ab"), Over())) == [Audio(1, b"ab"), Done(1)]
    replies = link.open(Say(2, "hang"), Over())
    link.kill_if_silent(0.0)
    assert await until_last(replies) == [None]


@pytest.mark.parametrize(
    ("command", "message", "detail"),
    [
        ([*COMMAND, "fail-to-load"], "scripted could not be loaded", "OSError: the model file is broken"),
        (["/bin/false"], "the process of scripted did not start", ""),
    ],
)
async def test_a_process_that_does_not_load_says_why(command: list[str], message: str, detail: str) -> None:
    link = await ChildLink.launch("scripted", command)
    with pytest.raises(ProviderUnavailable) as failed:
        await link.ready()
    assert (failed.value.message, failed.value.detail or "") == (message, detail)
    await link.close()


async def test_closing_ends_a_process_at_the_end_of_its_input_and_a_stopped_one_by_force() -> None:
    for is_stopped in (False, True):
        link = await ChildLink.launch("scripted", COMMAND)
        await link.ready()
        pid = link.pid
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        with capture_logs() as logs:
            await asyncio.wait_for(link.close(), 30)
        await link.close()
        assert link.is_gone
        assert not runs(pid)
        assert [line["reason"] for line in logs] == (["does not exit"] if is_stopped else [])
