"""Damaged and lying files: each costs its own request and nothing else."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from antiphon.audio.sniff import SOUND_CONTAINERS, container_of
from antiphon.errors import InvalidRequest
from antiphon.ports.decoder import DecodeLimits, decoded
from antiphon.providers.decoding import decoders as decoding
from antiphon.providers.decoding.decoders import Decoders
from tests.abuse.honest_files import honest_files
from tests.abuse.lying_files import lying_files, mov_bomb
from tests.abuse.measuring import MIB, victim

RECORDING = Path(__file__).parents[1] / "audio" / "jfk.wav"
LIMITS = DecodeLimits(max_work_s=10.0)
FILES = 400


class Decoded(NamedTuple):
    """What files have done to the processes that decoded them."""

    heaviest: dict[str, int]
    """Peak resident memory while a file was decoded, by its name."""
    fatal: list[str]
    """Files that have ended their process."""


async def test_no_file_takes_more_memory_than_a_decoder_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "FILES", 2 * FILES)  # else the peaks go with the process
    files = list(lying_files(seed=1, count=FILES))
    halves = await asyncio.gather(decode_all(files[::2]), decode_all(files[1::2]))
    heaviest = {name: size for half in halves for name, size in half.heaviest.items()}
    worst = max(heaviest, key=heaviest.__getitem__)
    containers = {container_of(data) for _, data in files}
    print(f"{FILES} files, {len(containers)} containers; heaviest: {heaviest[worst] / MIB:.0f} MiB for {worst}")
    assert {name for name, size in heaviest.items() if size > 300 * MIB} == set()
    assert [name for half in halves for name in half.fatal] == [], "what such a file has taken is not known"
    assert containers >= {container_of(data) for data in honest_files().values()} & SOUND_CONTAINERS


async def decode_all(files: list[tuple[str, bytes]]) -> Decoded:
    """Decode one file after the other, by a decoder that does nothing else."""
    decoders, found = Decoders(), Decoded({}, [])
    await decode(decoders, RECORDING.read_bytes())
    for name, data in files:
        await decode(decoders, data)
        if decoders.pids:
            found.heaviest[name] = max(found.heaviest.get(name, 0), peak_bytes(*decoders.pids))
        else:
            found.fatal.append(name)
            await decode(decoders, RECORDING.read_bytes())
    await decoders.close()
    return found


async def decode(decoders: Decoders, data: bytes) -> None:
    with suppress(InvalidRequest):
        await decoded(decoders.decode(io.BytesIO(data), 16_000, caller="somebody", limits=LIMITS))


def peak_bytes(pid: int) -> int:
    """Return the largest resident memory of a process since the last question, and begin anew."""
    folder = Path(f"/proc/{pid}")
    lines = (folder / "status").read_text().splitlines()
    (folder / "clear_refs").write_text("5")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def test_a_bomb_is_refused_and_nobody_else_notices() -> None:
    bomb = mov_bomb(2 * 10**7, 4)
    with victim() as attacked:

        async def attack() -> None:
            async with httpx.AsyncClient(base_url=attacked.url, timeout=60) as client:
                lies = [upload(client, bomb) for _ in range(4)]
                *refused, honest = await asyncio.gather(*lies, upload(client, RECORDING.read_bytes()))
            assert honest.status_code == 200
            assert {answer.status_code for answer in refused} == {400}
            assert {answer.json()["error"]["param"] for answer in refused} == {"file"}
            assert {answer.json()["error"]["code"] for answer in refused} == {"invalid_audio"}

        await attack()  # the decoders start
        harm = await attacked.suffer(attack)
    assert harm.is_calm()
    assert harm.memory_bytes <= 256 * MIB  # a second decoder may have started meanwhile
    assert harm.cpu_s <= 2.0


async def upload(client: httpx.AsyncClient, data: bytes) -> httpx.Response:
    return await client.post("/v1/audio/transcriptions", files={"file": ("a", data)}, data={"model": "whisper-1"})
