"""Audio at the door: positions in the input buffer, items in memory and in a file, formats of answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio import g711
from antiphon.audio.resample import resample
from antiphon.audio.ticks import TICKS_PER_S
from antiphon.doors.websocket.audio import (
    InputBuffer,
    ItemAudio,
    SpeechEncoder,
    SpillFile,
    audio_ticks,
    from_pcm,
    rate_hz,
    to_pcm,
)
from antiphon.wire.realtime_session import AudioFormat, AudioPcm, AudioPcma, AudioPcmu

PCM, ULAW, ALAW = AudioPcm(), AudioPcmu(), AudioPcma()
FORMATS = [PCM, ULAW, ALAW]
SECOND = (np.sin(np.arange(24_000) * 0.1) * 9_000).astype("<i2").tobytes()


def ramp(samples: int, start: int = 0) -> bytes:
    """Samples that say where they lie."""
    return (np.arange(start, start + samples) % 30_000).astype("<i2").tobytes()


# -- formats -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", FORMATS)
def test_a_second_of_every_format_is_a_second(form: AudioFormat) -> None:
    wire = from_pcm(form, resample(SECOND, 24_000, rate_hz(form)))
    assert audio_ticks(form, wire) == TICKS_PER_S
    pcm = to_pcm(form, wire)
    assert len(pcm) == 2 * rate_hz(form)
    assert from_pcm(form, pcm) == (wire.replace(b"\x7f", b"\xff") if form is ULAW else wire)  # one zero of two


def test_half_a_sample_has_no_length() -> None:
    assert (audio_ticks(PCM, b"abc"), audio_ticks(ULAW, b"abc")) == (1, 9)


# -- the input buffer --------------------------------------------------------------------------------------------------
@given(st.lists(st.binary(max_size=9)))
def test_samples_that_are_cut_in_half_are_joined_again(pieces: list[bytes]) -> None:
    buffer = InputBuffer(PCM)
    decoded = [buffer.decode(piece) for piece in pieces]
    whole = b"".join(pieces)
    assert all(len(piece) % 2 == 0 for piece in decoded)
    assert b"".join(decoded) == whole[: len(whole) // 2 * 2]


@pytest.mark.parametrize(("form", "decode"), [(ULAW, g711.decode_ulaw), (ALAW, g711.decode_alaw)])
def test_telephone_audio_is_decoded_and_can_be_had_in_its_own_format_again(form: AudioFormat, decode: object) -> None:
    buffer = InputBuffer(form)
    wire = bytes(range(0x80, 0x100))
    pcm = buffer.decode(wire)
    assert (pcm, buffer.rate_hz, buffer.ticks(pcm)) == (decode(wire), 8_000, 3 * 128)
    assert buffer.encode(pcm) == wire


@given(
    st.sampled_from([PCM, ULAW]),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 100)), min_size=1, max_size=20),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_a_clip_lies_where_it_was_said_whatever_was_forgotten_before(
    form: AudioFormat, steps: list[tuple[int, int]], start: int, length: int
) -> None:
    buffer = InputBuffer(form)
    ticks_per_sample = TICKS_PER_S // buffer.rate_hz
    written = forgotten = 0
    for samples, share in steps:
        buffer.append(ramp(samples, written))
        written += samples
        end = forgotten + (written * ticks_per_sample - forgotten) * share // 100
        forgotten = max(forgotten, end)
        buffer.forget(end)
    begin, end = max(start, forgotten) // ticks_per_sample, min(start + length, written * ticks_per_sample)
    expected = ramp(max(0, end // ticks_per_sample - begin), begin)
    clip = buffer.clip(start, start + length)
    assert (clip.data, clip.rate_hz) == (expected if end > forgotten else b"", buffer.rate_hz)


def test_what_is_forgotten_twice_is_forgotten_once() -> None:
    buffer = InputBuffer(PCM)
    buffer.append(ramp(100))
    buffer.forget(50)
    buffer.forget(30)
    assert buffer.clip(0, 100).data == ramp(50, 50)


@pytest.mark.parametrize(("before", "after"), [(PCM, ULAW), (ULAW, PCM)])
def test_another_format_keeps_positions_and_what_was_said(before: AudioFormat, after: AudioFormat) -> None:
    buffer = InputBuffer(before)
    said = resample(SECOND, 24_000, rate_hz(before))
    buffer.append(said)
    buffer.forget(TICKS_PER_S // 2)
    buffer.reformat(after)
    buffer.append(resample(SECOND, 24_000, rate_hz(after)))
    clip = buffer.clip(TICKS_PER_S // 2, TICKS_PER_S)
    assert (clip.rate_hz, len(clip.data)) == (rate_hz(after), rate_hz(after))
    found, expected = (np.frombuffer(data, "<i2").astype(float) for data in (clip.data, _half(said, before, after)))
    assert np.abs(found - expected)[200:-200].max() < 200
    assert len(buffer.clip(TICKS_PER_S, 2 * TICKS_PER_S).data) == 2 * rate_hz(after)


def _half(said: bytes, before: AudioFormat, after: AudioFormat) -> bytes:
    return resample(said, rate_hz(before), rate_hz(after))[rate_hz(after) :]


def test_another_format_of_the_same_rate_leaves_the_buffer_alone_and_drops_half_a_sample() -> None:
    buffer = InputBuffer(ULAW)
    buffer.append(ramp(100))
    buffer.reformat(ALAW)
    assert buffer.clip(0, 300).data == ramp(100)
    assert buffer.decode(b"\xd5") == g711.decode_alaw(b"\xd5")
    odd = InputBuffer(PCM)
    assert odd.decode(b"\x01") == b""
    odd.reformat(PCM)
    assert odd.decode(b"\x02\x03") == b"\x02\x03"


# -- the audio of items ------------------------------------------------------------------------------------------------
def test_an_item_has_all_that_was_added_and_an_unknown_one_has_nothing(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path)
    items.add("a", PCM, b"12")
    items.add("b", ULAW, b"x")
    items.add("a", PCM, b"34")
    assert (items.get("a"), items.get("b"), items.get("c")) == (b"1234", b"x", b"")
    assert items.clip("b").data == g711.decode_ulaw(b"x")
    assert (items.clip("a").rate_hz, items.clip("b").rate_hz) == (24_000, 8_000)
    items.close()


async def spilled(items: ItemAudio) -> None:
    """Wait until what is too much lies in the file."""
    async with asyncio.timeout(10):
        while items._spilling is not None and not items._spilling.done():
            await asyncio.sleep(0.001)


async def test_the_oldest_items_go_to_a_file_and_are_read_from_there(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=100)
    for number in range(10):
        items.add(f"item_{number}", PCM, bytes([number]) * 60)
    await spilled(items)
    assert items._bytes <= 100
    assert [items.get(f"item_{number}") for number in range(10)] == [bytes([number]) * 60 for number in range(10)]
    assert list(tmp_path.iterdir()) == [], "the file has no name, so that it goes with the process"
    items.close()


async def test_the_file_is_written_beside_the_loop_and_what_is_not_written_yet_is_read_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, writers = threading.Event(), list[threading.Thread]()
    write = SpillFile.write

    def slowly(self: SpillFile, offset: int, pieces: Sequence[bytes]) -> None:
        writers.append(threading.current_thread())
        goes_on.wait(10)
        write(self, offset, pieces)

    monkeypatch.setattr(SpillFile, "write", slowly)
    items = ItemAudio(tmp_path, limit_bytes=10)
    items.add("a", PCM, b"1" * 8)
    items.add("b", PCM, b"2" * 8)
    while not writers:
        await asyncio.sleep(0.001)
    items.add("a", PCM, b"3" * 8)
    whole = items.reader("a")
    assert (items.get("a"), items._bytes) == (b"1" * 8 + b"3" * 8, 24)
    goes_on.set()
    await spilled(items)
    assert items.get("a") == b"".join(whole()) == b"1" * 8 + b"3" * 8
    assert threading.main_thread() not in writers
    items.close()


async def test_what_is_cut_or_forgotten_while_it_is_written_is_not_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, is_writing = threading.Event(), threading.Event()
    write = SpillFile.write

    def slowly(self: SpillFile, offset: int, pieces: Sequence[bytes]) -> None:
        is_writing.set()
        goes_on.wait(10)
        write(self, offset, pieces)

    monkeypatch.setattr(SpillFile, "write", slowly)
    items = ItemAudio(tmp_path, limit_bytes=10)
    items.add("a", PCM, ramp(4))
    items.add("b", PCM, ramp(4))
    while not is_writing.is_set():
        await asyncio.sleep(0.001)
    items.cut("a", 2)
    goes_on.set()
    await spilled(items)
    assert (items.get("a"), items.get("b")) == (ramp(2), ramp(4))
    assert items._bytes <= 12
    items.close()


async def test_an_item_that_is_read_when_the_session_ends_is_read_to_its_end(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=10)
    items.add("a", PCM, b"1" * 8)
    items.add("b", PCM, b"2" * 8)
    await spilled(items)
    read = items.reader("a")
    items.close()
    assert b"".join(await asyncio.to_thread(read)) == b"1" * 8


async def test_a_file_that_cannot_be_written_ends_the_session_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    items = ItemAudio(tmp_path / "file", limit_bytes=10)
    items.add("a", PCM, b"1" * 8)
    items.add("b", PCM, b"2" * 8)
    await spilled(items)
    with pytest.raises(FileExistsError):
        items.add("b", PCM, b"2")
    items.close()


async def test_what_is_added_after_a_spill_belongs_to_the_item_wherever_it_lies(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=10)
    items.add("a", PCM, b"1111")
    items.add("b", PCM, b"22222222")
    await spilled(items)
    items.add("a", PCM, b"33")
    assert items.get("a") == b"111133"
    items.add("b", PCM, b"4444")
    items.add("a", PCM, b"5555")
    await spilled(items)
    assert (items.get("a"), items.get("b")) == (b"1111335555", b"222222224444")
    items.close()


async def test_the_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path / "data", limit_bytes=1)
    items.add("a", PCM, b"1234")
    items.add("b", PCM, b"5678")
    await spilled(items)
    assert (tmp_path / "data").is_dir()
    assert items.get("a") == b"1234"
    items.close()


async def test_a_single_item_stays_in_memory_however_large_it_is(tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=10)
    items.add("a", PCM, bytes(100))
    assert (items.get("a"), items._file) == (bytes(100), None)
    items.close()


@pytest.mark.parametrize("is_spilled", [False, True])
async def test_a_cut_keeps_the_beginning(is_spilled: bool, tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=200 if is_spilled else 10_000)
    items.add("pcm", PCM, ramp(100))
    items.add("ulaw", ULAW, bytes(range(100)))
    items.add("last", PCM, ramp(100))
    await spilled(items)
    assert (items._file is not None) == is_spilled
    items.cut("pcm", 30)
    items.cut("ulaw", 30)
    items.cut("unknown", 30)
    assert (items.get("pcm"), items.get("ulaw")) == (ramp(30), bytes(range(10)))
    assert items.size_bytes("pcm") == 60
    items.add("pcm", PCM, ramp(5, 30))
    assert items.get("pcm") == ramp(35)
    items.cut("last", 10_000)
    assert items.get("last") == ramp(100)
    items.close()


@pytest.mark.parametrize("limit", [10, 10_000])
async def test_a_forgotten_item_leaves_nothing(limit: int, tmp_path: Path) -> None:
    items = ItemAudio(tmp_path, limit_bytes=limit)
    items.add("a", PCM, b"1234")
    items.add("b", PCM, b"12345678")
    await spilled(items)
    for name in ("a", "b", "c"):
        items.forget(name)
        assert items.get(name) == b""
    assert (items._bytes, items._items) == (0, {})
    items.add("a", ULAW, b"5")
    assert items.get("a") == b"5"
    items.close()


# -- answers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", FORMATS)
def test_an_answer_in_pieces_is_the_whole_answer_tail_included(form: AudioFormat) -> None:
    encoder = SpeechEncoder("item_1", form)
    pieces = [encoder.encode(SECOND[at : at + 4801]) for at in range(0, len(SECOND), 4801)]
    tail = encoder.finish()
    assert b"".join(pieces) + tail == from_pcm(form, resample(SECOND, 24_000, rate_hz(form)))
    assert audio_ticks(form, b"".join(pieces) + tail) == TICKS_PER_S
    assert bool(tail) == (form is not PCM)
