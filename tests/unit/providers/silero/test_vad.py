"""Silero shares its calls among streams and is asked only for windows that are not silent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.audio.windows import WindowCutter
from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.silero.model import Feed, SileroModel, StreamState
from antiphon.providers.silero.vad import Silero, create

AUDIO = Path(__file__).parents[3] / "audio"
WINDOW_BYTES = 1_024


class Counting(SileroModel):
    """The network, the sizes of the batches it was given, and a gate that holds them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[int] = []
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()

    def score(self, feeds: Sequence[Feed]) -> list[list[float]]:
        self.batches.append(len(feeds))
        assert self.gate.wait(60)
        if self.fails:
            raise RuntimeError("as planned")
        return super().score(feeds)


@pytest.fixture
def model() -> Counting:
    return Counting(load_settings().data_dir / "weights" / "silero-vad" / "silero_vad.onnx")


@pytest.fixture
async def engine(model: Counting) -> AsyncIterator[Silero]:
    made = create(EngineContext(load_settings().data_dir, offline=True))
    await made.start()
    made._model = model
    yield made
    await made.close()


def recording(name: str) -> bytes:
    return read_wav((AUDIO / name).read_bytes()).data


async def score(engine: Silero, samples: bytes) -> list[float]:
    scores: list[float] = []
    stream = engine.open(scores.extend)
    for start in range(0, len(samples), 640):
        stream.feed(samples[start : start + 640])
        await asyncio.sleep(0)
    await told(scores, len(samples) // WINDOW_BYTES)
    stream.close()
    return scores


async def told(scores: list[float], count: int) -> None:
    async with asyncio.timeout(30):
        while len(scores) < count:
            await asyncio.sleep(0.002)


@pytest.mark.engines("silero-vad")
async def test_streams_that_wait_together_share_one_call(engine: Silero, model: Counting) -> None:
    voice = recording("spk2_snt2.wav")[20_480 : 20_480 + WINDOW_BYTES]
    lists: list[list[float]] = [[] for _ in range(64)]
    for scores in lists:
        engine.open(scores.extend).feed(voice)
    for scores in lists:
        await told(scores, 1)
    assert model.batches == [64]


@pytest.mark.engines("silero-vad")
async def test_windows_that_arrive_during_a_batch_share_the_next(engine: Silero, model: Counting) -> None:
    voice = recording("spk2_snt2.wav")[20_480 : 20_480 + WINDOW_BYTES * 8]
    lists: list[list[float]] = [[] for _ in range(40)]
    model.gate.clear()
    for scores in lists:
        engine.open(scores.extend).feed(voice)
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the batch leaves in the turn after the windows came
    model.gate.set()
    for scores in lists:
        await told(scores, 8)
    assert model.batches == [1, 39]


@pytest.mark.engines("silero-vad")
async def test_silence_never_reaches_the_network(engine: Silero, model: Counting) -> None:
    hiss = np.random.default_rng(2).normal(0, 20, 16_000).astype("<i2").tobytes()  # -64 dBFS
    assert await score(engine, bytes(32_000) + hiss) == [0.0] * 62
    assert model.batches == []


@pytest.mark.engines("silero-vad")
@pytest.mark.parametrize("name", ["jfk.wav", "austen-0890.wav", "spk1_snt4.wav", "spk2_snt4.wav"])
async def test_passing_over_silence_does_not_change_what_is_heard(engine: Silero, model: Counting, name: str) -> None:
    samples = bytes(40_000) + recording(name) + bytes(40_000)
    [plain] = model.score([Feed(WindowCutter().push(samples), StreamState())])
    gated = await score(engine, samples)
    same = np.mean((np.array(plain) > 0.5) == (np.array(gated) > 0.5))
    assert same > 0.98


@pytest.mark.engines("silero-vad")
@pytest.mark.parametrize("name", ["noise2.wav", "noise5.wav"])
async def test_noise_is_no_voice(engine: Silero, name: str) -> None:
    assert np.mean(np.array(await score(engine, recording(name))) > 0.5) < 0.01


@pytest.mark.engines("silero-vad")
async def test_a_network_that_fails_is_silence_and_is_used_again(engine: Silero, model: Counting) -> None:
    voice = recording("spk2_snt2.wav")
    model.fails = True
    assert set(await score(engine, voice)) == {0.0}
    model.fails = False
    assert max(await score(engine, voice)) > 0.9


@pytest.mark.engines("silero-vad")
async def test_a_network_that_fails_is_counted_each_time_and_logged_when_that_changes(model: Counting) -> None:
    failures: list[str] = []
    engine = create(
        EngineContext(load_settings().data_dir, offline=True, on_failure=lambda: failures.append("counted"))
    )
    await engine.start()
    engine._model = model
    voice = recording("spk2_snt2.wav")
    with capture_logs() as logs:
        model.fails = True
        await score(engine, voice)
        model.fails = False
        await score(engine, voice)
    await engine.close()
    assert len(failures) > 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("voice detection failed", "error"),
        ("voice detection recovered", "info"),
    ]
    assert (logs[0]["error"], logs[0]["reason"]) == ("RuntimeError", "unexpected")


class Strangers:
    """What the loop was told of callbacks that raised."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.errors.append(context["exception"]))

    def fail(self, scores: Sequence[float]) -> None:
        raise ZeroDivisionError


@pytest.mark.engines("silero-vad")
@pytest.mark.parametrize("what", ["voice", "silence"])
async def test_a_callback_that_raises_makes_no_stream_deaf(engine: Silero, what: str) -> None:
    samples = bytes(WINDOW_BYTES) if what == "silence" else recording("spk2_snt2.wav")[20_480 : 20_480 + WINDOW_BYTES]
    strangers, heard = Strangers(), list[float]()
    broken, sound = engine.open(strangers.fail), engine.open(heard.extend)
    for turn in range(1, 4):
        for stream in (broken, sound, broken):
            stream.feed(samples)
        await told(heard, turn)
    async with asyncio.timeout(30):
        while len(strangers.errors) < 3:
            await asyncio.sleep(0.002)
    assert {type(error) for error in strangers.errors} == {ZeroDivisionError}
    assert len(heard) == 3


@pytest.mark.engines("silero-vad")
@pytest.mark.parametrize("what", ["voice", "silence"])
async def test_windows_before_a_reset_are_told_no_more(engine: Silero, what: str) -> None:
    samples = bytes(WINDOW_BYTES) if what == "silence" else recording("spk2_snt2.wav")[20_480 : 20_480 + WINDOW_BYTES]
    heard, after = list[float](), list[float]()
    stream, other = engine.open(heard.extend), engine.open(after.extend)
    stream.feed(samples)
    await asyncio.sleep(0)
    stream.reset()
    other.feed(samples)
    await told(after, 1)  # batches come back in their order
    assert heard == []


@pytest.mark.engines("silero-vad")
async def test_the_loop_runs_while_the_network_works(engine: Silero, model: Counting) -> None:
    scores: list[float] = []
    model.gate.clear()
    engine.open(scores.extend).feed(recording("spk2_snt2.wav")[20_480 : 20_480 + WINDOW_BYTES])
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert scores == []
    model.gate.set()
    await told(scores, 1)
    assert model.batches == [1]


async def test_without_weights_it_says_what_to_do(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, offline=True))
    with pytest.raises(WeightsMissing, match="antiphon models pull silero-vad"):
        await engine.start()
    with pytest.raises(ProviderUnavailable):
        engine.open(lambda _: None)
    await engine.close()


async def test_a_broken_file_is_an_error_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "silero-vad"
    folder.mkdir(parents=True)
    with (folder / "silero_vad.onnx").open("wb") as file:
        file.truncate(2_845_718)
    engine = create(EngineContext(tmp_path, offline=True))
    with pytest.raises(ProviderUnavailable, match="silero"):
        await engine.start()
    await engine.close()
