"""The main loop of an engine's process, spoken to over its pipes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from antiphon.providers.hosting.frames import (
    LENGTH,
    AnyReply,
    AnyRequest,
    Audio,
    Cancel,
    Done,
    Failed,
    Ready,
    Say,
    decode_reply,
    frame,
)
from tests.unit.providers.hosting.stage import COMMAND, ENDLESS, runs

Child = subprocess.Popen[bytes]


def launch(*arguments: str) -> Child:
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], stdin=pipe, stdout=pipe, stderr=pipe)


def pipe_of(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def send(child: Child, *requests: AnyRequest) -> None:
    """Write requests in one piece."""
    pipe_of(child.stdin).write(b"".join(map(frame, requests)))
    pipe_of(child.stdin).flush()


def reply(child: Child) -> AnyReply:
    (size,) = LENGTH.unpack(pipe_of(child.stdout).read(LENGTH.size))
    return decode_reply(pipe_of(child.stdout).read(size))


@pytest.fixture
def child() -> Iterator[Child]:
    with launch() as made:
        yield made
        made.kill()


def test_output_that_libraries_print_is_no_frame(child: Child) -> None:
    assert reply(child) == Ready(0, 8_000, (("tone", "en", "A tone"),))
    assert b"a library greets" in pipe_of(child.stderr).readline()


def test_requests_are_answered_in_their_order_and_a_failure_ends_only_its_own(child: Child) -> None:
    send(child, Say(1, "ab"), Say(2, "fail"), Say(3, "cd"))
    assert [reply(child) for _ in range(6)][1:] == [
        Audio(1, b"ab"),
        Done(1),
        Failed(2, "ValueError: no such phoneme"),
        Audio(3, b"cd"),
        Done(3),
    ]


def test_a_cancelled_request_stops_and_one_that_waits_is_never_begun(child: Child) -> None:
    send(child, Say(1, ENDLESS), Say(2, "ab"), Say(3, "cd"))
    assert isinstance(reply(child), Ready)
    assert isinstance(reply(child), Audio)
    send(child, Cancel(2), Cancel(1))
    while isinstance(last := reply(child), Audio):
        assert last.id == 1
    assert [last, reply(child), reply(child), reply(child)] == [Done(1), Done(2), Audio(3, b"cd"), Done(3)]


def test_an_engine_that_cannot_be_loaded_says_why_and_ends_its_process() -> None:
    with launch("fail-to-load") as child:
        assert reply(child) == Failed(0, "OSError: the model file is broken")
        assert child.wait(30) == 1


def test_the_process_ends_with_its_input_even_in_the_middle_of_a_request(child: Child) -> None:
    send(child, Say(1, ENDLESS))
    assert isinstance(reply(child), Ready)
    assert isinstance(reply(child), Audio)
    pipe_of(child.stdin).close()
    assert child.wait(30) == 0


async def test_the_process_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import asyncio, os\n"
        "from tests.unit.providers.hosting.stage import process\n"
        "async def main():\n"
        "    child = process()\n"
        "    await child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    output, _ = await server.communicate()
    async with asyncio.timeout(30):
        while runs(int(output)):
            await asyncio.sleep(0.01)
