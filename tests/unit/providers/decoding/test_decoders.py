"""Decoders in processes of their own, with real files."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from antiphon.audio.containers import decode
from antiphon.audio.wav import write_wav
from antiphon.errors import InvalidRequest, ProviderUnavailable
from antiphon.ports.decoder import ANY_FILE, DecodeLimits, decoded
from antiphon.providers.decoding import decoders as decoding
from antiphon.providers.decoding.decoders import WARM, Decoders
from antiphon.providers.decoding.frames import Ready, Samples
from antiphon.providers.hosting.frames import LENGTH, frame
from tests.abuse.measuring import family

AUDIO = Path(__file__).parents[3] / "audio"
RATE_HZ = 16_000
JFK = (AUDIO / "jfk.wav").read_bytes()


@pytest.fixture
async def decoders() -> AsyncIterator[Decoders]:
    made = Decoders()
    yield made
    await made.close()


async def read(decoders: Decoders, data: bytes, *, caller: str = "caller", limits: DecodeLimits = ANY_FILE) -> bytes:
    return await decoded(decoders.decode(io.BytesIO(data), RATE_HZ, caller=caller, limits=limits))


@pytest.mark.parametrize("name", ["jfk.wav", "french.aiff", "2609-156975-0001.flac"])
async def test_a_file_gives_the_samples_that_it_gives_in_this_process(decoders: Decoders, name: str) -> None:
    data = (AUDIO / name).read_bytes()
    assert await read(decoders, data) == decode(data, RATE_HZ).data


async def test_a_file_is_read_from_where_it_stands(decoders: Decoders) -> None:
    file = io.BytesIO(b"something before" + JFK)
    file.seek(16)
    assert await decoded(decoders.decode(file, RATE_HZ, caller="a")) == decode(JFK, RATE_HZ).data


async def test_a_refused_file_names_its_field_and_costs_no_process(decoders: Decoders) -> None:
    with pytest.raises(InvalidRequest, match="known kind") as refused:
        await read(decoders, b"not a sound at all")
    assert (refused.value.param, refused.value.code) == ("file", "invalid_audio")
    with pytest.raises(InvalidRequest, match="longer than 1 s") as long:
        await read(decoders, JFK, limits=DecodeLimits(max_duration_s=1.0))
    assert long.value.code == "audio_too_long"
    before = decoders.pids
    assert await read(decoders, JFK)
    assert decoders.pids == before
    assert len(before) == 1


async def stopped_at(decoders: Decoders, data: bytes) -> tuple[int, asyncio.Task[bytes]]:
    """Hand a file to a process that does not run; return the process and what reads the sound."""
    await read(decoders, JFK)
    (pid,) = decoders.pids
    os.kill(pid, signal.SIGSTOP)
    reading = asyncio.create_task(read(decoders, data))
    while decoders.pids:
        await asyncio.sleep(0.01)
    return pid, reading


async def test_a_process_that_dies_at_a_file_is_replaced_and_the_file_is_blamed(decoders: Decoders) -> None:
    pid, reading = await stopped_at(decoders, JFK)
    os.kill(pid, signal.SIGSEGV)
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(InvalidRequest, match="crashed on it") as broken:
        await reading
    assert (broken.value.param, broken.value.code) == ("file", "invalid_audio")
    assert await read(decoders, JFK)
    assert decoders.pids != [pid]


@pytest.mark.parametrize("killed", [[signal.SIGKILL], [signal.SIGTERM, signal.SIGCONT]])
async def test_a_process_that_others_kill_is_no_files_fault(decoders: Decoders, killed: list[signal.Signals]) -> None:
    pid, reading = await stopped_at(decoders, JFK)
    for one in killed:
        os.kill(pid, one)
    assert await reading == decode(JFK, RATE_HZ).data
    assert decoders.pids != [pid]


async def test_a_file_of_which_a_part_was_heard_does_not_begin_anew(decoders: Decoders) -> None:
    long = write_wav(bytes(2 * RATE_HZ * 600), RATE_HZ)
    pieces = decoders.decode(io.BytesIO(long), RATE_HZ, caller="a")
    async with aclosing(pieces):
        await anext(pieces)
        (pid,) = decoder_pids()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProviderUnavailable, match="was killed"):
            await decoded(pieces)


def decoder_pids() -> set[int]:
    """Return the processes of decoders below this one, those that start included."""
    found = set[int]()
    for pid in family(os.getpid()):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if b"decoding.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


async def test_there_are_never_more_processes_than_places_and_none_is_left() -> None:
    decoders, most = Decoders(warm_after_s=0.0), 0
    keeping = asyncio.create_task(decoders.run())
    for _ in range(2):
        pieces = decoders.decode(io.BytesIO(JFK), RATE_HZ, caller="a")
        await anext(pieces)
        await pieces.aclose()  # its process is replaced, while the next file comes
        reading = [asyncio.create_task(read(decoders, JFK, caller=caller)) for caller in "ab"]
        while not all(one.done() for one in reading):
            most = max(most, len(decoder_pids()))
            await asyncio.sleep(0.01)
        await asyncio.gather(*reading)
    assert most == WARM
    await decoders.close()
    assert decoder_pids() == set()
    keeping.cancel()


async def test_a_process_that_starts_as_the_server_stops_does_not_stay() -> None:
    decoders = Decoders(warm_after_s=0.0)
    keeping = asyncio.create_task(decoders.run())
    async with asyncio.timeout(60):
        while not decoder_pids():
            await asyncio.sleep(0)
    assert decoders.pids == []
    await decoders.close()
    with pytest.raises(ProviderUnavailable):
        await read(decoders, JFK)
    assert decoder_pids() == set()
    keeping.cancel()


@pytest.mark.parametrize(
    ("reply", "times"),
    [
        (LENGTH.pack(3 * 2**30), 1),
        (LENGTH.pack(3) + b"\xc1no", 1),
        (frame(Samples(bytes(2**12))), 2_000),
    ],
    ids=["a frame of gigabytes", "no message", "sound without end"],
)
async def test_a_process_is_not_believed(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reply: bytes, times: int
) -> None:
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\nos.write(1, {frame(Ready())!r})\nsys.stdin.buffer.read({len(JFK)})\n"
        f"sys.stdout.buffer.write({reply!r} * {times})\nsys.stdout.buffer.flush()\nsys.stdin.buffer.read()\n"
    )
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(InvalidRequest, match="crashed on it") as broken:
        await read(decoders, JFK, limits=DecodeLimits(max_duration_s=200.0))
    assert (broken.value.param, broken.value.code) == ("file", "invalid_audio")
    assert decoders.pids == []


async def test_a_process_that_died_while_it_waited_is_no_files_fault(decoders: Decoders) -> None:
    await read(decoders, JFK)
    (pid,) = decoders.pids
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists() and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        await asyncio.sleep(0.01)
    assert await read(decoders, JFK)


async def test_a_file_that_takes_too_long_is_killed_at_its_deadline(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(decoders, JFK)
    (pid,) = decoders.pids
    monkeypatch.setattr(decoding, "_GRACE_S", 0.1)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(InvalidRequest, match=r"within 0\.1 s") as late:
        await read(decoders, JFK, limits=DecodeLimits(max_work_s=0.1))
    assert (late.value.param, late.value.code) == ("file", "invalid_audio")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("seconds", [1, 600])
async def test_a_caller_who_leaves_stops_the_work(decoders: Decoders, seconds: int) -> None:
    """Also where there is more sound than fits on the way."""
    pieces = decoders.decode(io.BytesIO(write_wav(bytes(2 * RATE_HZ * seconds), RATE_HZ)), RATE_HZ, caller="a")
    async with aclosing(pieces):
        assert await anext(pieces)
        (pid,) = decoder_pids()
        async with asyncio.timeout(30):
            while written_bytes(pid) < min(2 * RATE_HZ * seconds, 9 * 2**18):
                await asyncio.sleep(0.01)
    assert decoder_pids() == set()
    assert await read(decoders, JFK)


def written_bytes(pid: int) -> int:
    """Return how much a process has written, or tried to."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[3])


async def test_after_so_many_files_a_process_is_replaced(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "FILES", 2)
    await read(decoders, JFK)
    (first,) = decoders.pids
    await read(decoders, JFK)
    assert decoders.pids == []
    await read(decoders, JFK)
    assert decoders.pids != [first]


async def test_a_process_gets_no_secret(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEYS", "a-secret-that-stays-here")
    monkeypatch.setenv("OPENAI_API_KEY", "another-secret")
    await read(decoders, JFK)
    (pid,) = decoders.pids
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_processes_are_warm_before_files_come_and_again_after_a_fault() -> None:
    decoders = Decoders(warm_after_s=0.0)
    keeping = asyncio.create_task(decoders.run())
    async with asyncio.timeout(60):
        while len(decoders.pids) < WARM:
            await asyncio.sleep(0.01)
        pieces = decoders.decode(io.BytesIO(JFK), RATE_HZ, caller="a")
        await anext(pieces)
        await pieces.aclose()
        while len(decoders.pids) < WARM:
            await asyncio.sleep(0.01)
    keeping.cancel()
    pids = decoders.pids
    await decoders.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
