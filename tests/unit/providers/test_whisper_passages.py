"""Whisper by short windows, on real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.whisper_model import Attempt, Cancelled, Samples, WhisperNetwork
from antiphon.providers.whisper_passages import Passage, Transcriber
from antiphon.text.wer import word_errors

AUDIO = Path(__file__).parents[2] / "audio"
RATE_HZ = 16_000
ENGLISH = TranscribeOptions(language="en")
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"

pytestmark = pytest.mark.engines("whisper-base")


@pytest.fixture(scope="module")
def network() -> WhisperNetwork:
    return WhisperNetwork(load_settings().data_dir / "weights" / "whisper-base", threads=1, workers=1)


@pytest.fixture(scope="module")
def transcriber(network: WhisperNetwork) -> Transcriber:
    return Transcriber(network, padding_s=3.0)


def recording(name: str) -> Samples:
    if name.endswith(".wav"):
        data = read_wav((AUDIO / name).read_bytes()).data
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)
    from faster_whisper.audio import decode_audio

    samples = decode_audio(str(AUDIO / name))
    assert isinstance(samples, np.ndarray)
    return samples


def listen(
    transcriber: Transcriber, samples: Samples, options: TranscribeOptions = ENGLISH
) -> tuple[str, list[Passage]]:
    passages = list(transcriber.passages(samples, options, lambda: False))
    return " ".join(segment.text for passage in passages for segment in passage.segments), passages


def test_a_long_sentence_has_segments_and_words_in_order(transcriber: Transcriber) -> None:
    text, passages = listen(transcriber, recording("jfk.wav"), TranscribeOptions("en", word_timestamps=True))
    assert word_errors(JFK, text).errors == 0
    segments = [segment for passage in passages for segment in passage.segments]
    words = [word for segment in segments for word in segment.words]
    assert len(words) == 22
    times = [at for word in words for at in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert next(word for word in words if word.text.startswith("country")).start_s == pytest.approx(5.8, abs=0.4)
    assert all(segment.average_logprob < 0 for segment in segments)


@pytest.mark.parametrize("name", ["noise2.wav", "noise5.wav"])
def test_noise_has_no_text(transcriber: Transcriber, name: str) -> None:
    samples = recording(name)
    assert listen(transcriber, samples) == ("", [])
    for start_s in (0.0, 0.65, 1.3, 2.6, 3.25):
        part = samples[int(start_s * RATE_HZ) : int((start_s + 2.0) * RATE_HZ)]
        assert listen(transcriber, part, TranscribeOptions()) == ("", [])


@pytest.mark.parametrize("kind", ["white", "hum", "clicks", "tone"])
def test_sounds_of_machines_have_no_text(transcriber: Transcriber, kind: str) -> None:
    rng, at = np.random.default_rng(0), np.arange(3 * RATE_HZ) / RATE_HZ
    sounds = {
        "white": rng.normal(0, 0.05, len(at)),
        "hum": np.sin(2 * np.pi * 50 * at) * 0.1,
        "clicks": (rng.random(len(at)) > 0.9995) * 0.8,
        "tone": np.sin(2 * np.pi * 440 * at) * 0.2,
    }
    assert listen(transcriber, sounds[kind].astype(np.float32), TranscribeOptions()) == ("", [])


def test_a_recording_that_makes_the_short_window_loop_comes_out_clean(
    transcriber: Transcriber, network: WhisperNetwork
) -> None:
    samples = recording("2609-156975-0001.flac")
    looped = network.decode(samples, ENGLISH, Attempt(3.0, time_codes=False), lambda: False)
    assert looped.text.lower().count("hold on") > 2, "this recording is here because it loops"
    text, _ = listen(transcriber, samples)
    assert text.lower().count("hold on") == 1
    assert len(text) < 80


def test_the_language_is_detected(transcriber: Transcriber) -> None:
    text, passages = listen(transcriber, recording("french.aiff"), TranscribeOptions())
    assert {passage.language for passage in passages} == {"fr"}
    assert "dictée" in text


def test_french_is_translated_to_english(transcriber: Transcriber) -> None:
    text, _ = listen(transcriber, recording("french.aiff"), TranscribeOptions(translate=True))
    assert "dictée" not in text
    assert "number" in text.lower()


def test_a_prompt_teaches_spelling(transcriber: Transcriber) -> None:
    samples = recording("austen-0870.wav")
    plain, _ = listen(transcriber, samples)
    prompted, _ = listen(transcriber, samples, TranscribeOptions("en", prompt="Glossary: Dashwoode, Elinor"))
    assert "Dashwood " in plain
    assert "Dashwoode " in prompted
    assert word_errors(plain, prompted).errors == 1


def test_a_clip_longer_than_the_window_is_written_down_whole(transcriber: Transcriber) -> None:
    names = ["jfk.wav", "austen-0870.wav", "austen-0890.wav", "austen-0920.wav", "jfk.wav"]
    pause = np.zeros(RATE_HZ // 2, np.float32)
    samples = np.concatenate([part for name in names for part in (recording(name), pause)])
    assert len(samples) > 40 * RATE_HZ
    text, passages = listen(transcriber, samples)
    assert len(passages) >= 2
    assert text.lower().count("fellow americans") == 2
    assert text.lower().count("ill-disposed") == 1
    segments = [segment for passage in passages for segment in passage.segments]
    starts = [segment.start_s for segment in segments]
    assert starts == sorted(starts)
    assert segments[-1].end_s == pytest.approx(len(samples) / RATE_HZ, abs=2.0)


def test_a_caller_who_has_gone_stops_the_work_between_two_steps(transcriber: Transcriber) -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        list(transcriber.passages(recording("jfk.wav"), ENGLISH, is_cancelled))
    assert asked == 2


def test_the_short_window_hears_what_the_padded_one_hears(transcriber: Transcriber) -> None:
    samples = recording("spk1_snt4.wav")
    text, _ = listen(transcriber, samples)
    assert word_errors(transcriber.padded(samples, "en"), text).errors == 0
