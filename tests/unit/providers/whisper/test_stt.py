"""The Whisper engine: its limits, and what it says when it cannot run."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.errors import ProviderBusy, ProviderTimeout, ProviderUnavailable, Unsupported, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.whisper import stt as whisper
from antiphon.providers.whisper.passages import PassageTranscriber, SpokenPassage
from antiphon.providers.whisper.stt import Whisper, create
from antiphon.resilience.priority_semaphore import priority

AUDIO = Path(__file__).parents[3] / "audio"


def context(data_dir: Path | None = None, **settings: Any) -> EngineContext:
    return EngineContext(data_dir or load_settings().data_dir, offline=True, settings=settings)


def clip() -> Pcm:
    return read_wav((AUDIO / "spk2_snt2.wav").read_bytes())


async def first_event(engine: Whisper, options: TranscribeOptions | None = None) -> object:
    async with aclosing(engine.transcribe(clip(), options or TranscribeOptions("en"))) as stream:
        return await anext(stream)


async def test_without_weights_it_says_what_to_do(tmp_path: Path) -> None:
    engine = create(context(tmp_path))
    with pytest.raises(WeightsMissing, match="antiphon models pull whisper-base"):
        await engine.start()
    with pytest.raises(ProviderUnavailable):
        await first_event(engine)
    await engine.close()


async def test_a_broken_model_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    engine = create(context(whisper_path=tmp_path))
    with pytest.raises(ProviderUnavailable, match="cannot be loaded"):
        await engine.start()
    await engine.close()


@pytest.mark.engines("whisper-base")
async def test_a_folder_of_ones_own_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "my-whisper"
    folder.symlink_to(load_settings().data_dir / "weights" / "whisper-base")
    engine = create(context(tmp_path, whisper_path=folder))
    await engine.start()
    assert engine.capabilities.models == ("my-whisper",)
    await engine.close()


TINY = load_settings().data_dir / "weights" / "whisper-tiny"


@pytest.mark.skipif(not TINY.is_dir(), reason="optional: antiphon models pull whisper-tiny")
async def test_without_the_base_model_the_tiny_one_does_it_in_english(tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "weights" / "whisper-tiny")
    engine = create(context(tmp_path))
    with capture_logs() as logs:
        await engine.start()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert engine.capabilities.languages == ("en",)
    assert "joy" in str(await first_event(engine, TranscribeOptions("fr")))
    with pytest.raises(Unsupported):
        await first_event(engine, TranscribeOptions(translate=True))
    await engine.close()


SILENT = Pcm(bytes(32_000), 16_000)


class NoNetwork:
    """What stands in for the network where passages are scripted."""

    is_multilingual = True

    def in_background(self) -> NoNetwork:
        return self


async def started(monkeypatch: pytest.MonkeyPatch, timeout_s: float = 30.0) -> Whisper:
    """Return the engine without its weights."""
    engine = create(replace(context(whisper_path="nowhere"), timeout_s=timeout_s))
    network: Any = NoNetwork()

    def load(self: Whisper, _: Path) -> PassageTranscriber:
        self._network = network
        return PassageTranscriber(network, padding_s=3.0)

    monkeypatch.setattr(Whisper, "_load", load)
    await engine.start()
    return engine


def scripted(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """Have each clip decoded as one passage a step."""

    def passages(*_: object) -> Iterator[SpokenPassage]:
        for number, step in enumerate(steps):
            step()
            yield SpokenPassage("en", (Segment(f"word{number}", number, number + 1.0),))

    monkeypatch.setattr(PassageTranscriber, "passages", passages)


async def heard(engine: Whisper, urgency: int = LIVE) -> str:
    priority.set(urgency)
    *_, last = [event async for event in engine.transcribe(SILENT, TranscribeOptions("en"))]
    assert isinstance(last, Transcript)
    return last.text


class Gate:
    """A step that lasts until it is opened."""

    def __init__(self) -> None:
        self._begun, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._begun.set()
        assert self._open.wait(60)

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 60)

    def open(self) -> None:
        self._open.set()


async def test_too_many_waiting_utterances_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "_WAITING_PER_WORKER", 2)
    engine, gate = await started(monkeypatch), Gate()
    scripted(monkeypatch, gate)
    tasks = [asyncio.create_task(heard(engine)) for _ in range(5)]
    await gate.begun()
    gate.open()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [str, str, str, ProviderBusy, ProviderBusy]
    assert await heard(engine) == "word0", "the room is free again"
    await engine.close()


async def test_a_network_that_fails_is_an_error_of_ours_and_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("as planned")

    engine = await started(monkeypatch)
    scripted(monkeypatch, fail)
    with pytest.raises(ProviderUnavailable, match="as planned"):
        await heard(engine)
    await engine.close()


async def test_utterances_of_callers_who_have_gone_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, gate, begun = await started(monkeypatch), Gate(), list[int]()

    def step() -> None:
        begun.append(1)
        gate()

    scripted(monkeypatch, step)
    tasks = [asyncio.create_task(heard(engine)) for _ in range(6)]
    await gate.begun()
    for task in tasks[1:]:
        task.cancel()
    gate.open()
    assert await tasks[0] == "word0"
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.close()
    assert len(begun) == 1


async def test_each_passage_has_the_engines_time_and_the_whole_clip_as_much_as_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, gate = await started(monkeypatch, timeout_s=1.0), Gate()
    scripted(monkeypatch, *[lambda: time.sleep(0.2)] * 6)
    assert (await heard(engine)).split() == [f"word{number}" for number in range(6)]
    scripted(monkeypatch, lambda: None, gate)
    with pytest.raises(ProviderTimeout, match=r"no passage within 1 s"):
        await heard(engine)
    gate.open()
    await engine.close()


async def test_a_second_copy_that_cannot_be_loaded_is_an_error_that_the_chain_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: NoNetwork) -> NoNetwork:
        raise RuntimeError("out of memory")

    engine = await started(monkeypatch)
    monkeypatch.setattr(NoNetwork, "in_background", fails)
    with pytest.raises(ProviderUnavailable, match="cannot be loaded"):
        await heard(engine, PATIENT)
    await engine.close()


async def test_a_recording_holds_up_no_turn_and_other_recordings_for_a_passage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = await started(monkeypatch)
    gate = Gate()
    scripted(monkeypatch, gate, lambda: None, lambda: None)
    long = asyncio.create_task(heard(engine, PATIENT))
    await gate.begun()
    scripted(monkeypatch, lambda: None)
    short = asyncio.create_task(heard(engine, PATIENT))
    assert await heard(engine, LIVE) == await heard(engine, TOLERANT) == "word0"
    assert not long.done()
    gate.open()
    assert await short == "word0"
    assert not long.done(), "it has two passages to go"
    assert await long == "word0 word1 word2"
    await engine.close()


@pytest.mark.engines("whisper-base")
async def test_recordings_are_decoded_as_well_as_turns_at_the_lowest_priority() -> None:
    engine = create(context())
    await engine.start()
    before = niceness()
    priority.set(PATIENT)
    assert "joy" in str(await first_event(engine))
    added = niceness() - before
    assert 19 in added
    await engine.close()


def niceness() -> Counter[int]:
    """How many threads of this process have which priority of the system."""
    tasks = Path("/proc/self/task").iterdir()
    return Counter(os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks)
