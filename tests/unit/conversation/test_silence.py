from __future__ import annotations

import pytest

from antiphon.conversation import inputs
from tests.simulation import MS, World

WINDOW_MS = 32


def listened(world: World, ms: int, score: float) -> None:
    """Audio in frames of 20 ms; every window is scored with the frame that completes it."""
    buffer = world.machine.state.buffer
    for _ in range(ms // 20):
        world.append(20)
        whole = (buffer.written - buffer.scored) // (WINDOW_MS * MS)
        if whole:
            world.tell(inputs.VoiceScored(buffer.stream, (score,) * whole))


@pytest.mark.parametrize("silence_ms", [200, 300, 490, 500, 512])
def test_a_turn_ends_with_the_last_millisecond_of_its_silence(silence_ms: int) -> None:
    world = World()
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    listened(world, 640, 0.9)  # whole windows and whole frames
    silent_ms = 0
    while "input_audio_buffer.speech_stopped" not in world.types():
        listened(world, 20, 0.0)
        silent_ms += 20
    assert silent_ms == -(-silence_ms // 20) * 20
    heard_ms = world.last("input_audio_buffer.speech_stopped")["audio_end_ms"] - 640
    assert silence_ms - WINDOW_MS < heard_ms <= silent_ms
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_turn_does_not_end_while_a_whole_window_is_not_scored() -> None:
    world = World()
    listened(world, 640, 0.9)
    listened(world, 480, 0.0)
    world.append(60)
    assert "input_audio_buffer.speech_stopped" not in world.types()
    world.tell(inputs.VoiceScored(world.machine.state.buffer.stream, (0.9,)))
    assert "input_audio_buffer.speech_stopped" not in world.types(), "somebody went on speaking"
    listened(world, 520, 0.0)
    assert world.types().count("input_audio_buffer.speech_stopped") == 1
