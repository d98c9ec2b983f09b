"""Piper's engine over a library with the real one's names and signatures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime
import pytest

from antiphon.providers.hosting.frames import AnyReply, Audio, Phonemize, Ready, Say
from antiphon.providers.piper.process import PiperEngine
from tests.fakes import piper_library

RATE_HZ = 22_050


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PiperEngine:
    monkeypatch.setitem(sys.modules, "piper", piper_library)
    monkeypatch.setattr(onnxruntime, "InferenceSession", piper_library.Session)
    monkeypatch.setattr(piper_library, "ASKED", [])
    monkeypatch.setattr(piper_library, "SESSIONS", [])
    model = tmp_path / "voice.onnx"
    model.with_name("voice.onnx.json").write_text(json.dumps({"audio": {"sample_rate": RATE_HZ}}))
    return PiperEngine(model, 3)


def spoken(engine: PiperEngine, text: str, *, speed: float = 1.0, most: int = 100) -> list[bytes]:
    """What is sent until the request is cancelled after ``most`` pieces."""
    pieces: list[bytes] = []

    def send(reply: AnyReply) -> bool:
        assert isinstance(reply, Audio)
        assert reply.id == 7
        pieces.append(reply.pcm)
        return len(pieces) < most

    engine.answer(Say(7, text, speed=speed), send)
    return pieces


def test_it_is_loaded_with_its_threads_and_warmed_before_it_is_ready(engine: PiperEngine, tmp_path: Path) -> None:
    assert engine.ready() == Ready(0, RATE_HZ)
    assert piper_library.ASKED == [("Ready to speak.", 1.0)]
    (session,) = piper_library.SESSIONS
    assert (session.path, session.threads) == (str(tmp_path / "voice.onnx"), (3, 3))
    assert session.providers == ["CPUExecutionProvider"]


def test_a_sentence_is_spoken_piece_by_piece(engine: PiperEngine) -> None:
    first, second = spoken(engine, "Hello|you")
    assert len(first) == pytest.approx(2 * 0.5 * RATE_HZ, rel=0.01)
    assert len(second) == pytest.approx(2 * 0.3 * RATE_HZ, rel=0.01)


def test_a_cancelled_request_gets_no_more_pieces(engine: PiperEngine) -> None:
    assert len(spoken(engine, "one|two|three", most=2)) == 2


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0])
def test_the_model_is_asked_for_the_speed_that_it_can_and_the_rest_is_stretched(
    engine: PiperEngine, speed: float
) -> None:
    (sound,) = spoken(engine, "Hello there", speed=speed)
    (_, (_, scale)) = piper_library.ASKED
    assert scale is not None
    assert 0.5 <= scale <= 4.0
    assert (scale < 1) == (speed > 1)
    assert (scale == 1) == (speed == 1)
    stretched = len(sound) / 2 / (1.1 * scale * RATE_HZ)
    assert 0.3 <= stretched <= 2.0


def test_another_request_is_an_error(engine: PiperEngine) -> None:
    with pytest.raises(TypeError, match="cannot answer Phonemize"):
        engine.answer(Phonemize(1, "hello"), lambda _: True)
