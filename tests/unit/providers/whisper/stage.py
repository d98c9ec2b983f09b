"""Recordings and sounds for Whisper, and where its weights are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.providers.whisper.voice import Samples

AUDIO = Path(__file__).parents[3] / "audio"
RATE_HZ = 16_000


def weights() -> Path:
    return load_settings().data_dir / "weights" / "whisper-base"


def recording(name: str) -> Samples:
    if name.endswith(".wav"):
        data = read_wav((AUDIO / name).read_bytes()).data
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)
    from faster_whisper.audio import decode_audio

    samples = decode_audio(str(AUDIO / name))
    assert isinstance(samples, np.ndarray)
    return samples


GAINS = (0.5, 1.0, 2.0)
"""± 6 dB."""


def melody(seed: int) -> Samples:
    """Four seconds of plucked strings."""
    rng, sound = np.random.default_rng(seed), np.zeros(4 * RATE_HZ)
    at = np.arange(RATE_HZ // 2) / RATE_HZ
    for start in range(0, len(sound) - len(at), RATE_HZ // 4):
        pitch_hz = 220 * 2 ** (rng.integers(0, 24) / 12)
        overtones = sum(np.sin(2 * np.pi * pitch_hz * order * at) / order for order in range(1, 5))
        sound[start : start + len(at)] += 0.15 * overtones * np.exp(-3 * at)
    return sound.astype(np.float32)


def machines() -> dict[str, Samples]:
    """Three seconds of each."""
    rng, at = np.random.default_rng(0), np.arange(3 * RATE_HZ) / RATE_HZ
    sounds = {
        "white": rng.normal(0, 0.05, len(at)),
        "hum": np.sin(2 * np.pi * 50 * at) * 0.1,
        "clicks": (rng.random(len(at)) > 0.9995) * 0.8,
        "tone": np.sin(2 * np.pi * 440 * at) * 0.2,
        "siren": np.sin(2 * np.pi * (600 * at + 60 * np.sin(2 * np.pi * 0.5 * at))) * 0.2,
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def voiceless() -> dict[str, list[Samples]]:
    """Sounds without a voice, by their kind."""
    kinds = {name: [sound] for name, sound in machines().items()}
    kinds["music"] = [melody(seed) for seed in range(6)]
    for name in ("noise2.wav", "noise5.wav"):
        whole = recording(name)
        starts = range(0, len(whole) - 2 * RATE_HZ, RATE_HZ * 13 // 20)
        kinds[name] = [whole, *(whole[start : start + 2 * RATE_HZ] for start in starts)]
    return kinds
