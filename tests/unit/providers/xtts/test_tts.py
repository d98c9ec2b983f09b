"""XTTS in its own process, over a library with the real one's classes and signatures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.xtts.tts import XttsTts, create
from tests.fakes.coqui_model import SPEAKERS, write_model
from tests.unit.providers.xtts.stage import asked, engine, sample, seconds, speak


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


async def test_a_crash_fails_the_speech_and_the_next_one_finds_a_new_process(voice: XttsTts) -> None:
    with pytest.raises(ProviderUnavailable, match="died"):
        await speak(voice, "Now it will crash.")
    assert await speak(voice, "Back again.")


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
