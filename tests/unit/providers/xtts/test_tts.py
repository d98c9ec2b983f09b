"""XTTS in its own process, over a library with the real one's classes and signatures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.audio.wav import write_wav
from antiphon.dubbing.voices import parse_voices
from antiphon.entities.speech import SpeechChunk
from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.xtts.samples import Samples, fault_of
from antiphon.providers.xtts.tts import XttsTts, create
from tests.fakes.coqui_model import PACKAGES, PYTHONPATH, SPEAKERS, write_model


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the library notes what it is asked."""
    monkeypatch.syspath_prepend(PACKAGES)
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.setenv("COQUI_FAKE_LOG", str(tmp_path / "asked.jsonl"))
    return tmp_path / "asked.jsonl"


@pytest.fixture
async def voice(tmp_path: Path) -> AsyncIterator[XttsTts]:
    made = engine(tmp_path)
    await made.start()
    yield made
    await made.close()


def engine(tmp_path: Path, **settings: Any) -> XttsTts:
    model = write_model(tmp_path / "model")
    return create(EngineContext(tmp_path, offline=True, timeout_s=20.0, settings={"xtts_path": model, **settings}))


def sample(path: Path, *, seconds: float = 4.0, rate_hz: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_wav(np.zeros(round(seconds * rate_hz), "<i2").tobytes(), rate_hz))
    return path


def asked(log: Path) -> list[dict[str, Any]]:
    """What was asked for behind the warm-up."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()][1:]


async def speak(engine: XttsTts, text: str, **options: Any) -> list[SpeechChunk]:
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


def seconds(chunks: list[SpeechChunk]) -> float:
    return sum(chunk.pcm.duration_s for chunk in chunks)


async def test_it_names_its_speakers_and_its_seventeen_languages(voice: XttsTts) -> None:
    capabilities = voice.capabilities
    assert [one.id for one in capabilities.voices] == ["Claribel Dervla", "Ana Florence", "Daisy Studious"]
    assert len(capabilities.languages) == 17
    assert capabilities.speaks("zh-cn")
    assert capabilities.speaks("pt-BR")
    assert not capabilities.speaks("sv")
    assert not capabilities.is_remote


async def test_before_it_is_started_it_names_the_default_speaker(tmp_path: Path) -> None:
    assert [one.id for one in engine(tmp_path).capabilities.voices] == ["Claribel Dervla"]


async def test_a_sentence_comes_in_pieces_of_24_khz_with_its_text_on_the_first(voice: XttsTts) -> None:
    chunks = await speak(voice, "One two three. Four.")
    assert [chunk.text for chunk in chunks if chunk.text] == ["One two three.", "Four."]
    assert {chunk.pcm.rate_hz for chunk in chunks} == {24_000}
    assert len(chunks) > 10
    assert seconds(chunks) == pytest.approx(4 * 0.3)


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("es", "Hola.", "es"),
        ("pt-BR", "Bom dia.", "pt"),
        ("ZH-cn", "Hola.", "zh"),
        (None, "Hello.", "en"),
        (None, "さようなら", "ja"),
        ("sv", "Hej.", "en"),
    ],
)
async def test_the_language_is_the_one_asked_for_else_the_script_s_else_english(
    voice: XttsTts, log: Path, language: str | None, text: str, spoken: str
) -> None:
    await speak(voice, text, language=language)
    assert [one["language"] for one in asked(log)] == [spoken]


@pytest.mark.parametrize(
    ("wanted", "speaker"),
    [
        ("Ana Florence", "Ana Florence"),
        ("", "Claribel Dervla"),
        ("default", "Claribel Dervla"),
        ("alloy", "Claribel Dervla"),
    ],
)
async def test_a_speaker_is_asked_for_by_name(voice: XttsTts, log: Path, wanted: str, speaker: str) -> None:
    await speak(voice, "Hello.", voice=wanted)
    assert [(one["latents"], one["embedding"]) for one in asked(log)] == [(speaker, f"{speaker}'s")]


async def test_the_voice_of_a_recording_is_learnt_once(voice: XttsTts, log: Path, tmp_path: Path) -> None:
    path = sample(tmp_path / "voices" / "anna.wav")
    for _ in range(2):
        await speak(voice, "Hello.", voice="anna.wav")
    heard, *spoken = asked(log)
    assert heard == {"heard": str(path)}
    assert [one["latents"] for one in spoken] == [f"latents of {path}"] * 2


def test_the_sample_that_comes_with_the_project_can_be_imitated() -> None:
    folder = Path(__file__).parents[4] / "examples" / "voices"
    for profile in parse_voices((folder / "voices.json").read_bytes()).profiles.values():
        if profile.sample:
            assert Samples(folder, None).voice(profile.sample) == str(folder / profile.sample)
            assert fault_of(folder / profile.sample) is None


async def test_a_recording_can_be_the_default_voice(tmp_path: Path, log: Path) -> None:
    path = sample(tmp_path / "elsewhere" / "me.wav")
    voice = engine(tmp_path, xtts_speaker_wav=path)
    await speak(voice, "Hello.")
    await speak(voice, "Hello.", voice=str(path))
    await speak(voice, "Hello.", voice="Ana Florence")
    await voice.close()
    latents = [one["latents"] for one in asked(log) if "latents" in one]
    assert latents == [f"latents of {path}", f"latents of {path}", "Ana Florence"]


async def test_a_recording_that_is_no_good_gives_the_default_speaker_and_a_warning(tmp_path: Path, log: Path) -> None:
    voice = engine(tmp_path, xtts_samples=tmp_path / "mine")
    sample(tmp_path / "mine" / "short.wav", seconds=1.0)
    with capture_logs() as logs:
        await speak(voice, "Hello.", voice="short.wav")
    await voice.close()
    assert [one["latents"] for one in asked(log)] == ["Claribel Dervla"]
    (entry,) = logs
    assert entry["log_level"] == "warning"
    assert "1.0 s long" in entry["reason"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"seconds": 3.0}, None),
        ({"seconds": 30.0, "rate_hz": 48_000}, None),
        ({"seconds": 2.9}, "2.9 s long; it must be 3 to 30 s"),
        ({"seconds": 30.1}, "it must be 3 to 30 s"),
        ({"rate_hz": 8_000}, "1 channels at 8000 Hz; it must be mono at 16000 Hz or more"),
    ],
)
def test_a_recording_is_mono_of_16_khz_and_3_to_30_s_long(
    tmp_path: Path, content: dict[str, Any], fault: str | None
) -> None:
    found = fault_of(sample(tmp_path / "a.wav", **content))
    assert found is None if fault is None else fault in str(found)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all", None])
def test_what_is_no_recording_is_a_fault(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if data is not None:
        path.write_bytes(data)
    assert "not a readable WAV file" in str(fault_of(path))


def test_a_recording_that_is_shorter_than_its_header_says_is_a_fault(tmp_path: Path) -> None:
    path = sample(tmp_path / "a.wav", seconds=10.0)
    path.write_bytes(path.read_bytes()[:40_000])
    assert "1.2 s long" in str(fault_of(path))


@pytest.mark.parametrize("wanted", ["../secret.wav", "{root}/secret.wav", "link.wav", "x/../../secret.wav"])
def test_no_name_of_a_voice_opens_a_file_outside_of_the_samples(tmp_path: Path, wanted: str) -> None:
    secret = sample(tmp_path / "secret.wav")
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "link.wav").symlink_to(secret)
    with capture_logs() as logs:
        assert Samples(tmp_path / "voices", None).voice(wanted.format(root=tmp_path)) == ""
    assert logs[0]["reason"] == "not in the folder of samples"


async def test_what_is_longer_than_the_model_s_limit_is_cut_between_clauses(voice: XttsTts, log: Path) -> None:
    text = "今日はとても良い天気ですから、" * 12 + "散歩に行きましょう"
    await speak(voice, text, language="ja")
    parts = [one["text"] for one in asked(log)]
    assert "".join(parts) == text
    assert max(len(part) for part in parts) <= 71
    assert all(part.endswith("、") for part in parts[:-1])


@pytest.mark.parametrize(("speed", "own"), [(0.25, 0.5), (0.5, 0.5), (1.3, 1.3), (2.0, 2.0), (4.0, 2.0)])
async def test_the_model_s_own_speed_is_helped_where_it_ends(
    voice: XttsTts, log: Path, speed: float, own: float
) -> None:
    chunks = await speak(voice, "One two three four five.", speed=speed)
    assert [one["speed"] for one in asked(log)] == [own]
    assert seconds(chunks) == pytest.approx(1.5 / speed, rel=0.02)


async def test_a_sentence_that_the_model_refuses_fails_alone(voice: XttsTts) -> None:
    with pytest.raises(ProviderUnavailable, match="400 tokens"):
        await speak(voice, "This is broken.")
    assert await speak(voice, "This is not.")


async def test_a_crash_fails_the_speech_and_the_next_one_finds_a_new_process(voice: XttsTts) -> None:
    with pytest.raises(ProviderUnavailable, match="died"):
        await speak(voice, "Now it will crash.")
    assert await speak(voice, "Back again.")


async def test_closing_the_stream_stops_the_model_inside_the_sentence(voice: XttsTts, log: Path) -> None:
    text = "word " * 39 + "end."
    for _ in range(20):  # the model may be through before the word arrives
        async with aclosing(voice.synthesize(text, SpeakOptions())) as chunks:
            await anext(chunks)
        await speak(voice, "Next.")
        if any("stopped" in one for one in asked(log)):
            break
    assert {"stopped": text} in asked(log)


async def test_cancelling_returns_at_once(voice: XttsTts) -> None:
    started = asyncio.Event()

    async def listen() -> None:
        async for _ in voice.synthesize("word " * 2_000, SpeakOptions()):
            started.set()

    task = asyncio.create_task(listen(), name="listener")
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await speak(voice, "Next.")


async def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    voice = engine(tmp_path)
    (tmp_path / "model" / "model.pth").write_bytes(b"half of the wei")
    with pytest.raises(ProviderUnavailable, match="failed reading zip archive"):
        await voice.start()
    await voice.close()


def test_a_folder_without_the_model_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"holds no config\.json, model\.pth"):
        create(EngineContext(tmp_path, settings={"xtts_path": tmp_path}))


def test_without_a_folder_nothing_is_fetched_offline_or_without_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COQUI_TOS_AGREED", raising=False)
    with pytest.raises(WeightsMissing, match="COQUI_TOS_AGREED=1"):
        create(EngineContext(tmp_path))
    monkeypatch.setenv("COQUI_TOS_AGREED", "1")
    with pytest.raises(WeightsMissing, match="downloads are disabled: set ANTIPHON_XTTS_PATH"):
        create(EngineContext(tmp_path, offline=True))


async def test_with_consent_the_library_fetches_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COQUI_TOS_AGREED", "1")
    monkeypatch.setenv("COQUI_FAKE_HUB", str(write_model(tmp_path / "hub")))
    voice = create(EngineContext(tmp_path))
    await voice.start()
    assert {one.id for one in voice.capabilities.voices} == set(SPEAKERS)
    await voice.close()


async def test_without_the_library_the_command_that_brings_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(WeightsMissing, match=r"antiphon\[") as caught:
        await engine(tmp_path).start()
    assert caught.value.code == "engine_not_installed"
