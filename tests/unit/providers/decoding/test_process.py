"""The decoder process, spoken to over its pipes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import pytest

from antiphon.audio.containers import decode
from antiphon.audio.wav import write_wav
from antiphon.providers.decoding.frames import Decode, FileDecoded, FileRefused, Ready, Reply, Samples
from antiphon.providers.decoding.process import MEMORY_BYTES
from antiphon.providers.hosting.frames import LENGTH, frame

JFK = (Path(__file__).parents[3] / "audio" / "jfk.wav").read_bytes()
PIECE_BYTES = 2**18

Process = subprocess.Popen[bytes]


@pytest.fixture
def process() -> Iterator[Process]:
    command = [sys.executable, "-m", "antiphon.providers.decoding.process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        assert reply(made) == Ready()
        yield made
        made.kill()


def pipe_of(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def reply(process: Process) -> Reply:
    output = pipe_of(process.stdout)
    (size,) = LENGTH.unpack(output.read(LENGTH.size))
    return msgspec.msgpack.decode(output.read(size), type=Reply)


def answers(process: Process, data: bytes, *, max_duration_s: float = 3_600.0) -> list[Reply]:
    """Hand a file over and return all replies to it."""
    stdin = pipe_of(process.stdin)
    stdin.write(frame(Decode(len(data), 16_000, max_duration_s, 30.0)) + data)
    stdin.flush()
    got = [reply(process)]
    while isinstance(got[-1], Samples):
        got.append(reply(process))
    return got


def pieces(replies: list[Reply]) -> list[bytes]:
    return [one.pcm for one in replies if isinstance(one, Samples)]


def test_files_are_decoded_one_after_the_other_and_a_refused_one_ends_nothing(process: Process) -> None:
    refused = answers(process, b"not a sound at all")
    assert [(type(one), getattr(one, "param", "")) for one in refused] == [(FileRefused, "file")]
    assert [getattr(one, "code", "") for one in answers(process, JFK, max_duration_s=1.0)][-1] == "audio_too_long"
    for data in (JFK, write_wav(b"\1\0" * 800, 8_000)):
        *samples, last = answers(process, data)
        assert b"".join(pieces(samples)) == decode(data, 16_000).data
        assert last == FileDecoded()


def test_sound_comes_in_pieces_of_a_quarter_megabyte(process: Process) -> None:
    *whole, rest = pieces(answers(process, write_wav(bytes(2 * 16_000 * 30), 16_000)))
    assert [len(piece) for piece in whole] == [PIECE_BYTES] * 3
    assert len(rest) == 2 * 16_000 * 30 - 3 * PIECE_BYTES


def test_a_file_without_sound_has_no_pieces(process: Process) -> None:
    assert answers(process, write_wav(b"", 16_000))[-1] == FileDecoded()


@pytest.mark.parametrize("rest", [b"", b"\1\0"])
def test_the_process_ends_with_its_input(process: Process, rest: bytes) -> None:
    stdin = pipe_of(process.stdin)
    stdin.write(rest)
    stdin.close()
    assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads Linux's tables")
def test_memory_files_and_time_are_bounded(process: Process) -> None:
    answers(process, JFK)
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    limits = {line[:26].strip(): line[26:].split()[0] for line in lines}
    assert limits["Max address space"] == str(MEMORY_BYTES)
    assert int(limits["Max open files"]) <= 64
    assert limits["Max core file size"] == "0"
    assert 30 <= int(limits["Max cpu time"]) <= 60
